#include "daemon/keeper/neighbours.h"

#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/sys/rtnl_neigh.h"

/* A host that is there answers sooner. */
#define UNANSWERED LB_MSEC(50)
/* Each is a broadcast; more silent hosts than that have no use for one. */
#define QUESTIONS_MAX 256

struct neighbours {
	struct ev_loop *loop;
	const struct vip_table *vips;
	struct rtnl_neigh *neigh;
	ev_io io;
	unsigned questions; /* of this list */
};

static bool carries_vip(const struct neighbours *n, unsigned ifindex)
{
	for (size_t i = 0; i < vip_count(n->vips); i++)
		if (vip_link(n->vips, i)->index == ifindex)
			return true;
	return false;
}

static void on_neighbour(void *ctx, const struct rtnl_neighbour *neighbour)
{
	struct neighbours *n = ctx;

	if (neighbour->asked < UNANSWERED || n->questions == QUESTIONS_MAX || !carries_vip(n, neighbour->ifindex))
		return;
	n->questions++;
	rtnl_neigh_ask(n->neigh, neighbour);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct neighbours *n = w->data;

	(void)revents;
	if (!rtnl_neigh_read(n->neigh, on_neighbour, n))
		ev_io_stop(loop, w);
}

struct neighbours *neighbours_new(struct ev_loop *loop, const struct vip_table *vips, struct lb_err *err)
{
	struct neighbours *n = calloc(1, sizeof(*n));

	if (!n) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	n->loop = loop;
	n->vips = vips;
	ev_init(&n->io, on_readable);
	n->io.data = n;
	n->neigh = rtnl_neigh_open(err);
	if (!n->neigh) {
		neighbours_free(n);
		return NULL;
	}
	ev_io_set(&n->io, rtnl_neigh_fd(n->neigh), EV_READ);
	ev_set_priority(&n->io, EV_MINPRI);
	return n;
}

void neighbours_free(struct neighbours *n)
{
	if (!n)
		return;
	ev_io_stop(n->loop, &n->io);
	rtnl_neigh_close(n->neigh);
	free(n);
}

void neighbours_ask(struct neighbours *n)
{
	int rc = rtnl_neigh_list(n->neigh);

	n->questions = 0;
	if (rc == 0)
		ev_io_start(n->loop, &n->io);
	else
		lb_debug("neighbours are not listed: %s", strerror(-rc));
}

/* What is under way is read to its end, as the kernel wants it. */
void neighbours_stop(struct neighbours *n)
{
	n->questions = QUESTIONS_MAX;
}
