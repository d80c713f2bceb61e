#include "daemon/keeper/retreat.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/sys/caps.h"
#include "daemon/sys/fdstore.h"

/* In the environment: why the former program is executed again. */
#define REASON "LBD_UPGRADE_FAILED"

void retreat(struct resume *resume, char *const argv[], const char *why)
{
	char text[RETREAT_TEXT], path[RESUME_WAY_MAX];

	if (resume ? !resume_in_place(resume) : !fdstore_in_place())
		return;
	if (!resume)
		resume = resume_new();
	if (!resume || !resume_way_back(resume, path))
		return;
	snprintf(text, sizeof(text), "lbd " LB_VERSION " could not go on: %.130s", why);
	lb_error("%s; the former lbd is executed again", text);
	if (setenv(REASON, text, 1) == 0 && caps_pass_on() && resume_pass_on(resume, false))
		execv(path, argv);
	lb_error("the former lbd cannot be executed: %s", strerror(errno));
}

bool retreat_arrived(char why[static RETREAT_TEXT])
{
	const char *text = getenv(REASON);

	if (!text)
		return false;
	snprintf(why, RETREAT_TEXT, "%s", text);
	unsetenv(REASON);
	/* The kernel named the process after the descriptor. */
	prctl(PR_SET_NAME, program_invocation_short_name);
	return true;
}
