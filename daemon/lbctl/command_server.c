/* One server and its sessions: drain, ready, maint, weight, kill. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"
#include "daemon/lbctl/listing.h"

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

static int delete_session(const struct command_call *call, double id)
{
	struct client_reply reply;
	char path[64];
	int code;

	snprintf(path, sizeof(path), "/v1/connections/%.0f", id);
	code = command_request(call, &(struct client_request){.method = "DELETE", .path = path}, &reply);
	if (code == COMMAND_OK)
		client_reply_free(&reply);
	return code;
}

/* Sessions of the target; with end, each is reset. A session that ended by itself in between is no failure. */
static int each_session(const struct command_call *call, const struct command_target *target, bool end, size_t *count)
{
	struct listing_filter filter = {.service = target->service, .server = target->server};
	struct client_reply reply;
	const json_t *session;
	size_t i;
	int code = command_get(call, "/v1/connections", &reply);

	*count = 0;
	if (code != COMMAND_OK)
		return code;
	json_array_foreach(json_object_get(reply.json, "connections"), i, session)
	{
		struct client_reply answer;
		struct lb_err err;
		char path[64];

		if (!listing_matches(session, &filter))
			continue;
		++*count;
		snprintf(path, sizeof(path), "/v1/connections/%.0f", format_number(session, "id", 0));
		if (!end)
			continue;
		if (!client_call(call->client, &(struct client_request){.method = "DELETE", .path = path}, &answer,
				 &err)) {
			code = command_fail(COMMAND_NO_DAEMON, err.text);
			break;
		}
		client_reply_free(&answer);
	}
	client_reply_free(&reply);
	return code;
}

/* Until the server has no session: resets what is left at kill_at, gives up at deadline. */
static int wait_until_idle(const struct command_call *call, const struct command_target *target, lb_time kill_at,
			   lb_time deadline)
{
	size_t left;

	for (;;) {
		lb_time now = command_clock();
		int code = each_session(call, target, now >= kill_at, &left);

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

	if (!command_target(call->arguments[0], &target))
		return COMMAND_USAGE;
	if (weight < 0)
		return command_fail(COMMAND_USAGE, "a weight is a whole number from 1 to 256");
	return post_server(call, &target, json_pack("{s:i}", "weight", (int)(weight > 100000 ? 100000 : weight)));
}

int command_kill(const struct command_call *call)
{
	struct command_target target;
	long id = parse_number(call->arguments[0]);
	size_t count;
	int code;

	if (id >= 0)
		return delete_session(call, (double)id);
	if (!command_target(call->arguments[0], &target))
		return COMMAND_USAGE;
	code = each_session(call, &target, true, &count);
	if (code == COMMAND_OK && !call->json)
		printf("%zu session%s reset\n", count, count == 1 ? "" : "s");
	return code;
}
