#include "daemon/proxy/worker/poller.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/proxy/share/reserve.h"

bool poller_init(struct poller *p)
{
	lb_list_init(&p->again);
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	return p->fd >= 0;
}

void poller_close(struct poller *p)
{
	if (p->fd > 0)
		close(p->fd);
	free(p->by_fd);
	p->fd = -1;
	p->by_fd = NULL;
}

void poll_io_init(struct poll_io *io, poll_io_on_ready *on_ready, int fd)
{
	*io = (struct poll_io){.on_ready = on_ready, .fd = fd};
	lb_list_init(&io->again);
}

/* Make room for a descriptor in the table by number; a third more, so that it seldom grows. */
static bool cover(struct poller *p, int fd)
{
	size_t size = (size_t)fd + (size_t)fd / 3 + 64;
	struct poll_io **grown;

	if ((size_t)fd < p->size)
		return true;
	grown = reserve_realloc(p->by_fd, (long)(size * sizeof(struct poll_io *)));
	if (grown == NULL)
		return false;
	for (size_t i = p->size; i < size; i++)
		grown[i] = NULL;
	p->by_fd = grown;
	p->size = size;
	return true;
}

/* Urgent data ends a read early, as a close does: whoever is told of either reads until nothing comes. */
static struct epoll_event event_of(const struct poll_io *io, unsigned what)
{
	struct epoll_event event = {.data.u64 = (uint64_t)io->turn << 32 | (uint32_t)io->fd};

	if ((what & POLLER_READ) != 0)
		event.events |= EPOLLIN;
	if ((what & POLLER_WRITE) != 0)
		event.events |= EPOLLOUT;
	if ((what & POLLER_LEVEL) == 0)
		event.events |= EPOLLRDHUP | EPOLLPRI | EPOLLET;
	return event;
}

bool poller_add(struct poller *p, struct poll_io *io, unsigned what)
{
	struct epoll_event event;

	if (!cover(p, io->fd))
		return false;
	io->turn = ++p->turn;
	event = event_of(io, what);
	if (epoll_ctl(p->fd, EPOLL_CTL_ADD, io->fd, &event) != 0)
		return false;
	io->watched = what;
	p->by_fd[io->fd] = io;
	return true;
}

void poller_change(struct poller *p, struct poll_io *io, unsigned what)
{
	struct epoll_event event = event_of(io, what);

	epoll_ctl(p->fd, EPOLL_CTL_MOD, io->fd, &event);
	io->watched = what;
}

void poller_move(struct poller *p, struct poll_io *from, struct poll_io *to)
{
	to->fd = from->fd;
	to->turn = from->turn;
	to->watched = from->watched;
	p->by_fd[to->fd] = to;
	lb_list_del(&from->again);
	from->watched = 0;
	from->fd = -1;
}

void poller_forget(struct poller *p, struct poll_io *io)
{
	lb_list_del(&io->again);
	if (io->watched != 0)
		p->by_fd[io->fd] = NULL;
	io->watched = 0;
}

void poller_remove(struct poller *p, struct poll_io *io)
{
	if (io->watched != 0)
		epoll_ctl(p->fd, EPOLL_CTL_DEL, io->fd, NULL);
	poller_forget(p, io);
}

void poller_again(struct poller *p, struct poll_io *io)
{
	lb_list_del(&io->again);
	lb_list_add_tail(&p->again, &io->again);
}

void poller_wait(struct poller *p, int timeout_ms)
{
	p->count = epoll_wait(p->fd, p->events, POLLER_EVENTS, lb_list_empty(&p->again) ? timeout_ms : 0);
}

static unsigned ready_of(uint32_t events)
{
	unsigned ready = 0;

	if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		ready |= POLLER_READ;
	if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
		ready |= POLLER_WRITE;
	if ((events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		ready |= POLLER_HUP;
	return ready;
}

/* Everybody who asked before this round began, each once. */
static void call_again(struct poller *p)
{
	struct lb_list asked;

	if (lb_list_empty(&p->again))
		return;
	lb_list_init(&asked);
	lb_list_add_tail(&p->again, &asked);
	lb_list_del(&p->again);
	while (!lb_list_empty(&asked)) {
		struct poll_io *io = lb_container_of(asked.next, struct poll_io, again);

		lb_list_del(&io->again);
		io->on_ready(io, POLLER_READ);
	}
}

void poller_dispatch(struct poller *p)
{
	call_again(p);
	for (int i = 0; i < p->count; i++) {
		uint64_t data = p->events[i].data.u64;
		struct poll_io *io = p->by_fd[(uint32_t)data];

		/* The descriptor may have been closed, and opened for another, since the event was taken. */
		if (io != NULL && io->turn == (uint32_t)(data >> 32))
			io->on_ready(io, ready_of(p->events[i].events));
	}
	p->count = 0;
}
