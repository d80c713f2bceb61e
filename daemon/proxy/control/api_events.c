/*
 * GET /v1/events: {"events": [...]} behind id `since`, at most the last `n`; with follow=1 a stream that does not end,
 * one JSON object a line, beginning with what is there already.
 */
#include <stdlib.h>
#include <string.h>

#include <lb/view.h>

#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"

/* A reader of the stream: what it has seen, and what is left of a line that did not fit. */
struct follower {
	const struct recorder *recorder;
	uint64_t seen;
	struct lb_text line;
	size_t sent;
};

static size_t next_piece(void *ctx, char *buf, size_t cap)
{
	struct follower *f = ctx;
	const struct lb_event *event;
	size_t n;

	if (f->sent == f->line.len) {
		char *json;

		event = recorder_next(f->recorder, f->seen);
		if (!event)
			return 0;
		f->seen = event->id;
		json = must(view_event_json(event));
		lb_text_free(&f->line);
		f->line = (struct lb_text){0};
		lb_text_addf(&f->line, "%s\n", json);
		f->sent = 0;
		free(json);
	}
	n = f->line.len - f->sent < cap ? f->line.len - f->sent : cap;
	memcpy(buf, f->line.data + f->sent, n);
	f->sent += n;
	return n;
}

static void on_follower_gone(void *ctx)
{
	struct follower *f = ctx;

	lb_text_free(&f->line);
	free(f);
}

/* The last n events behind since, in order; *count is how many. The caller frees. */
static struct lb_event *gather(const struct recorder *r, uint64_t since, uint64_t n, size_t *count)
{
	struct lb_event *list = must(calloc(RECORDER_KEEPS, sizeof(*list)));
	const struct lb_event *event;

	*count = 0;
	while (*count < RECORDER_KEEPS && (event = recorder_next(r, since)) != NULL) {
		list[(*count)++] = *event;
		since = event->id;
	}
	if (*count > n) {
		memmove(list, list + (*count - n), (size_t)n * sizeof(*list));
		*count = (size_t)n;
	}
	return list;
}

/* What the query asks for; NULL: refused already. The caller frees. */
static struct lb_event *asked_for(struct api_call *call, uint64_t *since, size_t *count)
{
	uint64_t n;

	if (!api_route_number(call, "since", 0, since) || !api_route_number(call, "n", RECORDER_KEEPS, &n))
		return NULL;
	return gather(call->api->params.recorder, *since, n, count);
}

/* Without the stream: for those who may only look. */
void api_events_recent(struct api_call *call)
{
	uint64_t since;
	size_t count;
	struct lb_event *list = asked_for(call, &since, &count);

	if (!list)
		return;
	http_request_reply(call->http, 200, API_JSON, view_events_json(list, count));
	free(list);
}

void api_events(struct api_call *call)
{
	const struct recorder *recorder = call->api->params.recorder;
	const char *follow = http_request_query(call->http, "follow");
	struct lb_event *list;
	struct follower *f;
	uint64_t since;
	size_t count;

	if (!follow || strcmp(follow, "1") != 0) {
		api_events_recent(call);
		return;
	}
	list = asked_for(call, &since, &count);
	if (!list)
		return;
	f = must(calloc(1, sizeof(*f)));
	f->recorder = recorder;
	f->seen = count > 0 ? list[0].id - 1 : since;
	free(list);
	http_request_stream(call->http, &(struct http_stream){.type = "application/x-ndjson",
							      .next = next_piece,
							      .on_close = on_follower_gone,
							      .ctx = f});
}
