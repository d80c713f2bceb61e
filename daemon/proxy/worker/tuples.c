#include "daemon/proxy/worker/tuples.h"

#include <stdlib.h>

#include "daemon/proxy/worker/session.h"
#include "daemon/proxy/worker/thread.h"
#include "daemon/sys/tcp_sock.h"

/* Between two batches; a session that is younger waits for the next. */
#define PAUSE LB_MSEC(100)
/* Ends alone hurry nobody: a segment to a connection that is no more wakes nobody. */
#define PAUSE_CLOSED LB_SEC(1)
/* Asking the kernel about each takes a while. */
#define BATCH_MAX 2048

void tuples_init(struct tuples *t)
{
	*t = (struct tuples){0};
	lb_list_init(&t->fresh);
}

static void forget_slots(struct tuples *t)
{
	free(t->free);
	free(t->closed);
	t->free = t->closed = NULL;
	t->free_count = t->free_size = t->closed_count = t->closed_size = t->next = 0;
}

void tuples_free(struct tuples *t)
{
	forget_slots(t);
}

/* Where memory is short the slot is lost until everything is told anew. */
static void push(uint32_t **list, uint32_t *count, uint32_t *size, uint32_t slot)
{
	if (*count == *size) {
		uint32_t more = *size > 0 ? 2 * *size : 64;
		uint32_t *grown = reallocarray(*list, more, sizeof(*grown));

		if (grown == NULL)
			return;
		*list = grown;
		*size = more;
	}
	(*list)[(*count)++] = slot;
}

void tuples_add(struct worker *w, struct session *s)
{
	lb_list_init(&s->fresh);
	if (w->tuples.workers > 0)
		lb_list_add_tail(&w->tuples.fresh, &s->fresh);
}

void tuples_remove(struct worker *w, struct session *s)
{
	struct tuples *t = &w->tuples;

	lb_list_del(&s->fresh);
	if (s->tuple_slot == 0 || t->workers == 0)
		return;
	push(&t->closed, &t->closed_count, &t->closed_size, s->tuple_slot - 1);
	s->tuple_slot = 0;
}

void tuples_order(struct worker *w, const struct message *order)
{
	struct tuples *t = &w->tuples;

	forget_slots(t);
	t->workers = order->count;
	t->token = order->token;
	t->told_at = w->now - PAUSE;
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		lb_list_del(&s->fresh);
		s->tuple_slot = 0;
		tuples_add(w, s);
	}
}

/* Slots of different workers never meet. False when this worker has given all of its own. */
static bool take_slot(struct worker *w, uint32_t *slot)
{
	struct tuples *t = &w->tuples;

	if (t->free_count > 0) {
		*slot = t->free[--t->free_count];
		return true;
	}
	if (t->next >= TUPLE_SLOTS / t->workers)
		return false;
	*slot = t->next++ * t->workers + w->params.index;
	return true;
}

/* What the kernel sees, which behind a PROXY header is another client. The server is told where it knows the VIP. */
static bool describe(const struct session *s, struct lb_tuple *out)
{
	struct lb_endpoint source;

	*out = (struct lb_tuple){.client = s->client, .vip = s->local};
	if (s->destination != NULL && !tcp_sock_remote(s->side[FLOW_CLIENT].io.fd, &out->client))
		return false;
	if (tcp_sock_local(s->side[FLOW_SERVER].io.fd, &source) && lb_addr_equal(&source.addr, &s->local.addr)) {
		out->server = s->server->block->address;
		out->source_port = source.port;
	}
	return true;
}

static void add_closed(struct tuples *t, struct tuple_news *news)
{
	for (uint32_t i = 0; i < t->closed_count; i++) {
		news->changes[news->count++] = (struct tuple_change){.kind = TUPLE_CLOSED, .slot = t->closed[i]};
		push(&t->free, &t->free_count, &t->free_size, t->closed[i]);
	}
	t->closed_count = 0;
}

/* One session that is old enough: told, or never; false when it must wait. */
static bool tell(struct worker *w, struct session *s, struct tuple_news *news)
{
	struct tuple_change change = {.kind = TUPLE_OPENED};

	if (s->flow.state != FLOW_RELAYING || s->rest != SESSION_RUNS)
		return !s->on_vip;
	if (!s->on_vip || !describe(s, &change.tuple))
		return true;
	if (!take_slot(w, &change.slot)) {
		w->tuples.untold++;
		return true;
	}
	s->tuple_slot = change.slot + 1;
	news->changes[news->count++] = change;
	return true;
}

static void add_opened(struct worker *w, struct tuple_news *news, uint32_t room)
{
	lb_list_foreach (node, &w->tuples.fresh) {
		struct session *s = lb_container_of(node, struct session, fresh);

		if (room-- == 0 || w->now - s->started < PAUSE)
			break;
		if (tell(w, s, news))
			lb_list_del(&s->fresh);
	}
}

static bool is_due(const struct worker *w)
{
	const struct tuples *t = &w->tuples;
	const struct session *oldest;

	if (t->workers == 0 || w->now - t->told_at < PAUSE)
		return false;
	if (t->closed_count > 0 && w->now - t->told_at >= PAUSE_CLOSED)
		return true;
	if (lb_list_empty(&t->fresh))
		return false;
	oldest = lb_container_of(t->fresh.next, struct session, fresh);
	return w->now - oldest->started >= PAUSE;
}

void tuples_tick(struct worker *w)
{
	struct tuples *t = &w->tuples;
	uint32_t room = w->sessions.count < BATCH_MAX ? w->sessions.count : BATCH_MAX;
	struct tuple_news *news;
	struct message *m;

	if (!is_due(w))
		return;
	news = malloc(sizeof(*news) + (t->closed_count + room) * sizeof(news->changes[0]));
	if (news == NULL)
		return;
	news->count = 0;
	t->told_at = w->now;
	add_closed(t, news);
	add_opened(w, news, room);
	news->untold = t->untold;
	if (news->count == 0) {
		free(news);
		return;
	}
	m = message_new(MESSAGE_TUPLES);
	m->worker = w->params.index;
	m->token = t->token;
	m->news = news;
	mailbox_post(w->params.control, m);
}
