/* What only looks: status, why, events, connections, metrics, version. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"
#include "daemon/lbctl/listing.h"
#include "daemon/lbctl/status.h"

#define EVENT_LINES 100

/* One look at the daemon; the exit code is the verdict on what was seen. */
static int look(const struct command_call *call, struct lb_text *out)
{
	struct client_reply reply;
	struct lb_text problems = {0};
	int code = command_get(call, call->json ? "/v1/status" : "/v1/status?detail=brief", &reply);

	if (code != COMMAND_OK)
		return code;
	if (call->json) {
		lb_text_add(out, lb_text_str(&reply.body));
		code = (int)status_judge(reply.json, &problems);
	} else {
		code = (int)status_text(reply.json, format_now(), call->colour, out);
	}
	lb_text_free(&problems);
	client_reply_free(&reply);
	return code;
}

/* On a terminal each picture is drawn over the last one; what is left of a longer line or picture is erased. */
static void draw_over(const struct lb_text *picture)
{
	fputs("\033[H", stdout);
	for (const char *at = lb_text_str(picture); *at; at++) {
		if (*at == '\n')
			fputs("\033[K", stdout);
		putchar(*at);
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

static int watch(const struct command_call *call)
{
	bool terminal = isatty(STDOUT_FILENO) == 1;

	if (terminal)
		fputs("\033[2J", stdout);
	for (;;) {
		struct lb_text picture = {0};

		look(call, &picture);
		if (terminal)
			draw_over(&picture);
		else if (printf("%s\n", lb_text_str(&picture)) < 0 || fflush(stdout) == EOF)
			return COMMAND_REFUSED;
		lb_text_free(&picture);
		command_pause(LB_SEC(1));
	}
}

int command_status(const struct command_call *call)
{
	struct lb_text out = {0};
	int code;

	if (call->values[COMMAND_WATCH])
		return watch(call);
	code = look(call, &out);
	return command_print(&out, code);
}

/* The daemon's answer as it is. */
static int show(const struct command_call *call, const char *path)
{
	struct client_reply reply;
	struct lb_text out = {0};
	int code = command_get(call, path, &reply);

	if (code != COMMAND_OK)
		return code;
	lb_text_add(&out, lb_text_str(&reply.body));
	client_reply_free(&reply);
	return command_print(&out, COMMAND_OK);
}

int command_metrics(const struct command_call *call)
{
	return show(call, "/metrics");
}

static bool on_event_line(void *ctx, const char *line)
{
	const struct command_call *call = ctx;
	json_t *event = json_loads(line, 0, NULL);
	struct lb_text out = {0};

	if (call->json)
		lb_text_addf(&out, "%s\n", line);
	else if (event)
		listing_event(event, call->colour, &out);
	json_decref(event);
	return command_print(&out, COMMAND_OK) == COMMAND_OK;
}

static int follow_events(const struct command_call *call, const char *path)
{
	struct lb_text titles = {0};
	struct lb_err err;

	if (!call->json) {
		listing_event_titles(call->colour, &titles);
		if (command_print(&titles, COMMAND_OK) != COMMAND_OK)
			return COMMAND_REFUSED;
	}
	if (!client_follow(call->client, path, on_event_line, (void *)(uintptr_t)call, &err))
		return command_fail(COMMAND_NO_DAEMON, err.text);
	return COMMAND_OK;
}

int command_events(const struct command_call *call)
{
	const char *lines = call->values[COMMAND_LINES];
	char *end = NULL, path[96];
	unsigned long count = lines ? strtoul(lines, &end, 10) : EVENT_LINES;
	struct client_reply reply;
	struct lb_text out = {0};
	int code;

	if (lines && (*lines < '0' || *lines > '9' || *end != '\0'))
		return command_fail(COMMAND_USAGE, "-n needs a number of events");
	snprintf(path, sizeof(path), "/v1/events?n=%lu%s", count, call->values[COMMAND_FOLLOW] ? "&follow=1" : "");
	if (call->values[COMMAND_FOLLOW])
		return follow_events(call, path);
	code = command_get(call, path, &reply);
	if (code != COMMAND_OK)
		return code;
	if (call->json)
		lb_text_add(&out, lb_text_str(&reply.body));
	else
		listing_events(json_object_get(reply.json, "events"), (size_t)count, call->colour, &out);
	client_reply_free(&reply);
	return command_print(&out, COMMAND_OK);
}

/* One part of the query, where the option is given. */
static void add_filter(const struct command_call *call, enum command_option option, const char *name,
		       struct lb_text *path)
{
	if (!call->values[option])
		return;
	lb_text_addf(path, "%s%s=", strchr(lb_text_str(path), '?') ? "&" : "?", name);
	client_escape(call->client, call->values[option], path);
}

int command_connections(const struct command_call *call)
{
	struct client_reply reply;
	struct lb_text path = {0}, out = {0};
	int code;

	lb_text_add(&path, "/v1/connections");
	add_filter(call, COMMAND_SERVICE, "service", &path);
	add_filter(call, COMMAND_SERVER, "server", &path);
	add_filter(call, COMMAND_CLIENT, "client", &path);
	code = command_get(call, lb_text_str(&path), &reply);
	lb_text_free(&path);
	if (code != COMMAND_OK)
		return code;
	if (call->json)
		lb_text_add(&out, lb_text_str(&reply.body));
	else
		listing_sessions(reply.json, call->colour, &out);
	client_reply_free(&reply);
	return command_print(&out, COMMAND_OK);
}

int command_version(const struct command_call *call)
{
	struct client_reply reply;
	struct lb_text out = {0};
	int code = command_get(call, "/v1/status?detail=node", &reply);

	if (call->json) {
		lb_text_addf(&out, "{\"lbctl\": \"%s\"", LB_VERSION);
		if (code == COMMAND_OK)
			lb_text_addf(&out, ", \"lbd\": \"%s\"", format_string(reply.json, "version"));
		lb_text_add(&out, "}\n");
	} else {
		lb_text_addf(&out, "lbctl %s\n", LB_VERSION);
		if (code == COMMAND_OK)
			lb_text_addf(&out, "lbd   %s\n", format_string(reply.json, "version"));
	}
	if (code == COMMAND_OK)
		client_reply_free(&reply);
	return command_print(&out, code);
}
