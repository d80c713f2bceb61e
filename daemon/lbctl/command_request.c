/* What the commands share: asking the daemon and telling what it answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"

int command_fail(int code, const char *sentence)
{
	size_t length = strlen(sentence);

	fprintf(stderr, "lbctl: %s%s", sentence, length > 0 && sentence[length - 1] == '\n' ? "" : "\n");
	return code;
}

int command_print(struct lb_text *out, int code)
{
	bool failed = out->failed || fputs(lb_text_str(out), stdout) == EOF || fflush(stdout) == EOF;

	lb_text_free(out);
	return failed ? command_fail(COMMAND_REFUSED, "the answer could not be written") : code;
}

/* The daemon's own sentence where it gave one. */
static int refused(const struct client_reply *reply)
{
	const char *message = format_string(json_object_get(reply->json, "error"), "message");
	char sentence[64];

	snprintf(sentence, sizeof(sentence), "the daemon answered with HTTP status %ld", reply->status);
	return command_fail(COMMAND_REFUSED, *message ? message : sentence);
}

int command_request(const struct command_call *call, const struct client_request *request, struct client_reply *reply)
{
	struct lb_err err;
	int code = COMMAND_OK;

	if (!client_call(call->client, request, reply, &err))
		return command_fail(COMMAND_NO_DAEMON, err.text);
	if (reply->status >= 400) {
		code = refused(reply);
		client_reply_free(reply);
	}
	return code;
}

int command_get(const struct command_call *call, const char *path, struct client_reply *reply)
{
	return command_request(call, &(struct client_request){.method = "GET", .path = path}, reply);
}

/* The daemon's message, or with --json its answer. */
static int tell_answer(const struct command_call *call, struct client_reply *reply)
{
	const char *message = format_string(reply->json, "message");
	struct lb_text out = {0};

	if (call->json)
		lb_text_add(&out, lb_text_str(&reply->body));
	else if (*message)
		lb_text_addf(&out, "%s%s", message, message[strlen(message) - 1] == '\n' ? "" : "\n");
	client_reply_free(reply);
	return command_print(&out, COMMAND_OK);
}

int command_change(const struct command_call *call, const char *method, const char *path, json_t *body)
{
	char *bytes = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct client_reply reply;
	int code;

	if (body && !bytes)
		return command_fail(COMMAND_REFUSED, "out of memory");
	json_decref(body);
	code =
	    command_request(call,
			    &(struct client_request){
				.method = method, .path = path, .body = bytes, .body_len = bytes ? strlen(bytes) : 0},
			    &reply);
	free(bytes);
	return code == COMMAND_OK ? tell_answer(call, &reply) : code;
}

int command_post(const struct command_call *call, const char *path, json_t *body)
{
	return body ? command_change(call, "POST", path, body) : command_fail(COMMAND_REFUSED, "out of memory");
}

bool command_duration(const struct command_call *call, enum command_option option, lb_duration def, lb_duration *out)
{
	const char *text = call->values[option];
	char sentence[128];

	*out = def;
	if (!text || lb_duration_parse(text, out))
		return true;
	snprintf(sentence, sizeof(sentence), "\"%.40s\" is no duration; write 500ms, 30s or 5m", text);
	command_fail(COMMAND_USAGE, sentence);
	return false;
}

bool command_target(const char *text, struct command_target *out)
{
	const char *slash = strchr(text, '/');
	size_t service = slash ? (size_t)(slash - text) : 0;
	char sentence[128];

	if (slash && service > 0 && service < sizeof(out->service) && slash[1] != '\0' && !strchr(slash + 1, '/') &&
	    strlen(slash + 1) < sizeof(out->server)) {
		snprintf(out->service, sizeof(out->service), "%.*s", (int)service, text);
		snprintf(out->server, sizeof(out->server), "%s", slash + 1);
		return true;
	}
	snprintf(sentence, sizeof(sentence), "\"%.60s\" names no server; write SERVICE/SERVER", text);
	command_fail(COMMAND_USAGE, sentence);
	return false;
}

void command_pause(lb_duration time)
{
	nanosleep(&(struct timespec){.tv_sec = time / LB_SEC(1), .tv_nsec = time % LB_SEC(1)}, NULL);
}

lb_time command_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return LB_SEC(now.tv_sec) + now.tv_nsec;
}
