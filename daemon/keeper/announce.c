#include "daemon/keeper/announce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/arp_frame.h>
#include <lb/log.h>
#include <lb/nd_frame.h>
#include <lb/ratelimit.h>

#include "daemon/keeper/neighbours.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/packet_sock.h"

/* Pauses between announcements; the last one repeats for ever. */
static const lb_duration pauses[] = {
    LB_MSEC(20), LB_MSEC(80), LB_MSEC(400), LB_MSEC(1500), LB_SEC(3), LB_SEC(30),
};
#define PAUSES (sizeof(pauses) / sizeof(pauses[0]))

struct announce {
	struct ev_loop *loop;
	const struct vip_table *vips;
	struct neighbours *neighbours;
	int fd;
	bool running;
	size_t step;
	ev_timer timer;
	struct ratelimit again, log;
	uint64_t sent;
};

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents);

/*
 * Closing a packet socket takes the kernel a while, in which a process that was killed is not yet dead: kept, it costs
 * the next process nothing.
 */
static int open_socket(struct resume *resume, struct lb_err *err)
{
	int fd = resume_take(resume, RESUME_ANNOUNCE);

	if (fd < 0) {
		fd = packet_sock_open(err);
		if (fd >= 0)
			resume_put(resume, RESUME_ANNOUNCE, fd);
	}
	return fd;
}

struct announce *announce_new(struct ev_loop *loop, const struct vip_table *vips, struct resume *resume,
			      struct lb_err *err)
{
	struct announce *a = calloc(1, sizeof(*a));

	if (!a) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	a->loop = loop;
	a->vips = vips;
	a->again = (struct ratelimit)RATELIMIT_INIT(5, LB_MSEC(200));
	a->log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(10));
	ev_init(&a->timer, on_timer);
	a->timer.data = a;
	a->fd = open_socket(resume, err);
	a->neighbours = a->fd < 0 ? NULL : neighbours_new(loop, vips, err);
	if (!a->neighbours) {
		announce_free(a);
		return NULL;
	}
	return a;
}

void announce_free(struct announce *a)
{
	if (!a)
		return;
	ev_timer_stop(a->loop, &a->timer);
	neighbours_free(a->neighbours);
	if (a->fd >= 0)
		close(a->fd);
	free(a);
}

static void announce_vip(struct announce *a, size_t i)
{
	const struct lb_addr *vip = vip_address(a->vips, i);
	const struct rtnl_link *link = vip_link(a->vips, i);
	uint8_t frame[ND_FRAME_BYTES];
	size_t len = vip->family == AF_INET6 ? ND_FRAME_BYTES : ARP_FRAME_BYTES;
	int rc;

	/* Loopback and tunnels have nobody to tell. */
	if (link->index == 0 || !link->has_mac)
		return;
	if (vip->family == AF_INET6)
		nd_announce(link->mac, vip, false, frame);
	else
		arp_announce(link->mac, vip, frame);
	rc = packet_sock_send(a->fd, link->index, frame, len);
	if (rc == 0)
		a->sent++;
	else if (ratelimit_ok(&a->log, clock_now()))
		lb_warning("announcement not sent interface=%s: %s", link->name, strerror(-rc));
}

static void announce_all(struct announce *a)
{
	for (size_t i = 0; i < vip_count(a->vips); i++)
		announce_vip(a, i);
}

static void arm(struct announce *a)
{
	lb_duration pause = pauses[a->step < PAUSES ? a->step++ : PAUSES - 1];

	ev_now_update(a->loop);
	ev_timer_set(&a->timer, lb_duration_seconds(pause), 0.);
	ev_timer_start(a->loop, &a->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct announce *a = w->data;

	(void)loop;
	(void)revents;
	announce_all(a);
	/* Those of the takeover alone: what nobody has answered for half a minute is the kernel's business. */
	if (a->step < PAUSES)
		neighbours_ask(a->neighbours);
	arm(a);
}

void announce_start(struct announce *a)
{
	announce_stop(a);
	a->running = true;
	a->step = 0;
	announce_all(a);
	arm(a);
}

void announce_stop(struct announce *a)
{
	a->running = false;
	ev_timer_stop(a->loop, &a->timer);
	neighbours_stop(a->neighbours);
}

void announce_again(struct announce *a)
{
	if (a->running && ratelimit_ok(&a->again, clock_now()))
		announce_all(a);
}

void announce_once(struct announce *a)
{
	if (a->running)
		announce_all(a);
}

uint64_t announce_sent(const struct announce *a)
{
	return a->sent;
}
