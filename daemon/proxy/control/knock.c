#include "daemon/proxy/control/knock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"
#include "daemon/sys/tcp_sock.h"

/* Sockets kept for the next questions; with ten thousand servers a pause of this process makes so many due at once. */
#define KEPT 1024
/* Answers taken at a time. */
#define EVENTS 64

struct knock {
	struct knock_set *set;
	struct knock *next; /* in the list of those that rest, or of those that are closed */
	int fd;		    /* stays in the epoll set for its whole life */
	uint8_t family;
	bool asking;
	uint64_t round; /* the question is younger than what the set was told in this round */
	knock_on_done *on_done;
	void *ctx;
};

struct knock_set {
	struct ev_loop *loop;
	ev_io io; /* of the epoll set */
	uint64_t round;
	struct knock *resting4, *resting6;
	unsigned kept;
	struct knock *closed; /* still named by events that were taken and not handed out */
};

static void free_list(struct knock **list)
{
	while (*list) {
		struct knock *k = *list;

		*list = k->next;
		free(k);
	}
}

static struct knock **resting(struct knock_set *set, uint8_t family)
{
	return family == AF_INET6 ? &set->resting6 : &set->resting4;
}

static void shut(struct knock *k)
{
	k->asking = false;
	tcp_sock_reset(k->fd);
	k->next = k->set->closed;
	k->set->closed = k;
}

/* The socket of a connection that stood may ask again; one that failed has nothing to offer. */
static void rest(struct knock *k, bool stood)
{
	struct knock_set *set = k->set;
	struct knock **list = resting(set, k->family);

	if (!stood || set->kept >= KEPT || !tcp_sock_cut(k->fd)) {
		shut(k);
		return;
	}
	k->asking = false;
	k->next = *list;
	*list = k;
	set->kept++;
}

static void answered(struct knock *k, uint32_t events)
{
	bool failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
	int errnum = failed ? tcp_sock_error(k->fd) : 0;
	knock_on_done *on_done = k->on_done;
	void *ctx = k->ctx;

	rest(k, !failed);
	on_done(ctx, errnum);
}

/*
 * Changes of sockets that rest are told, too, and of questions that were begun after the changes were taken. Returns
 * how many changes there were.
 */
static int take_answers(struct knock_set *set)
{
	struct epoll_event events[EVENTS];
	int n;

	free_list(&set->closed);
	set->round++;
	n = epoll_wait(set->io.fd, events, EVENTS, 0);
	for (int i = 0; i < n; i++) {
		struct knock *k = events[i].data.ptr;

		if (k->asking && k->round != set->round)
			answered(k, events[i].events);
	}
	return n;
}

/* All of them: after a pause of this process the time of those that are left would have run out before the next turn.
 */
void knock_set_hear(struct knock_set *set)
{
	while (take_answers(set) == EVENTS)
		;
}

static void on_answers(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	knock_set_hear(w->data);
}

struct knock_set *knock_set_new(struct ev_loop *loop)
{
	struct knock_set *set;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return NULL;
	set = must(calloc(1, sizeof(*set)));
	set->loop = loop;
	ev_io_init(&set->io, on_answers, fd, EV_READ);
	/* After a pause of this process an answer that has arrived counts before the time that ran out meanwhile. */
	ev_set_priority(&set->io, 1);
	set->io.data = set;
	ev_io_start(loop, &set->io);
	/* Who waits for an answer has a timer, so the set alone does not keep the loop going. */
	ev_unref(loop);
	return set;
}

static void close_resting(struct knock **list)
{
	for (struct knock *k = *list; k; k = k->next)
		close(k->fd);
	free_list(list);
}

void knock_set_free(struct knock_set *set)
{
	if (!set)
		return;
	close_resting(&set->resting4);
	close_resting(&set->resting6);
	free_list(&set->closed);
	ev_ref(set->loop);
	ev_io_stop(set->loop, &set->io);
	close(set->io.fd);
	free(set);
}

/* A socket that has never asked; NULL with errno set. */
static struct knock *make(struct knock_set *set, uint8_t family)
{
	struct knock *k = must(calloc(1, sizeof(*k)));
	struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.ptr = k};

	k->set = set;
	k->family = family;
	k->fd = tcp_sock_knocker(family);
	if (k->fd >= 0 && epoll_ctl(set->io.fd, EPOLL_CTL_ADD, k->fd, &event) == 0)
		return k;
	int saved = errno;
	if (k->fd >= 0)
		close(k->fd);
	free(k);
	errno = saved;
	return NULL;
}

static struct knock *take(struct knock_set *set, uint8_t family)
{
	struct knock **list = resting(set, family);
	struct knock *k = *list;

	if (!k)
		return make(set, family);
	*list = k->next;
	set->kept--;
	return k;
}

struct knock *knock_start(struct knock_set *set, const struct lb_endpoint *server, knock_on_done *on_done, void *ctx)
{
	struct knock *k = take(set, server->addr.family);

	if (!k)
		return NULL;
	k->on_done = on_done;
	k->ctx = ctx;
	k->round = set->round;
	k->asking = tcp_sock_knock(k->fd, server);
	if (k->asking)
		return k;
	int saved = errno;
	shut(k);
	errno = saved;
	return NULL;
}

void knock_cancel(struct knock *k)
{
	if (k)
		shut(k);
}
