#include "daemon/keeper/session_move.h"

#include <string.h>

#include <lb/log.h>

#include "daemon/sys/clock.h"

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents);
static void on_expiry(struct ev_loop *loop, ev_timer *w, int revents);

void session_move_init(struct session_move *m, struct ev_loop *loop, const struct session_move_hooks *hooks)
{
	*m = (struct session_move){.loop = loop, .hooks = *hooks};
	ev_init(&m->timer, on_timer);
	ev_init(&m->expiry, on_expiry);
	m->timer.data = m->expiry.data = m;
}

void session_move_stop(struct session_move *m)
{
	ev_timer_stop(m->loop, &m->timer);
	ev_timer_stop(m->loop, &m->expiry);
}

static void arm(struct session_move *m, ev_timer *timer, lb_duration after)
{
	ev_timer_stop(m->loop, timer);
	ev_now_update(m->loop);
	ev_timer_set(timer, lb_duration_seconds(lb_time_max(after, 0)), 0.);
	ev_timer_start(m->loop, timer);
}

/* ---- the owner ---- */

static const char *phase_name(enum session_move_phase phase)
{
	static const char *const names[] = {"idle",    "offering", "connecting", "holding-back",
					    "sending", "sent",	   "thawing"};

	return names[phase];
}

static void enter(struct session_move *m, enum session_move_phase phase, lb_duration limit)
{
	lb_debug("sessions id=%016llx %s -> %s", (unsigned long long)m->id, phase_name(m->phase), phase_name(phase));
	m->phase = phase;
	m->deadline = clock_now() + limit;
	arm(m, &m->timer, phase == SESSION_MOVE_OFFERING ? SESSION_MOVE_AGAIN : limit);
}

static void order(struct session_move *m, enum ipc_move_step step, uint64_t id, size_t node)
{
	m->hooks.order(m->hooks.ctx, &(struct ipc_move){.id = id, .step = step}, node);
}

/* The VIP is not fenced yet, but queues were made short, and sessions on which nothing moved may stand still. */
static void leave_alone(struct session_move *m)
{
	order(m, IPC_MOVE_THAW, m->id, m->node);
}

/* The first part is over. Where the sessions stayed, their clients are told by resets, as without this part. */
static void finish(struct session_move *m, bool moved)
{
	ev_timer_stop(m->loop, &m->timer);
	m->phase = moved ? SESSION_MOVE_SENT : SESSION_MOVE_IDLE;
	m->hooks.done(m->hooks.ctx, moved);
}

static void give_up(struct session_move *m, const char *why)
{
	lb_warning("sessions stay: %s (%s)", why, phase_name(m->phase));
	if (m->phase == SESSION_MOVE_CONNECTING) {
		/* Clients can be told once their sockets are not under repair any more. */
		enter(m, SESSION_MOVE_THAWING, SESSION_MOVE_THAW);
		leave_alone(m);
		return;
	}
	finish(m, false);
}

static void thaw(struct session_move *m)
{
	m->hooks.fence(m->hooks.ctx, false);
	m->hooks.close_to_new(m->hooks.ctx, false);
	order(m, IPC_MOVE_THAW, m->id, m->node);
}

void session_move_begin(struct session_move *m, size_t node, uint64_t id)
{
	m->node = node;
	m->id = id;
	m->started = clock_now();
	if (!m->hooks.possible(m->hooks.ctx)) {
		finish(m, false);
		return;
	}
	enter(m, SESSION_MOVE_OFFERING, SESSION_MOVE_OFFER);
	m->hooks.send(m->hooks.ctx, node, PEER_OFFER_SESSIONS, id, NULL);
}

static void on_expected(struct session_move *m)
{
	enter(m, SESSION_MOVE_CONNECTING, SESSION_MOVE_CONNECT);
	order(m, IPC_MOVE_CONNECT, m->id, m->node);
}

static void send_all(struct session_move *m)
{
	enter(m, SESSION_MOVE_SENDING, SESSION_MOVE_SEND);
	m->hooks.fence(m->hooks.ctx, true);
	order(m, IPC_MOVE_SEND, m->id, m->node);
}

static void take_back_and_go_on(struct session_move *m, const char *why)
{
	lb_warning("sessions stay: %s", why);
	enter(m, SESSION_MOVE_THAWING, SESSION_MOVE_THAW);
	thaw(m);
}

