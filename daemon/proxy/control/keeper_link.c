#include "daemon/proxy/control/keeper_link.h"

#include <unistd.h>

#include "daemon/ipc/ipc_link.h"

/* Seconds. An address without a keeper stays for two; what sessions there were on it are over by then. */
#define PATIENCE 3.0

static void on_patience_over(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct keeper_link *l = w->data;

	(void)loop;
	(void)revents;
	l->alone(l->ctx, "no other keeper came within 3 s");
}

static void end_with(struct keeper_link *l, const char *why)
{
	bool waiting = ev_is_active(&l->patience);

	keeper_link_close(l);
	if (waiting)
		l->alone(l->ctx, why);
}

static void on_news(struct ev_loop *loop, ev_io *w, int revents)
{
	struct keeper_link *l = w->data;
	int channel;

	(void)revents;
	switch (ipc_link_receive(w->fd, &channel)) {
	case IPC_LINK_NOTHING:
		break;
	case IPC_LINK_CHANNEL:
		ev_timer_stop(loop, &l->patience);
		l->come(l->ctx, channel);
		break;
	case IPC_LINK_FOREIGN:
		/* It is here, and the one before it cannot be: as if that had been noticed already. */
		ev_timer_stop(loop, &l->patience);
		l->alone(l->ctx, "another version of lbd took over");
		break;
	case IPC_LINK_CLOSED:
		end_with(l, "nobody starts another keeper");
		break;
	}
}

void keeper_link_open(struct keeper_link *l, struct ev_loop *loop, int fd)
{
	l->loop = loop;
	ev_io_init(&l->reader, on_news, fd, EV_READ);
	ev_timer_init(&l->patience, on_patience_over, PATIENCE, 0.);
	l->reader.data = l->patience.data = l;
	if (fd >= 0)
		ev_io_start(loop, &l->reader);
}

bool keeper_link_wait(struct keeper_link *l)
{
	if (l->reader.fd < 0)
		return false;
	ev_timer_stop(l->loop, &l->patience);
	ev_timer_set(&l->patience, PATIENCE, 0.);
	ev_timer_start(l->loop, &l->patience);
	return true;
}

void keeper_link_close(struct keeper_link *l)
{
	ev_timer_stop(l->loop, &l->patience);
	if (l->reader.fd < 0)
		return;
	ev_io_stop(l->loop, &l->reader);
	close(l->reader.fd);
	ev_io_set(&l->reader, -1, 0);
}
