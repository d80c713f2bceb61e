/* Who owns the VIP: failover, standby. */
#include <stdio.h>
#include <string.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"

#define FAILOVER_WAIT LB_SEC(15)
#define LOOK_INTERVAL LB_MSEC(100)

/* The owner as this node knows it; COMMAND_OK or what to exit with. */
static int find_owner(const struct command_call *call, char *owner, size_t size)
{
	struct client_reply reply;
	int code = command_get(call, "/v1/status?detail=node", &reply);

	if (code != COMMAND_OK)
		return code;
	snprintf(owner, size, "%s", format_string(reply.json, "owner"));
	client_reply_free(&reply);
	return COMMAND_OK;
}

static int wait_for_owner(const struct command_call *call, const char *before, const char *wanted)
{
	lb_time deadline = command_clock() + FAILOVER_WAIT;
	char owner[64] = "";

	while (command_clock() < deadline) {
		int code = find_owner(call, owner, sizeof(owner));

		if (code != COMMAND_OK)
			return code;
		if (*owner && (wanted ? strcmp(owner, wanted) == 0 : strcmp(owner, before) != 0))
			return COMMAND_OK;
		command_pause(LOOK_INTERVAL);
	}
	return command_fail(COMMAND_REFUSED, "the VIP has not moved within 15 s");
}

int command_failover(const struct command_call *call)
{
	const char *to = call->values[COMMAND_TO];
	char before[64] = "";
	int code = find_owner(call, before, sizeof(before));

	if (code == COMMAND_OK)
		code = command_post(call, "/v1/failover", to ? json_pack("{s:s}", "to", to) : json_object());
	if (code != COMMAND_OK || !call->values[COMMAND_WAIT])
		return code;
	return wait_for_owner(call, before, to);
}

int command_standby(const struct command_call *call)
{
	bool on = strcmp(call->arguments[0], "on") == 0;

	if (!on && strcmp(call->arguments[0], "off") != 0)
		return command_fail(COMMAND_USAGE, "standby needs \"on\" or \"off\"");
	return command_post(call, "/v1/standby", json_pack("{s:b}", "standby", on));
}
