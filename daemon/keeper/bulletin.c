#include "daemon/keeper/bulletin.h"

#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"

#define REGULAR_INTERVAL 0.2 /* seconds between pictures when nothing changes */

static void send_picture(const struct bulletin *b, struct ipc *ipc)
{
	struct lb_snapshot_keeper picture;

	if (!ipc)
		return;
	memset(&picture, 0, sizeof(picture));
	election_snapshot(b->election, &picture);
	memcpy(picture.upgrade, b->upgrade, sizeof(picture.upgrade));
	picture.proxy_restarts = supervise_restarts(b->supervise);
	ipc_post(ipc, IPC_KEEPER_STATUS, &picture, sizeof(picture));
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	struct bulletin *b = w->data;

	send_picture(b, supervise_ipc(b->supervise));
}

void bulletin_init(struct bulletin *b, struct ev_loop *loop)
{
	*b = (struct bulletin){.loop = loop};
	ev_timer_init(&b->regular, on_timer, REGULAR_INTERVAL, REGULAR_INTERVAL);
	ev_timer_init(&b->changed, on_timer, 0., 0.);
	b->regular.data = b->changed.data = b;
}

void bulletin_start(struct bulletin *b, struct election *election, struct supervise *supervise)
{
	b->election = election;
	b->supervise = supervise;
	ev_timer_start(b->loop, &b->regular);
}

void bulletin_changed(struct bulletin *b)
{
	if (b->supervise && !ev_is_active(&b->changed))
		ev_timer_start(b->loop, &b->changed);
}

void bulletin_upgrade(struct bulletin *b, const char *text)
{
	snprintf(b->upgrade, sizeof(b->upgrade), "%s", text);
	bulletin_changed(b);
}

void bulletin_event(struct bulletin *b, const struct lb_event *event)
{
	struct ipc *ipc = b->supervise ? supervise_ipc(b->supervise) : NULL;

	b->events[b->event_count++ % BULLETIN_EVENTS] = *event;
	if (ipc)
		ipc_post(ipc, IPC_EVENT, event, sizeof(*event));
}

void bulletin_record(struct bulletin *b, const char *kind, const char *from, const char *to, const char *reason)
{
	struct lb_event event = {.at = clock_wall()};

	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	snprintf(event.subject, sizeof(event.subject), "%s", kind);
	snprintf(event.from, sizeof(event.from), "%s", from);
	snprintf(event.to, sizeof(event.to), "%s", to);
	snprintf(event.reason, sizeof(event.reason), "%s", reason);
	bulletin_event(b, &event);
}

void bulletin_repeat(const struct bulletin *b, struct ipc *ipc)
{
	size_t first = b->event_count > BULLETIN_EVENTS ? b->event_count - BULLETIN_EVENTS : 0;

	send_picture(b, ipc);
	for (size_t i = first; i < b->event_count; i++)
		ipc_post(ipc, IPC_EVENT, &b->events[i % BULLETIN_EVENTS], sizeof(b->events[0]));
}
