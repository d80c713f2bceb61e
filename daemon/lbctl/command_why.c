/* Why things are as they are: the present state of a subject and the transitions that led to it. */
#include <stdio.h>
#include <string.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"
#include "daemon/lbctl/listing.h"

#define DECISIONS 10

int command_why(const struct command_call *call)
{
	const char *subject = call->arguments[0];
	struct command_target target;
	struct client_reply reply;
	struct lb_text path = {0}, out = {0};
	int code;

	if (subject && strcmp(subject, "vip") != 0 && !command_target(subject, &target))
		return COMMAND_USAGE;
	lb_text_add(&path, "/v1/why");
	if (subject) {
		lb_text_add(&path, "?subject=");
		client_escape(call->client, subject, &path);
	}
	code = command_get(call, lb_text_str(&path), &reply);
	lb_text_free(&path);
	if (code != COMMAND_OK)
		return code;
	if (call->json) {
		lb_text_add(&out, lb_text_str(&reply.body));
	} else {
		lb_text_add(&out, format_string(reply.json, "text"));
		listing_events(json_object_get(reply.json, "events"), DECISIONS, call->colour, &out);
	}
	client_reply_free(&reply);
	return command_print(&out, COMMAND_OK);
}
