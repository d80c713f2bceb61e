#include "daemon/proxy/control/crew.h"

#include <stdlib.h>

#include <lb/list.h>

#include "daemon/proxy/control/must.h"

struct asked {
	struct lb_list node;
	struct crew_question question;
	uint32_t token, left;
};

struct crew {
	struct crew_ops ops;
	struct worker **workers;
	_Atomic int64_t *stalls;
	uint32_t count, token;
	struct lb_list asked;
};

struct crew *crew_new(const struct crew_ops *ops)
{
	struct crew *c = must(calloc(1, sizeof(*c)));

	c->ops = *ops;
	lb_list_init(&c->asked);
	return c;
}

bool crew_start(struct crew *c, uint32_t count, struct mailbox *control, _Atomic uint64_t *ticks, struct lb_err *err)
{
	c->workers = must(calloc(count, sizeof(struct worker *)));
	c->stalls = must(calloc(count, sizeof(*c->stalls)));
	for (; c->count < count; c->count++) {
		c->workers[c->count] = c->ops.start(&(struct crew_start){.index = c->count,
									 .control = control,
									 .tick = &ticks[c->count],
									 .stall_max = &c->stalls[c->count]},
						    err);
		if (!c->workers[c->count])
			return false;
	}
	return true;
}

uint32_t crew_size(const struct crew *c)
{
	return c->count;
}

lb_duration crew_stall(const struct crew *c, uint32_t index)
{
	return atomic_load_explicit(&c->stalls[index], memory_order_relaxed);
}

void crew_forget_stalls(struct crew *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		atomic_store_explicit(&c->stalls[i], 0, memory_order_relaxed);
}

void crew_post(struct crew *c, uint32_t index, struct message *m)
{
	m->worker = index;
	mailbox_post(c->ops.mailbox(c->workers[index]), m);
}

void crew_ask(struct crew *c, const struct crew_question *question)
{
	crew_share(c, NULL, 0, question);
}

void crew_ask_one(struct crew *c, uint32_t index, const struct crew_question *question)
{
	struct asked *a = must(calloc(1, sizeof(*a)));
	struct message *m = message_new(question->kind);

	a->question = *question;
	a->left = 1;
	m->token = a->token = ++c->token;
	lb_list_add_tail(&c->asked, &a->node);
	m->session_id = question->session_id;
	m->count = question->count;
	m->bytes = question->bytes;
	m->size = question->size;
	m->fds = question->fds;
	m->fd_count = question->fd_count;
	crew_post(c, index, m);
}

void crew_share(struct crew *c, struct session_arrival *list, uint32_t count, const struct crew_question *question)
{
	struct asked *a = must(calloc(1, sizeof(*a)));

	a->question = *question;
	a->left = c->count;
	a->token = ++c->token;
	lb_list_add_tail(&c->asked, &a->node);
	for (uint32_t i = 0; i < c->count; i++) {
		struct message *m = message_new(question->kind);
		uint32_t first = (uint32_t)((uint64_t)count * i / c->count);

		m->token = a->token;
		m->scope = question->scope;
		m->reason = question->reason;
		m->part = question->part;
		m->server = question->server;
		m->session_id = question->session_id;
		m->size = question->size;
		m->arrivals = list != NULL ? list + first : NULL;
		m->count = (uint32_t)((uint64_t)count * (i + 1) / c->count) - first;
		crew_post(c, i, m);
	}
}

static bool is_answer(enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_SESSIONS_ENDED:
	case MESSAGE_SESSION_LIST:
	case MESSAGE_STOPPED:
	case MESSAGE_FROZEN:
	case MESSAGE_DUMPED:
	case MESSAGE_PREVIEWED:
	case MESSAGE_NARROWED:
	case MESSAGE_THAWED:
	case MESSAGE_ADOPTED:
	case MESSAGE_REVIVED:
	case MESSAGE_HELD:
	case MESSAGE_TOLD:
	case MESSAGE_TAKEN:
	case MESSAGE_RESUMED:
		return true;
	default:
		return false;
	}
}

static void take_answer(struct asked *a, struct message *m)
{
	if (a->question.on_answer)
		a->question.on_answer(a->question.ctx, m);
	if (--a->left > 0)
		return;
	lb_list_del(&a->node);
	if (a->question.on_done)
		a->question.on_done(a->question.ctx);
	free(a);
}

bool crew_on_message(struct crew *c, struct message *m)
{
	if (!is_answer(m->kind))
		return false;
	lb_list_foreach (node, &c->asked) {
		struct asked *a = lb_container_of(node, struct asked, node);

		/* A thread that leaves answers no particular question. */
		if (a->token == m->token || (m->kind == MESSAGE_STOPPED && a->question.kind == MESSAGE_STOP)) {
			take_answer(a, m);
			break;
		}
	}
	free(m->sessions);
	free(m->fds);
	free(m->bytes);
	message_free(m);
	return true;
}

void crew_join(struct crew *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		c->ops.join(c->workers[i]);
	c->count = 0;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	lb_list_foreach (node, &c->asked)
		free(lb_container_of(node, struct asked, node));
	free(c->workers);
	free(c->stalls);
	free(c);
}
