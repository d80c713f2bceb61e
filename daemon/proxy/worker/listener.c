#include "daemon/proxy/worker/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/proxy/worker/session.h"
#include "daemon/proxy/worker/thread.h"

/* Connections accepted in one wake, so that sessions get their turn during a storm. */
#define ACCEPT_BUDGET 64
#define PAUSE	      LB_MSEC(100)
/* More than any backlog. */
#define DRAIN_MAX 65536

static bool is_shortage(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* A socket because the thread may make sockets in any sandbox. */
static int open_reserve(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

void listener_set_init(struct worker *w)
{
	struct listener_set *set = &w->listeners;

	lb_list_init(&set->list);
	set->log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(1));
	set->reserve = open_reserve();
}

/* Told as long as connections are queued: each round takes a bounded number. */
static void watch(struct listener *l)
{
	if (l->io.watched == 0 && !l->worker->listeners.held &&
	    !poller_add(&l->worker->poller, &l->io, POLLER_READ | POLLER_LEVEL))
		lb_error("worker=%u cannot accept: %s", l->worker->params.index, strerror(errno));
}

static void resume(struct worker *w)
{
	struct listener_set *set = &w->listeners;

	set->paused = set->full = false;
	lb_list_foreach (node, &set->list)
		watch(lb_container_of(node, struct listener, node));
}

void listener_hold(struct worker *w)
{
	w->listeners.held = true;
	lb_list_foreach (node, &w->listeners.list)
		poller_remove(&w->poller, &lb_container_of(node, struct listener, node)->io);
}

void listener_release(struct worker *w)
{
	w->listeners.held = false;
	if (!w->listeners.paused)
		resume(w);
}

/* Go on only when the reserve can be had again; otherwise the next client would fail at once. */
void listener_try_resume(struct worker *w)
{
	struct listener_set *set = &w->listeners;

	if (!set->paused || w->now < set->resume_at)
		return;
	if (set->reserve < 0)
		set->reserve = open_reserve();
	bool shortage = set->reserve < 0 && is_shortage(errno);
	if (w->reserve.spent) {
		/* Buffers that wait for their next use are memory, too. */
		buffer_pool_free(&w->buffers);
		shortage |= !reserve_fill(&w->reserve);
	}
	if (!shortage && w->sessions.count < w->sessions.max) {
		resume(w);
		return;
	}
	set->resume_at = w->now + PAUSE;
}

void listener_pause(struct worker *w, bool full, const char *why)
{
	struct listener_set *set = &w->listeners;

	/* The control thread, too, needs descriptors: for a check, for who asks what is wrong. */
	if (!full && set->reserve >= 0) {
		close(set->reserve);
		set->reserve = -1;
	}
	if (ratelimit_ok(&set->log, w->now))
		lb_warning("worker=%u sessions=%u accepting pauses: %s", w->params.index, w->sessions.count, why);
	if (set->paused) {
		set->full &= full;
		return;
	}
	set->paused = true;
	set->full = full;
	lb_list_foreach (node, &set->list)
		poller_remove(&w->poller, &lb_container_of(node, struct listener, node)->io);
	set->resume_at = w->now + PAUSE;
}

void listener_room(struct worker *w)
{
	if (w->listeners.full && w->sessions.count < w->sessions.max)
		resume(w);
}

static void count_drops(struct listener *l)
{
	uint32_t dropped = tcp_sock_queue_dropped(l->io.fd);

	if (l->service != NULL)
		counter_add_own(&l->service->slot->queue_dropped, dropped - l->queue_dropped);
	l->queue_dropped = dropped;
}

void listener_count_drops(struct worker *w)
{
	lb_list_foreach (node, &w->listeners.list)
		count_drops(lb_container_of(node, struct listener, node));
}

/* Errors that belong to one connection that is not there any more (accept(2)): the next one may be fine. */
static bool is_of_one_connection(int error)
{
	static const int list[] = {ECONNABORTED, EINTR,	 EPROTO,       ENETDOWN,    ENOPROTOOPT,
				   EHOSTDOWN,	 ENONET, EHOSTUNREACH, ENETUNREACH, EPERM};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i] == error)
			return true;
	return false;
}

/* One connection; false when there is none now. */
static bool accept_one(struct listener *l)
{
	struct worker *w = l->worker;
	struct lb_endpoint client;
	struct session_origin origin = {.service = l->service, .local = l->endpoint, .on_vip = l->on_vip};
	int fd = tcp_sock_accept(l->io.fd, &client);

	if (fd < 0) {
		if (errno == EAGAIN)
			l->fresh = false;
		else if (is_of_one_connection(errno))
			return true;
		else
			listener_pause(w, false, is_shortage(errno) ? "out of descriptors or memory" : "accept fails");
		return false;
	}
	if (l->fresh)
		tcp_sock_set_options(fd, &l->service->tcp);
	if (l->wildcard && !tcp_sock_local(fd, &origin.local)) {
		close(fd);
		return true;
	}
	session_start(w, &origin, fd, &client);
	return true;
}

