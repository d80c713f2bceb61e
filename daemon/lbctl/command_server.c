/* Servers and their sessions: drain, ready, maint, weight, limit, kill, clear. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"

#define LOOK_INTERVAL LB_MSEC(200)
/* After a reset the sessions need a moment to be gone from the counters. */
#define KILL_GRACE LB_SEC(2)

static int post_server(const struct command_call *call, const struct command_target *target, json_t *body)
{
	struct lb_text path = {0};
	int code;

	lb_text_add(&path, "/v1/servers/");
	client_escape(call->client, target->service, &path);
	lb_text_add(&path, "/");
	client_escape(call->client, target->server, &path);
	code = command_post(call, lb_text_str(&path), body);
	lb_text_free(&path);
	return code;
}

/* Reset the sessions that path names; their number goes to *count. */
static int end_sessions(const struct command_call *call, const char *path, size_t *count)
{
	struct client_reply reply;
	int code = command_request(call, &(struct client_request){.method = "DELETE", .path = path}, &reply);

	*count = 0;
	if (code != COMMAND_OK)
		return code;
	*count = (size_t)format_number(reply.json, "ended", 0);
	client_reply_free(&reply);
	return COMMAND_OK;
}

/* "/v1/connections?server=SERVICE/SERVER" */
static void add_sessions_path(const struct command_call *call, const struct command_target *target,
			      struct lb_text *path)
{
	lb_text_add(path, "/v1/connections?server=");
	client_escape(call->client, target->service, path);
	lb_text_add(path, "/");
	client_escape(call->client, target->server, path);
}

static int end_sessions_of(const struct command_call *call, const struct command_target *target, size_t *count)
{
	struct lb_text path = {0};
	int code;

	add_sessions_path(call, target, &path);
	code = end_sessions(call, lb_text_str(&path), count);
	lb_text_free(&path);
	return code;
}

static int count_sessions(const struct command_call *call, const struct command_target *target, size_t *count)
{
	struct client_reply reply;
	struct lb_text path = {0};
	int code;

	add_sessions_path(call, target, &path);
	lb_text_add(&path, "&limit=0");
	code = command_get(call, lb_text_str(&path), &reply);
	lb_text_free(&path);
	if (code != COMMAND_OK)
		return code;
	*count = (size_t)format_number(reply.json, "total", 0);
	client_reply_free(&reply);
	return COMMAND_OK;
}

/* Until the server has no session: resets what is left at kill_at, gives up at deadline. */
static int wait_until_idle(const struct command_call *call, const struct command_target *target, lb_time kill_at,
			   lb_time deadline)
{
	size_t left = 0, ended;

	for (;;) {
		lb_time now = command_clock();
		int code = count_sessions(call, target, &left);

		if (code == COMMAND_OK && left > 0 && now >= kill_at)
			code = end_sessions_of(call, target, &ended);
		if (code != COMMAND_OK || left == 0)
			return code;
		if (now >= deadline)
			break;
		command_pause(LOOK_INTERVAL);
	}
	fprintf(stderr, "lbctl: %zu session%s left on %s/%s\n", left, left == 1 ? " is" : "s are", target->service,
		target->server);
	return COMMAND_REFUSED;
}

/* One line of what was done, and the limit an operator has to know of it. */
static int tell_admin(const struct command_call *call, const struct command_target *target, const char *admin)
{
	size_t left = 0;
	int code = count_sessions(call, target, &left);

	if (code != COMMAND_OK)
		return code;
	if (strcmp(admin, "ready") == 0)
		printf("%s/%s is ready on this node, %zu session%s\n", target->service, target->server, left,
		       left == 1 ? "" : "s");
	else
		printf("%s/%s is now in %s, %zu session%s left\n"
		       "on this node only; repeat it on the other nodes\n",
		       target->service, target->server, admin, left, left == 1 ? "" : "s");
	return fflush(stdout) == 0 ? COMMAND_OK : COMMAND_REFUSED;
}

