/* Sessions that move with the VIP: what session_move.h needs of the election, and the keys of the stream. */
#include <stdio.h>
#include <string.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

/* What an exec takes is less than what is left of an interval of 100 ms. */
#define JUST_NOW LB_MSEC(20)

/* A connection may only be stopped behind a fence that drops: else the kernel would reset it. */
static bool on_possible(void *ctx)
{
	const struct election *e = ctx;

	return e->secrets.key_count > 0 && fence_in_force(e->fence) == LB_FENCE_AUTO && e->proxy_connected &&
	       e->proxy_ticking;
}

static bool on_can_take(void *ctx, char text[64])
{
	return election_can_take(ctx, text);
}

static bool on_owns(void *ctx)
{
	return ((const struct election *)ctx)->holding;
}

static void on_send(void *ctx, size_t node, enum peer_msg_kind kind, uint64_t id, const char *text)
{
	peer_link_send(((struct election *)ctx)->peer_link, node, kind, id, text);
}

static void on_close_to_new(void *ctx, bool on)
{
	fence_close_to_new(((struct election *)ctx)->fence, on ? SESSION_MOVE_SEND : 0);
}

static void on_fence(void *ctx, bool on)
{
	struct election *e = ctx;

	e->fenced = on;
	if (on)
		fence_end(e->fence);
	else if (e->holding)
		fence_renew(e->fence, clock_now(), vrrp_lease(e->fsm.params.interval));
}

static void on_prepare(void *ctx, bool on)
{
	struct election *e = ctx;

	if (e->holding)
		return;
	if (on)
		vip_take(e->vips);
	else
		vip_release(e->vips);
}

static void on_order(void *ctx, const struct ipc_move *what, size_t node)
{
	struct election *e = ctx;
	struct ipc_move order = *what;

	order.peer = (struct lb_endpoint){.addr = e->conf->nodes[node].address, .port = e->conf->peer_port};
	order.from = e->own;
	e->params.hooks.move(e->params.hooks.ctx, &order);
}

static void on_done(void *ctx, bool moved)
{
	handover_on_sessions_sent(&((struct election *)ctx)->handover, moved);
}

void election_move_init(struct election *e)
{
	session_move_init(&e->move, e->params.loop,
			  &(struct session_move_hooks){
			      .possible = on_possible,
			      .can_take = on_can_take,
			      .owns = on_owns,
			      .send = on_send,
			      .close_to_new = on_close_to_new,
			      .fence = on_fence,
			      .prepare = on_prepare,
			      .order = on_order,
			      .done = on_done,
			      .ctx = e,
			  });
}

static void count_losses(struct election *e, const struct ipc_moved *sent)
{
	e->moves.lost[LB_MOVE_BOUND] += sent->bound;
	e->moves.lost[LB_MOVE_UNTOLD] += sent->lost;
	e->moves.lost[LB_MOVE_REFUSED] += sent->refused;
}

void election_move_settled(struct election *e, bool released)
{
	const struct ipc_moved *sent = &e->sent;
	char text[96];

	if (released && sent->id == e->move.id && sent->id != 0) {
		e->moves.away += sent->count;
		count_losses(e, sent);
		snprintf(text, sizeof(text), "%u moved; reset: %u bound-here, %u untold, %u refused", sent->count,
			 sent->bound, sent->lost, sent->refused);
		election_view_record(e, "vip", "sessions", e->conf->nodes[e->own_node].name,
				     e->conf->nodes[e->move.node].name, text, clock_now() - e->move.started);
	}
	e->sent = (struct ipc_moved){0};
}

void election_move_ended(struct election *e, uint32_t id, uint32_t count)
{
	bool moved = e->handover.sessions_sent && id == (uint32_t)e->handover.id;

	if (!moved)
		e->moves.lost[LB_MOVE_NONE] += count;
}

void election_moved(struct election *e, const struct ipc_moved *moved)
{
	if (moved->step == IPC_MOVE_SEND && moved->ok)
		e->sent = *moved;
	if (moved->step == IPC_MOVE_REVIVE)
		e->moves.here += moved->count;
	if (moved->step == IPC_MOVE_RESET)
		e->moves.lost[LB_MOVE_UNRELEASED] += moved->lost;
	session_move_on_moved(&e->move, moved);
}

static void derive(const struct peer_link_key *key, const char *label, uint8_t out[16])
{
	lb_hmac16(key->bytes, key->len, label, strlen(label), NULL, 0, out);
}

void election_move_keys(const struct election *e, struct ipc_move_setup *out)
{
	uint8_t id[16];

	*out = (struct ipc_move_setup){0};
	for (size_t i = 0; i < e->secrets.key_count && i < IPC_MOVE_KEYS; i++) {
		struct ipc_move_key *key = &out->keys[out->key_count++];

		derive(&e->secrets.keys[i], "lbd session stream id", id);
		memcpy(key->id, id, sizeof(key->id));
		derive(&e->secrets.keys[i], "lbd session stream key 1", key->psk);
		derive(&e->secrets.keys[i], "lbd session stream key 2", key->psk + 16);
	}
}

bool election_settled(const struct election *e)
{
	return !handover_busy(&e->handover) && e->move.phase == SESSION_MOVE_IDLE && e->move.expected_id == 0;
}

bool election_just_told(const struct election *e)
{
	return !election_owns(e) ||
	       clock_boot() - e->advert_boot < lb_time_max(JUST_NOW, e->conf->election.interval / 5);
}
