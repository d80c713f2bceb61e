#include "daemon/keeper/afterlife.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lb/log.h>

#include "daemon/sys/service_manager.h"

#define ASK_WAIT LB_MSEC(50)

/* What lived less than this did not get far; going on in its place would only crash again. */
#define LIVED_ENOUGH LB_SEC(1)

/* Between two starts that fail; a crash of a process that has lived is mended without any. */
#define PAUSE LB_MSEC(500)

/* How the main process ended, as systemd tells it; NULL: not run by systemd. */
static const char *ended(void)
{
	return getenv("SERVICE_RESULT");
}

static bool is_crash(const char *result)
{
	static const char *const crashes[] = {"signal", "core-dump", "watchdog", "oom-kill"};

	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		if (strcmp(result, crashes[i]) == 0)
			return true;
	return false;
}

bool afterlife_expected(void)
{
	const char *result = ended();
	struct service_plan plan;

	if (!result || !is_crash(result))
		return false;
	service_manager_ask(result, ASK_WAIT, &plan);
	return plan.restarts && plan.lived >= LIVED_ENOUGH;
}

void afterlife_pace(void)
{
	const struct timespec pause = {.tv_nsec = PAUSE};
	const char *result = ended();
	struct service_plan plan;

	if (!result || strcmp(result, "success") == 0)
		return;
	service_manager_ask(result, ASK_WAIT, &plan);
	if (plan.lived > 0 && plan.lived < LIVED_ENOUGH) {
		lb_notice("it ended %.0f ms after its start: the next start waits", lb_duration_ms(plan.lived));
		nanosleep(&pause, NULL);
	}
}
