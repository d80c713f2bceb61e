#include "daemon/keeper/afterlife.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/sys/service_manager.h"

#define ASK_WAIT LB_MSEC(50)

/* What lived less than this did not get far; going on in its place would only crash again. */
#define LIVED_ENOUGH LB_SEC(1)

/* Between two starts that fail; a crash of a process that has lived is mended without any. */
#define PAUSE LB_MSEC(500)

/* A killed process that has not gone by then is in the kernel's hands. */
#define GONE_WAIT_MS 300

/* The service has three at most, and one more while it is upgraded. */
#define PROCESSES_MAX 16

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

static bool is_proxy(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return strcmp(name, "lbd-proxy\n") == 0;
}

static void end_one(pid_t pid)
{
	struct pollfd process = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	/* Looked at when it cannot become another one any more. */
	if (process.fd < 0)
		return;
	if (is_proxy(pid) && pidfd_send_signal(process.fd, SIGKILL, NULL, 0) == 0) {
		lb_notice("ended lbd-proxy pid=%d that the keeper left", (int)pid);
		poll(&process, 1, GONE_WAIT_MS);
	}
	close(process.fd);
}

void afterlife_end_proxy(void)
{
	pid_t pids[PROCESSES_MAX];
	size_t n = ended() ? service_manager_processes(ASK_WAIT, pids, PROCESSES_MAX) : 0;

	for (size_t i = 0; i < n; i++)
		end_one(pids[i]);
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