static int set_admin(const struct command_call *call, const char *admin)
{
	struct command_target target;
	lb_duration wait, kill_after;
	lb_time now;
	int code;

	if (!command_target(call->arguments[0], &target) || !command_duration(call, COMMAND_WAIT_FOR, -1, &wait) ||
	    !command_duration(call, COMMAND_KILL_AFTER, -1, &kill_after))
		return COMMAND_USAGE;
	now = command_clock();
	code = post_server(call, &target, json_pack("{s:s}", "admin", admin));
	if (code == COMMAND_OK && !call->json)
		code = tell_admin(call, &target, admin);
	if (code != COMMAND_OK || (wait < 0 && kill_after < 0))
		return code;
	if (wait < kill_after + KILL_GRACE && kill_after >= 0)
		wait = kill_after + KILL_GRACE;
	return wait_until_idle(call, &target, kill_after < 0 ? LB_TIME_NEVER : now + kill_after, now + wait);
}

int command_drain(const struct command_call *call)
{
	return set_admin(call, "drain");
}

int command_ready(const struct command_call *call)
{
	return set_admin(call, "ready");
}

int command_maint(const struct command_call *call)
{
	return set_admin(call, "maint");
}

/* A whole number without sign; -1 when it is not one. */
static long parse_number(const char *text)
{
	char *end;
	long value = *text >= '0' && *text <= '9' ? strtol(text, &end, 10) : -1;

	return value >= 0 && *end == '\0' ? value : -1;
}

int command_weight(const struct command_call *call)
{
	struct command_target target;
	long weight = parse_number(call->arguments[1]);
	int code;

	if (!command_target(call->arguments[0], &target))
		return COMMAND_USAGE;
	if (weight < 0)
		return command_fail(COMMAND_USAGE, "a weight is a whole number from 1 to 256");
	code = post_server(call, &target, json_pack("{s:i}", "weight", (int)(weight > 100000 ? 100000 : weight)));
	if (code == COMMAND_OK && !call->json)
		printf("%s/%s has weight %ld now, on this node only\n", target.service, target.server, weight);
	return code;
}

int command_limit(const struct command_call *call)
{
	static const long most = 1000000;
	struct command_target target;
	bool none = strcmp(call->arguments[1], "none") == 0;
	long limit = none ? 0 : parse_number(call->arguments[1]);
	int code;

	if (!command_target(call->arguments[0], &target))
		return COMMAND_USAGE;
	if (limit < 0 || limit > most || (limit == 0 && !none))
		return command_fail(COMMAND_USAGE, "a limit is a whole number from 1 to 1000000, or \"none\"");
	code = post_server(call, &target, json_pack("{s:i}", "max_connections", (int)limit));
	if (code == COMMAND_OK && !call->json)
		printf(none	    ? "%s/%s has no limit of sessions now, on this node only\n"
		       : limit == 1 ? "%s/%s takes at most %s session now, on this node only\n"
				    : "%s/%s takes at most %s sessions now, on this node only\n",
		       target.service, target.server, call->arguments[1]);
	return code;
}

int command_kill(const struct command_call *call)
{
	struct command_target target;
	long id = parse_number(call->arguments[0]);
	char path[64];
	size_t count;
	int code;

	snprintf(path, sizeof(path), "/v1/connections/%ld", id);
	if (id < 0 && !command_target(call->arguments[0], &target))
		return COMMAND_USAGE;
	code = id >= 0 ? end_sessions(call, path, &count) : end_sessions_of(call, &target, &count);
	if (code == COMMAND_OK)
		printf(call->json   ? "{\"ended\": %zu}\n"
		       : count == 1 ? "%zu session ended\n"
				    : "%zu sessions ended\n",
		       count);
	return code;
}

int command_clear(const struct command_call *call)
{
	if (strcmp(call->arguments[0], "counters") != 0)
		return command_fail(COMMAND_USAGE, "what can be cleared is: counters");
	return command_change(call, "DELETE", "/v1/counters", NULL);
}