static void on_acceptable(struct poll_io *io, unsigned ready)
{
	struct listener *l = lb_container_of(io, struct listener, io);
	struct worker *w = l->worker;

	(void)ready;
	for (int i = 0; i < ACCEPT_BUDGET && !w->listeners.paused; i++) {
		if (w->reserve.spent) {
			listener_pause(w, false, "out of memory");
			return;
		}
		if (w->sessions.count >= w->sessions.max) {
			listener_pause(w, true, "max_connections reached");
			return;
		}
		if (!accept_one(l))
			return;
	}
}

void listener_drain_vip(struct worker *w)
{
	lb_list_foreach (node, &w->listeners.list) {
		struct listener *l = lb_container_of(node, struct listener, node);

		for (int i = 0; l->on_vip && i < DRAIN_MAX && w->sessions.count < w->sessions.max; i++)
			if (!accept_one(l))
				break;
	}
}

/* Make room for a descriptor in the table by number. */
static bool cover(struct listener_set *set, int fd)
{
	size_t size = (size_t)fd + 1;

	if (size <= set->by_fd_size)
		return true;
	struct listener **grown = reallocarray(set->by_fd, size, sizeof(struct listener *));
	if (grown == NULL)
		return false;
	for (size_t i = set->by_fd_size; i < size; i++)
		grown[i] = NULL;
	set->by_fd = grown;
	set->by_fd_size = size;
	return true;
}

struct listener *listener_prepare(struct worker *w, const struct pool_listener *from)
{
	struct listener_set *set = &w->listeners;
	struct listener *l;

	if (!cover(set, from->fd))
		return NULL;
	l = set->by_fd[from->fd];
	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL)
			return NULL;
		l->worker = w;
		l->fresh = true;
		poll_io_init(&l->io, on_acceptable, from->fd);
		set->by_fd[from->fd] = l;
		lb_list_add_tail(&set->list, &l->node);
	}
	l->listed = true;
	return l;
}

static bool same_options(const struct tcp_sock_options *a, const struct tcp_sock_options *b)
{
	return a->keepalive_idle == b->keepalive_idle && a->keepalive_interval == b->keepalive_interval &&
	       a->keepalive_count == b->keepalive_count && a->user_timeout == b->user_timeout;
}

void listener_commit(struct listener *l, const struct pool_listener *from, struct worker_service *service)
{
	static const uint8_t any[sizeof(l->endpoint.addr.bytes)];
	struct worker *w = l->worker;
	bool first = l->service == NULL;

	l->endpoint = from->endpoint;
	l->wildcard = memcmp(l->endpoint.addr.bytes, any, sizeof(any)) == 0;
	l->on_vip = from->on_vip;
	l->service = service;
	l->listed = false;
	/* Accepted sockets inherit these, which saves as many calls for each connection. */
	if (first || !same_options(&l->applied, &service->tcp))
		tcp_sock_set_options(from->fd, &service->tcp);
	l->applied = service->tcp;
	if (!w->listeners.paused)
		watch(l);
}

/* Take the record out of both lists. */
static void forget(struct listener *l)
{
	l->worker->listeners.by_fd[l->io.fd] = NULL;
	lb_list_del(&l->node);
	free(l);
}

static void close_listener(struct listener *l)
{
	/* Others hold the same socket, so closing it here would leave it in the set. */
	poller_remove(&l->worker->poller, &l->io);
	count_drops(l);
	close(l->io.fd);
	forget(l);
}

void listener_drop_unlisted(struct worker *w)
{
	lb_list_foreach (node, &w->listeners.list) {
		struct listener *l = lb_container_of(node, struct listener, node);

		if (l->listed)
			continue;
		for (int i = 0; i < DRAIN_MAX && w->sessions.count < w->sessions.max; i++)
			if (!accept_one(l))
				break;
		close_listener(l);
	}
}

void listener_rollback(struct worker *w)
{
	lb_list_foreach (node, &w->listeners.list) {
		struct listener *l = lb_container_of(node, struct listener, node);

		l->listed = false;
		if (l->service == NULL)
			forget(l);
	}
}

void listener_set_close(struct worker *w)
{
	lb_list_foreach (node, &w->listeners.list)
		close_listener(lb_container_of(node, struct listener, node));
	if (w->listeners.reserve >= 0)
		close(w->listeners.reserve);
	free(w->listeners.by_fd);
}