void session_move_on_moved(struct session_move *m, const struct ipc_moved *moved)
{
	/* The proxy waits for the stream: now it may come. */
	if (moved->step == IPC_MOVE_EXPECT && moved->id == m->expected_id) {
		m->expect_told = true;
		m->hooks.send(m->hooks.ctx, m->expected_node, PEER_EXPECT_SESSIONS, moved->id, NULL);
	}
	if (moved->step == IPC_MOVE_RESET)
		lb_warning("sessions lost=%u reason=election: they had arrived when the VIP came without a release",
			   moved->lost);
	if (moved->id != m->id || moved->step == IPC_MOVE_EXPECT || moved->step == IPC_MOVE_RESET)
		return;
	switch (m->phase) {
	case SESSION_MOVE_CONNECTING:
		if (moved->ok) {
			m->hooks.close_to_new(m->hooks.ctx, true);
			enter(m, SESSION_MOVE_HOLDING_BACK, SESSION_MOVE_CLOSING);
		} else {
			give_up(m, moved->text);
		}
		break;
	case SESSION_MOVE_SENDING:
		if (moved->step == IPC_MOVE_CONNECT)
			break;
		if (!moved->ok) {
			take_back_and_go_on(m, moved->text);
			break;
		}
		lb_notice("sessions moved=%u lost=%u in %.1f ms", moved->count,
			  moved->lost + moved->bound + moved->refused, lb_duration_ms(clock_now() - m->started));
		finish(m, true);
		break;
	case SESSION_MOVE_THAWING:
		if (moved->step == IPC_MOVE_THAW)
			finish(m, false);
		break;
	default:
		break;
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct session_move *m = w->data;

	(void)loop;
	(void)revents;
	switch (m->phase) {
	case SESSION_MOVE_OFFERING:
		if (clock_now() >= m->deadline) {
			give_up(m, "the successor does not expect them");
			break;
		}
		m->hooks.send(m->hooks.ctx, m->node, PEER_OFFER_SESSIONS, m->id, NULL);
		arm(m, &m->timer, SESSION_MOVE_AGAIN);
		break;
	case SESSION_MOVE_CONNECTING:
		give_up(m, "the stream to the successor did not open in time");
		break;
	case SESSION_MOVE_HOLDING_BACK:
		send_all(m);
		break;
	case SESSION_MOVE_SENDING:
		take_back_and_go_on(m, "the successor did not set them up in time");
		break;
	case SESSION_MOVE_THAWING:
		finish(m, false);
		break;
	case SESSION_MOVE_IDLE:
	case SESSION_MOVE_SENT:
		break;
	}
}

void session_move_take_back(struct session_move *m)
{
	bool away = m->phase == SESSION_MOVE_SENDING || m->phase == SESSION_MOVE_SENT;

	ev_timer_stop(m->loop, &m->timer);
	if (m->phase == SESSION_MOVE_HOLDING_BACK)
		m->hooks.close_to_new(m->hooks.ctx, false);
	if (m->phase == SESSION_MOVE_HOLDING_BACK || m->phase == SESSION_MOVE_CONNECTING)
		leave_alone(m);
	m->phase = SESSION_MOVE_IDLE;
	if (away)
		thaw(m);
	/* It may have stood still when the end came, and holds the VIP's addresses for what it was offered. */
	m->hooks.send(m->hooks.ctx, m->node, PEER_REFUSE, m->id, "the hand-over came to nothing");
}

void session_move_settle(struct session_move *m)
{
	ev_timer_stop(m->loop, &m->timer);
	m->phase = SESSION_MOVE_IDLE;
}

/* ---- the successor ---- */

static void drop_expected(struct session_move *m)
{
	if (m->expected_id == 0)
		return;
	ev_timer_stop(m->loop, &m->expiry);
	order(m, IPC_MOVE_DROP, m->expected_id, m->expected_node);
	m->expected_id = 0;
}

void session_move_inherited(struct session_move *m)
{
	if (m->expected_id != 0)
		arm(m, &m->expiry, SESSION_MOVE_INHERIT);
}

static void forget_offer(struct session_move *m, const char *why)
{
	lb_warning("sessions were offered, but: %s", why);
	drop_expected(m);
	m->hooks.prepare(m->hooks.ctx, false);
}

/* Clients of sessions that are here can only be told by who has the VIP. */
static void end_offer(struct session_move *m, const char *why)
{
	if (!m->hooks.owns(m->hooks.ctx)) {
		forget_offer(m, why);
		return;
	}
	ev_timer_stop(m->loop, &m->expiry);
	order(m, IPC_MOVE_RESET, m->expected_id, m->expected_node);
	m->expected_id = 0;
}

static void on_expiry(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	end_offer(w->data, "the VIP did not follow");
}

static void on_offer(struct session_move *m, size_t node, uint64_t id)
{
	char why[64] = "";

	if (!m->hooks.possible(m->hooks.ctx) || !m->hooks.can_take(m->hooks.ctx, why)) {
		m->hooks.send(m->hooks.ctx, node, PEER_REFUSE, id, why[0] ? why : "sessions cannot move here");
		return;
	}
	if (m->expected_id != id) {
		drop_expected(m);
		m->expected_id = id;
		m->expected_node = node;
		m->expect_told = false;
		m->hooks.prepare(m->hooks.ctx, true);
		order(m, IPC_MOVE_EXPECT, id, node);
		arm(m, &m->expiry, SESSION_MOVE_EXPECT);
	} else if (m->expect_told) {
		/* The first answer was lost. */
		m->hooks.send(m->hooks.ctx, node, PEER_EXPECT_SESSIONS, id, NULL);
	}
}

void session_move_arrived(struct session_move *m, uint64_t id, bool sessions)
{
	if (m->expected_id == 0)
		return;
	if (!sessions || id != m->expected_id) {
		drop_expected(m);
		return;
	}
	ev_timer_stop(m->loop, &m->expiry);
	order(m, IPC_MOVE_REVIVE, id, m->expected_node);
	m->expected_id = 0;
}

bool session_move_on_message(struct session_move *m, size_t node, const struct peer_msg *msg)
{
	bool answer = m->phase == SESSION_MOVE_OFFERING && node == m->node && msg->handover == m->id;

	if (msg->kind == PEER_OFFER_SESSIONS) {
		on_offer(m, node, msg->handover);
		return true;
	}
	if (msg->kind == PEER_EXPECT_SESSIONS) {
		if (answer)
			on_expected(m);
		else if (m->phase == SESSION_MOVE_IDLE || node != m->node || msg->handover != m->id)
			m->hooks.send(m->hooks.ctx, node, PEER_REFUSE, msg->handover, "that hand-over is over");
		return true;
	}
	if (msg->kind == PEER_REFUSE && m->expected_id != 0 && node == m->expected_node &&
	    msg->handover == m->expected_id) {
		end_offer(m, msg->text);
		return true;
	}
	if (msg->kind == PEER_REFUSE && answer) {
		give_up(m, msg->text);
		return true;
	}
	return false;
}
