#include "daemon/sys/service_manager.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "daemon/sys/clock.h"

#define MANAGER "org.freedesktop.systemd1"
#define PRIVATE "unix:path=/run/systemd/private"
#define UNIT	MANAGER ".Unit"
#define SERVICE MANAGER ".Service"

/* Root talks to systemd itself, which works without a bus. */
static sd_bus *open_private(void)
{
	sd_bus *bus = NULL;

	if (sd_bus_new(&bus) < 0)
		return NULL;
	if (sd_bus_set_address(bus, PRIVATE) < 0 || sd_bus_start(bus) < 0)
		bus = sd_bus_unref(bus);
	return bus;
}

static sd_bus *connect_to(lb_duration wait)
{
	sd_bus *bus = geteuid() == 0 ? open_private() : NULL;

	if (!bus && sd_bus_open_system(&bus) < 0)
		return NULL;
	sd_bus_set_method_call_timeout(bus, (uint64_t)(wait / LB_USEC(1)));
	return bus;
}

/* The object of our unit, to be freed; NULL when there is none. */
static char *unit_path(sd_bus *bus)
{
	sd_bus_message *answer = NULL;
	const char *path;
	char *copy = NULL;

	if (sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager", "GetUnitByPID", NULL,
			       &answer, "u", (uint32_t)getpid()) >= 0 &&
	    sd_bus_message_read(answer, "o", &path) >= 0)
		copy = strdup(path);
	sd_bus_message_unref(answer);
	return copy;
}

/* service_shall_restart of systemd: does the policy of that name cover this end? */
static bool covers(const char *policy, const char *result)
{
	static const struct {
		const char *policy, *results; /* of failures, each between blanks */
	} rows[] = {
	    {"on-failure",  " protocol timeout exit-code signal core-dump watchdog start-limit-hit resources oom-kill "},
	    {"on-abnormal", " protocol timeout signal core-dump watchdog start-limit-hit resources oom-kill "	     },
	    {"on-abort",	 " signal core-dump "								       },
	    {"on-watchdog", " watchdog "									       },
	    {"on-success",  " success "										},
	};
	size_t n = strlen(result);

	if (strcmp(policy, "always") == 0)
		return true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strcmp(policy, rows[i].policy) == 0 ? strstr(rows[i].results, result) : NULL;
		if (at)
			return at[-1] == ' ' && at[n] == ' ';
	}
	return false;
}

/* Somebody wants the unit stopped or restarted: that ends differently from a crash. */
static bool has_job(sd_bus *bus, const char *path)
{
	sd_bus_message *answer = NULL;
	uint32_t job = 1;

	if (sd_bus_get_property(bus, MANAGER, path, UNIT, "Job", NULL, &answer, "(uo)") >= 0 &&
	    sd_bus_message_enter_container(answer, 'r', "uo") >= 0)
		sd_bus_message_read(answer, "u", &job);
	sd_bus_message_unref(answer);
	return job != 0;
}

static bool restarts(sd_bus *bus, const char *path, const char *result)
{
	uint64_t limit = 1;
	char *policy = NULL;
	bool yes;

	if (sd_bus_get_property_string(bus, MANAGER, path, SERVICE, "Restart", NULL, &policy) < 0)
		return false;
	yes = covers(policy, result);
	free(policy);
	/* With a limit of starts nobody knows whether this one is still granted. */
	return yes &&
	       sd_bus_get_property_trivial(bus, MANAGER, path, UNIT, "StartLimitIntervalUSec", NULL, 't', &limit) >=
		   0 &&
	       limit == 0 && !has_job(bus, path);
}

size_t service_manager_processes(lb_duration wait, pid_t *pids, size_t max)
{
	sd_bus *bus = connect_to(wait);
	sd_bus_message *answer = NULL;
	uint32_t pid;
	size_t n = 0;

	/* Without a name it is the caller's unit. */
	if (bus &&
	    sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager", "GetUnitProcesses", NULL,
			       &answer, "s", "") >= 0 &&
	    sd_bus_message_enter_container(answer, 'a', "(sus)") >= 0)
		while (n < max && sd_bus_message_read(answer, "(sus)", NULL, &pid, NULL) > 0)
			pids[n++] = (pid_t)pid;
	sd_bus_message_unref(answer);
	sd_bus_flush_close_unref(bus);
	return n;
}

void service_manager_ask(const char *result, lb_duration wait, struct service_plan *out)
{
	sd_bus *bus = connect_to(wait);
	char *path = bus ? unit_path(bus) : NULL;
	uint64_t started = 0;

	*out = (struct service_plan){0};
	if (path) {
		out->restarts = restarts(bus, path, result);
		if (sd_bus_get_property_trivial(bus, MANAGER, path, SERVICE, "ExecMainStartTimestampMonotonic", NULL,
						't', &started) >= 0 &&
		    started > 0)
			out->lived = clock_now() - LB_USEC((int64_t)started);
	}
	free(path);
	sd_bus_flush_close_unref(bus);
}
