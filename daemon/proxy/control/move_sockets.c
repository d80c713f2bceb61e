/*
 * Sockets for sessions that arrive. The keeper makes them, a message's worth at a time: for what the owner announced
 * while it still serves, so that few are left to be made once the VIP stands still.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/proxy/control/move_state.h"
#include "daemon/proxy/control/must.h"

/* A question's token: which list, and the index in it. */
#define INDEX_BITS 24
#define INDEX_MASK ((1u << INDEX_BITS) - 1)

static int by_endpoint(const void *a, const void *b)
{
	const struct move_socket *x = a, *y = b;
	int addr = lb_addr_compare(&x->local.addr, &y->local.addr);

	return addr != 0 ? addr : (int)x->local.port - (int)y->local.port;
}

/* Keep the window of questions full; when everything was answered the list is ready. */
static void go_on(struct move *m)
{
	struct move_sockets *s = &m->sockets;

	while (s->asked < s->count && s->open_questions < MOVE_WINDOW) {
		struct ipc_sockets question = {.token = s->generation << INDEX_BITS | s->asked};

		for (; s->asked < s->count && question.count < IPC_FDS_MAX; s->asked++)
			question.local[question.count++] = s->list[s->asked].local;
		s->open_questions++;
		channel_need_sockets(m->channel, &question);
	}
	if (s->open_questions > 0 || s->done == NULL)
		return;
	move_on_turned *done = s->done;
	s->done = NULL;
	if (s->count > 1)
		qsort(s->list, s->count, sizeof(*s->list), by_endpoint);
	done(m);
}

void move_sockets_add(struct move *m, const struct lb_endpoint *local)
{
	struct move_sockets *s = &m->sockets;

	if (s->count == INDEX_MASK)
		return;
	if (s->count == s->size) {
		s->size = s->size > 0 ? 2 * s->size : 256;
		s->list = must(reallocarray(s->list, s->size, sizeof(*s->list)));
	}
	s->list[s->count++] = (struct move_socket){.local = *local, .fd = -1};
}

void move_sockets_make(struct move *m, move_on_turned *done)
{
	m->sockets.done = done;
	go_on(m);
}

/* The first one with that endpoint; count where there is none. */
static uint32_t first_of(const struct move_sockets *s, const struct move_socket *key)
{
	uint32_t low = 0, high = s->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (by_endpoint(&s->list[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < s->count && by_endpoint(&s->list[low], key) == 0 ? low : s->count;
}

int move_sockets_take(struct move *m, const struct lb_endpoint *local)
{
	struct move_sockets *s = &m->sockets;
	struct move_socket key = {.local = *local};
	uint32_t first = first_of(s, &key), next;
	int fd;

	if (first == s->count)
		return -1;
	/* Many have the same endpoint, the listener's: the first one counts how many of them are taken. */
	next = first + s->list[first].taken;
	if (next >= s->count || by_endpoint(&s->list[next], &key) != 0)
		return -1;
	s->list[first].taken++;
	fd = s->list[next].fd;
	s->list[next].fd = -1;
	return fd;
}

void move_sockets(struct move *m, const struct ipc_sockets *answer, const int *fds)
{
	struct move_sockets *s = &m->sockets;
	uint32_t index = answer->token & INDEX_MASK;
	/* What was asked for a hand-over that was given up is of no use. */
	bool wanted = answer->token >> INDEX_BITS == s->generation && s->open_questions > 0;
	size_t next = 0;

	for (uint32_t i = 0; i < IPC_FDS_MAX; i++) {
		if ((answer->made >> i & 1) == 0)
			continue;
		if (wanted && index + i < s->count)
			s->list[index + i].fd = fds[next++];
		else
			close(fds[next++]);
	}
	if (!wanted)
		return;
	s->open_questions--;
	go_on(m);
}

void move_sockets_close(struct move *m)
{
	struct move_sockets *s = &m->sockets;

	for (uint32_t i = 0; i < s->count; i++)
		if (s->list[i].fd >= 0)
			close(s->list[i].fd);
	free(s->list);
	*s = (struct move_sockets){.generation = (s->generation + 1) & 0xff};
}
