#include "daemon/keeper/conf_push.h"

#include <stdio.h>

/* Seconds a step may take: the proxy parses and opens files, it does not wait for anybody. */
#define STEP_TIMEOUT 3.0

static void finish(struct conf_push *p, enum conf_push_result result, const char *text)
{
	ev_timer_stop(p->loop, &p->timeout);
	p->state = result == CONF_PUSH_PREPARED ? CONF_PUSH_DECIDING : CONF_PUSH_IDLE;
	p->done(p->ctx, result, text);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	finish(w->data, CONF_PUSH_LOST, "the proxy did not answer within 3 s");
}

void conf_push_init(struct conf_push *p, struct ev_loop *loop, conf_push_done *done, void *ctx)
{
	*p = (struct conf_push){.loop = loop, .done = done, .ctx = ctx};
	ev_timer_init(&p->timeout, on_timeout, STEP_TIMEOUT, 0.);
	p->timeout.data = p;
}

bool conf_push_busy(const struct conf_push *p)
{
	return p->state != CONF_PUSH_IDLE;
}

static void expect_answer(struct conf_push *p)
{
	ev_timer_stop(p->loop, &p->timeout);
	ev_timer_set(&p->timeout, STEP_TIMEOUT, 0.);
	ev_timer_start(p->loop, &p->timeout);
}

bool conf_push_begin(struct conf_push *p, struct ipc *ipc, int memfd, const struct listeners *listeners)
{
	struct ipc_conf what;

	if (conf_push_busy(p) || !ipc)
		return false;
	what = (struct ipc_conf){.generation = ++p->generation};
	if (!ipc_send(ipc, IPC_CONF_BEGIN, &what, sizeof(what), &memfd, 1) ||
	    !listeners_send(listeners, ipc, what.generation) || !ipc_post(ipc, IPC_CONF_END, &what, sizeof(what)))
		return false;
	p->ipc = ipc;
	p->state = CONF_PUSH_PREPARING;
	expect_answer(p);
	return true;
}

void conf_push_commit(struct conf_push *p)
{
	struct ipc_conf what = {.generation = p->generation};

	p->state = CONF_PUSH_APPLYING;
	expect_answer(p);
	ipc_post(p->ipc, IPC_CONF_COMMIT, &what, sizeof(what));
}

void conf_push_abort(struct conf_push *p)
{
	struct ipc_conf what = {.generation = p->generation};

	p->state = CONF_PUSH_IDLE;
	ipc_post(p->ipc, IPC_CONF_ABORT, &what, sizeof(what));
}

void conf_push_on_prepared(struct conf_push *p, const struct ipc_conf_result *result)
{
	char text[IPC_TEXT_MAX];

	if (p->state != CONF_PUSH_PREPARING || result->generation != p->generation)
		return;
	snprintf(text, sizeof(text), "%.*s", (int)sizeof(result->text) - 1, result->text);
	finish(p, result->ok ? CONF_PUSH_PREPARED : CONF_PUSH_REFUSED, text);
}

void conf_push_on_applied(struct conf_push *p, const struct ipc_conf *applied)
{
	if (p->state == CONF_PUSH_APPLYING && applied->generation == p->generation)
		finish(p, CONF_PUSH_APPLIED, "");
}

void conf_push_on_lost(struct conf_push *p, const char *why)
{
	if (conf_push_busy(p))
		finish(p, CONF_PUSH_LOST, why);
}

void conf_push_cancel(struct conf_push *p)
{
	ev_timer_stop(p->loop, &p->timeout);
	p->state = CONF_PUSH_IDLE;
}
