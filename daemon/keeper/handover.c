#include "daemon/keeper/handover.h"

#include <stdio.h>

#include <lb/log.h>

#include "daemon/sys/clock.h"

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents);

void handover_init(struct handover *h, struct ev_loop *loop, uint64_t seed, const struct handover_hooks *hooks)
{
	*h = (struct handover){.loop = loop, .hooks = *hooks, .next_id = seed | 1};
	ev_init(&h->timer, on_timer);
	ev_set_priority(&h->timer, EV_MAXPRI);
	h->timer.data = h;
}

bool handover_busy(const struct handover *h)
{
	return h->phase != HANDOVER_IDLE;
}

/* ---- the one way through: begin, enter phases, end ---- */

static const char *phase_name(enum handover_phase phase)
{
	static const char *const names[] = {"idle",	"sending-sessions", "asking", "ending-sessions",
					    "released", "requesting"};

	return names[phase];
}

static void arm(struct handover *h)
{
	lb_time now = clock_now();
	lb_duration wait = h->deadline - now;

	if (h->again > 0)
		wait = lb_time_min(wait, h->again);
	ev_timer_stop(h->loop, &h->timer);
	ev_now_update(h->loop);
	ev_timer_set(&h->timer, wait > 0 ? lb_duration_seconds(wait) : 0., 0.);
	ev_timer_start(h->loop, &h->timer);
}

static void enter(struct handover *h, enum handover_phase phase, lb_duration timeout, lb_duration again)
{
	lb_debug("handover id=%016llx node=%zu %s -> %s", (unsigned long long)h->id, h->node, phase_name(h->phase),
		 phase_name(phase));
	h->phase = phase;
	h->deadline = clock_now() + timeout;
	h->again = again;
	arm(h);
}

static void begin(struct handover *h, size_t node, election_done *done, void *ctx)
{
	h->node = node;
	h->id = h->next_id++;
	h->started = clock_now();
	h->done = done;
	h->done_ctx = ctx;
	h->sessions_sent = false;
}

static void end(struct handover *h, bool ok, const char *code, const char *text)
{
	election_done *done = h->done;

	if (h->phase == HANDOVER_ENDING || h->phase == HANDOVER_RELEASED)
		h->hooks.close_to_new(h->hooks.ctx, false);
	if (h->phase == HANDOVER_SENDING || h->phase == HANDOVER_ASKING)
		h->hooks.settle_sessions(h->hooks.ctx, false);
	/* One that did not hear of the release still waits for it. */
	if (h->phase == HANDOVER_RELEASED && !ok)
		h->hooks.send(h->hooks.ctx, h->node, PEER_REFUSE, h->id, "the hand-over came to nothing");
	ev_timer_stop(h->loop, &h->timer);
	h->phase = HANDOVER_IDLE;
	h->done = NULL;
	if (ok)
		lb_notice("handover done in %.1f ms", lb_duration_ms(clock_now() - h->started));
	else
		lb_warning("handover failed code=%s: %s", code, text);
	if (done)
		done(h->done_ctx, ok, code, text);
}

static void end_ok(struct handover *h, const char *what)
{
	char text[96];

	snprintf(text, sizeof(text), "%s in %.1f ms", what, lb_duration_ms(clock_now() - h->started));
	end(h, true, "", text);
}

void handover_cancel(struct handover *h, const char *code, const char *text)
{
	if (handover_busy(h))
		end(h, false, code, text);
}

static void say(struct handover *h, enum peer_msg_kind kind)
{
	h->hooks.send(h->hooks.ctx, h->node, kind, h->id, NULL);
}

/* ---- the owner ---- */

void handover_give(struct handover *h, size_t node, election_done *done, void *ctx)
{
	begin(h, node, done, ctx);
	enter(h, HANDOVER_SENDING, HANDOVER_SEND_TIMEOUT, 0);
	h->hooks.send_sessions(h->hooks.ctx, node, h->id);
}

void handover_on_sessions_sent(struct handover *h, bool sent)
{
	if (h->phase != HANDOVER_SENDING)
		return;
	h->sessions_sent = sent;
	enter(h, HANDOVER_ASKING, HANDOVER_ASK_TIMEOUT, HANDOVER_ASK_AGAIN);
	say(h, PEER_ASK_TAKE);
}

static void say_released(struct handover *h)
{
	say(h, h->sessions_sent ? PEER_RELEASED_SESSIONS : PEER_RELEASED);
}

static void release(struct handover *h)
{
	/* Entered before the step, which tells handover_on_roles about the new role. */
	enter(h, HANDOVER_RELEASED, HANDOVER_CONFIRM_TIMEOUT, HANDOVER_RELEASED_AGAIN);
	h->hooks.yield(h->hooks.ctx);
	say_released(h);
}

/* The peer is ready: from here on every millisecond is one without service. */
static void on_ready(struct handover *h)
{
	/* No longer than the peer's promise allows; half of it is left for the way there. */
	if (h->sessions_sent) {
		/* What is still here of them ends in silence, whenever it does. */
		h->hooks.settle_sessions(h->hooks.ctx, true);
		release(h);
		h->hooks.end_sessions(h->hooks.ctx, (uint32_t)h->id);
		return;
	}
	enter(h, HANDOVER_ENDING, lb_time_min(HANDOVER_SESSIONS_MAX, h->hooks.interval(h->hooks.ctx)), 0);
	h->hooks.close_to_new(h->hooks.ctx, true);
	h->hooks.end_sessions(h->hooks.ctx, (uint32_t)h->id);
}

void handover_on_sessions_ended(struct handover *h, uint32_t id)
{
	if (h->phase == HANDOVER_ENDING && id == (uint32_t)h->id)
		release(h);
}

/* ---- the other side ---- */

void handover_request(struct handover *h, size_t node, election_done *done, void *ctx)
{
	begin(h, node, done, ctx);
	enter(h, HANDOVER_REQUESTING, HANDOVER_REQUEST_TIMEOUT, HANDOVER_ASK_AGAIN);
	say(h, PEER_REQUEST_VIP);
}

static void on_asked_to_take(struct handover *h, size_t node, uint64_t id)
{
	char why[64] = "";

	if (!h->hooks.can_take(h->hooks.ctx, why)) {
		h->hooks.send(h->hooks.ctx, node, PEER_REFUSE, id, why);
		return;
	}
	h->promised_node = node;
	h->promised_id = id;
	h->promised_at = clock_now();
	h->promised_at_boot = clock_boot();
	/* The owner acts: no more reason to ask it. */
	if (h->phase == HANDOVER_REQUESTING && node == h->node)
		h->again = 0;
	h->hooks.send(h->hooks.ctx, node, PEER_READY, id, NULL);
}

/* How old the promise is, on the clock that went further. */
static lb_duration promise_age(const struct handover *h)
{
	return lb_time_max(clock_now() - h->promised_at, clock_boot() - h->promised_at_boot);
}

static void on_released(struct handover *h, size_t node, uint64_t id, bool sessions)
{
	lb_duration limit = HANDOVER_PROMISE_INTERVALS * h->hooks.interval(h->hooks.ctx);

	/* A repetition finds the promise kept. */
	if (h->promised_id == 0 || node != h->promised_node || id != h->promised_id)
		return;
	h->promised_id = 0;
	if (promise_age(h) > limit) {
		lb_warning("handover: released %.1f ms after the promise, which held for %.1f ms; the election decides",
			   lb_duration_ms(promise_age(h)), lb_duration_ms(limit));
		return;
	}
	h->hooks.take(h->hooks.ctx, node);
	h->hooks.revive_sessions(h->hooks.ctx, id, sessions && h->hooks.is_owner(h->hooks.ctx));
}

void handover_on_stall(struct handover *h, lb_duration stall)
{
	if (stall >= h->hooks.interval(h->hooks.ctx))
		h->promised_id = 0;
}

static void on_requested(struct handover *h, size_t node, uint64_t id)
{
	if (h->phase != HANDOVER_IDLE && h->node == node)
		return;
	if (h->phase != HANDOVER_IDLE)
		h->hooks.send(h->hooks.ctx, node, PEER_REFUSE, id, "another hand-over is under way");
	else if (!h->hooks.is_owner(h->hooks.ctx))
		h->hooks.send(h->hooks.ctx, node, PEER_REFUSE, id, "this node does not own the VIP");
	else
		handover_give(h, node, NULL, NULL);
}

/* ---- what comes in ---- */

static void on_refused(struct handover *h, const struct peer_msg *msg)
{
	char text[160];

	if (h->phase != HANDOVER_ASKING && h->phase != HANDOVER_REQUESTING)
		return;
	snprintf(text, sizeof(text), "%s refuses: %s", msg->node, msg->text);
	end(h, false, "peer-refused", text);
}

void handover_on_message(struct handover *h, size_t node, const struct peer_msg *msg)
{
	bool answer = handover_busy(h) && node == h->node && msg->handover == h->id;

	switch (msg->kind) {
	case PEER_ASK_TAKE:
		on_asked_to_take(h, node, msg->handover);
		break;
	case PEER_READY:
		if (answer && h->phase == HANDOVER_ASKING)
			on_ready(h);
		break;
	case PEER_REFUSE:
		if (answer)
			on_refused(h, msg);
		break;
	case PEER_RELEASED:
	case PEER_RELEASED_SESSIONS:
		on_released(h, node, msg->handover, msg->kind == PEER_RELEASED_SESSIONS);
		break;
	case PEER_REQUEST_VIP:
		on_requested(h, node, msg->handover);
		break;
	case PEER_HEARTBEAT:
	case PEER_OFFER_SESSIONS:
	case PEER_EXPECT_SESSIONS:
		break;
	}
}

void handover_on_roles(struct handover *h)
{
	bool owner = h->hooks.is_owner(h->hooks.ctx);

	switch (h->phase) {
	case HANDOVER_SENDING:
	case HANDOVER_ASKING:
	case HANDOVER_ENDING:
		if (!owner)
			end(h, false, "not-owner", "this node lost the VIP before it could hand it over");
		break;
	case HANDOVER_RELEASED:
		if (h->hooks.node_owns(h->hooks.ctx, h->node))
			end_ok(h, "VIP handed over");
		break;
	case HANDOVER_REQUESTING:
		if (owner)
			end_ok(h, "VIP taken over");
		break;
	case HANDOVER_IDLE:
		break;
	}
}

static void on_deadline(struct handover *h)
{
	switch (h->phase) {
	case HANDOVER_SENDING:
		end(h, false, "sessions-stuck", "the sessions could neither be sent nor kept in time");
		break;
	case HANDOVER_ASKING:
		end(h, false, "peer-silent", "the peer did not answer within 200 ms");
		break;
	case HANDOVER_ENDING:
		release(h);
		break;
	case HANDOVER_RELEASED:
		end(h, false, "not-confirmed", "the VIP was released but the peer did not say that it took it");
		break;
	case HANDOVER_REQUESTING:
		end(h, false, "owner-silent", "the owner did not hand the VIP over within 6 s");
		break;
	case HANDOVER_IDLE:
		break;
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct handover *h = w->data;

	(void)loop;
	(void)revents;
	if (clock_now() >= h->deadline) {
		on_deadline(h);
		return;
	}
	if (h->phase == HANDOVER_ASKING)
		say(h, PEER_ASK_TAKE);
	else if (h->phase == HANDOVER_RELEASED)
		say_released(h);
	else if (h->phase == HANDOVER_REQUESTING && h->again > 0)
		say(h, PEER_REQUEST_VIP);
	arm(h);
}
