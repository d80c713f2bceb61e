/* Planned changes: failover, standby, stop; and what a hand-over needs of the election. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

/* Not the id of any hand-over: those are drawn at random and 64 bits long. */
#define STOP_SESSIONS_ID   UINT32_MAX
#define STOP_SESSIONS_WAIT 0.05

#define TAKE_DRAIN_BUDGET 4096

static void answer(struct election_pending *p, bool ok, const char *code, const char *text)
{
	struct election_pending waiting = *p;

	*p = (struct election_pending){0};
	if (waiting.done)
		waiting.done(waiting.ctx, ok, code, text);
}

/* ---- what a hand-over needs ---- */

bool election_can_take(const struct election *e, char text[64])
{
	const char *why = NULL;

	if (e->stopping)
		why = "it is stopping";
	else if (e->standby)
		why = "it is on standby";
	else if (e->fsm.state == VRRP_ACTIVE)
		why = "it owns the VIP already";
	else if (e->fsm.state != VRRP_BACKUP || e->verdict.obstacle != OWNERSHIP_CAN)
		why = e->verdict.obstacle == OWNERSHIP_CAN ? "it is only starting"
							   : ownership_obstacle_name(e->verdict.obstacle);
	snprintf(text, 64, "%s", why ? why : "");
	return !why;
}

static bool on_can_take(void *ctx, char text[64])
{
	return election_can_take(ctx, text);
}

static bool on_is_owner(void *ctx)
{
	return ((struct election *)ctx)->fsm.state == VRRP_ACTIVE;
}

static void on_send(void *ctx, size_t node, enum peer_msg_kind kind, uint64_t id, const char *text)
{
	peer_link_send(((struct election *)ctx)->peer_link, node, kind, id, text);
}

static void on_close_to_new(void *ctx, bool on)
{
	/* Longer than all steps together; should this process die in between, it ends by itself. */
	fence_close_to_new(((struct election *)ctx)->fence, on ? LB_SEC(1) : 0);
}

static void on_end_sessions(void *ctx, uint32_t id)
{
	struct election *e = ctx;

	e->params.hooks.end_sessions(e->params.hooks.ctx, id);
}

static void on_yield(void *ctx)
{
	struct election *e = ctx;

	e->sessions_over = true;
	election_event(e, VRRP_EVENT_YIELD);
}

/* The owner's adverts say its interval; on a node that reads another configuration it may be shorter. */
static lb_duration on_interval(void *ctx)
{
	const struct election *e = ctx;

	return lb_time_min(e->fsm.params.interval, e->fsm.active_adver_interval);
}

static void on_send_sessions(void *ctx, size_t node, uint64_t id)
{
	session_move_begin(&((struct election *)ctx)->move, node, id);
}

static void on_settle_sessions(void *ctx, bool released)
{
	struct election *e = ctx;

	election_move_settled(e, released);
	if (released)
		session_move_settle(&e->move);
	else
		session_move_take_back(&e->move);
}

static void on_revive_sessions(void *ctx, uint64_t id, bool sent)
{
	session_move_arrived(&((struct election *)ctx)->move, id, sent);
}

/* A third node may have followed the release first: its adverts are read before this node's mind is made up. */
static void on_take(void *ctx, size_t node)
{
	struct election *e = ctx;

	election_advert_drain(e, TAKE_DRAIN_BUDGET);
	election_step(e, &(struct vrrp_event){.kind = VRRP_EVENT_TAKE, .source = e->conf->nodes[node].address});
}

static void make_hooks(struct handover_hooks *hooks, struct election *e)
{
	*hooks = (struct handover_hooks){
	    .can_take = on_can_take,
	    .is_owner = on_is_owner,
	    .node_owns = election_peers_owns,
	    .send = on_send,
	    .close_to_new = on_close_to_new,
	    .end_sessions = on_end_sessions,
	    .interval = on_interval,
	    .send_sessions = on_send_sessions,
	    .settle_sessions = on_settle_sessions,
	    .revive_sessions = on_revive_sessions,
	    .yield = on_yield,
	    .take = on_take,
	    .ctx = e,
	};
}

/* ---- failover ---- */

static int best_successor(struct election *e)
{
	struct ownership_peer peers[LB_NODES_MAX];
	struct ownership_facts facts;
	int best;

	election_ownership_facts(e, peers, &facts);
	best = ownership_successor(&facts);
	return best < 0 ? -1 : (int)election_peer_node(e, (size_t)best);
}

static int node_by_name(const struct election *e, const char *name)
{
	for (size_t i = 0; i < e->conf->node_count; i++)
		if (strcmp(e->conf->nodes[i].name, name) == 0)
			return (int)i;
	return -1;
}

static void give_to(struct election *e, const char *name, election_done *done, void *ctx)
{
	int node = name[0] != '\0' ? node_by_name(e, name) : best_successor(e);
	char text[160];

	if (node < 0) {
		done(ctx, false, "no-peer", "no other node that can serve is heard; the VIP stays");
	} else if ((size_t)node == e->own_node) {
		done(ctx, true, "", "this node owns the VIP already");
	} else if (!peer_link_facts(e->peer_link, (size_t)node)->heard) {
		snprintf(text, sizeof(text), "%s is not heard on the peer link; the VIP stays", name);
		done(ctx, false, "peer-silent", text);
	} else {
		handover_give(&e->handover, (size_t)node, done, ctx);
	}
}

static void fetch(struct election *e, const char *name, election_done *done, void *ctx)
{
	int owner = election_peers_owner(e), node = name[0] != '\0' ? node_by_name(e, name) : (int)e->own_node;
	char why[64], text[256];

	if (owner >= 0 && node == owner) {
		snprintf(text, sizeof(text), "%s owns the VIP already", name);
		done(ctx, true, "", text);
	} else if (owner < 0) {
		done(ctx, false, "no-owner", "no node that owns the VIP is heard");
	} else if ((size_t)node != e->own_node) {
		snprintf(text, sizeof(text), "%s owns the VIP: ask it, or ask here without a node to take the VIP here",
			 e->conf->nodes[owner].name);
		done(ctx, false, "not-owner", text);
	} else if (!on_can_take(e, why)) {
		snprintf(text, sizeof(text), "this node cannot take the VIP: %s", why);
		done(ctx, false, "cannot-serve", text);
	} else {
		handover_request(&e->handover, (size_t)owner, done, ctx);
	}
}

void election_failover(struct election *e, const char *node, election_done *done, void *ctx)
{
	char text[160];

	if (handover_busy(&e->handover)) {
		done(ctx, false, "busy", "another hand-over is under way; try again");
	} else if (node[0] != '\0' && node_by_name(e, node) < 0) {
		snprintf(text, sizeof(text), "there is no node \"%s\"", node);
		done(ctx, false, "unknown-node", text);
	} else if (e->fsm.state == VRRP_ACTIVE) {
		give_to(e, node, done, ctx);
	} else {
		fetch(e, node, done, ctx);
	}
}

/* ---- standby ---- */

static bool write_mark(const struct election *e, bool on)
{
	int fd;

	if (!on)
		return unlink(e->standby_mark) == 0 || errno == ENOENT;
	fd = open(e->standby_mark, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void election_standby(struct election *e, bool on, election_done *done, void *ctx)
{
	char text[256];

	if (!write_mark(e, on)) {
		snprintf(text, sizeof(text), "the mark %.180s cannot be %s: %s", e->standby_mark,
			 on ? "written" : "removed", strerror(errno));
		done(ctx, false, "no-mark", text);
		return;
	}
	answer(&e->standby_change, false, "superseded", "another standby request came in between");
	if (e->standby != on) {
		lb_notice("standby %s", on ? "on" : "off");
		election_view_record(e, "admin", "standby", on ? "off" : "on", on ? "on" : "off", "lbctl", 0);
	}
	e->standby = on;
	peer_link_tell(e->peer_link);
	election_judge_soon(e);
	if (!on) {
		done(ctx, true, "", "this node takes part in the election again");
		return;
	}
	e->standby_change = (struct election_pending){.done = done, .ctx = ctx};
	election_plan_on_roles(e);
}

/* ---- stop ---- */

static void finish_stop(struct election *e, bool ok, const char *text)
{
	e->stop_waits_for_sessions = false;
	ev_timer_stop(e->params.loop, &e->stop_timer);
	election_event(e, VRRP_EVENT_SHUTDOWN);
	/* Only now: the rules guard the VIP for as long as it might be here. */
	fence_stop(e->fence);
	peer_link_tell(e->peer_link);
	answer(&e->standby_change, false, "stopping", "the daemon stops");
	answer(&e->stop, ok, ok ? "" : "not-handed-over", text);
}

/* No peer takes the VIP in an orderly way: end the sessions while their resets can still leave, then resign. */
static void resign(struct election *e)
{
	if (e->fsm.state != VRRP_ACTIVE) {
		finish_stop(e, true, "this node did not own the VIP");
		return;
	}
	e->stop_waits_for_sessions = true;
	ev_now_update(e->params.loop);
	ev_timer_set(&e->stop_timer, STOP_SESSIONS_WAIT, 0.);
	ev_timer_start(e->params.loop, &e->stop_timer);
	e->params.hooks.end_sessions(e->params.hooks.ctx, STOP_SESSIONS_ID);
}

static void resign_finally(struct election *e)
{
	if (!e->stop_waits_for_sessions)
		return;
	e->sessions_over = true;
	finish_stop(e, false, "no other node took the VIP in time; it was released");
}

static void on_stop_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	resign_finally(w->data);
}

static void on_stop_handover(void *ctx, bool ok, const char *code, const char *text)
{
	struct election *e = ctx;

	(void)code;
	if (ok)
		finish_stop(e, true, text);
	else
		resign(e);
}

void election_stop(struct election *e, election_done *done, void *ctx)
{
	int successor = e->fsm.state == VRRP_ACTIVE ? best_successor(e) : -1;

	e->stopping = true;
	e->stop = (struct election_pending){.done = done, .ctx = ctx};
	handover_cancel(&e->handover, "stopping", "the daemon stops");
	if (successor >= 0)
		handover_give(&e->handover, (size_t)successor, on_stop_handover, e);
	else
		resign(e);
}

void election_sessions_ended(struct election *e, const struct ipc_sessions_ended *ended)
{
	election_move_ended(e, ended->id, ended->count);
	if (e->stop_waits_for_sessions && ended->id == STOP_SESSIONS_ID)
		resign_finally(e);
	else
		handover_on_sessions_ended(&e->handover, ended->id);
}

/* ---- roles ---- */

void election_plan_on_roles(struct election *e)
{
	handover_on_roles(&e->handover);
	if (e->standby_change.done && (e->fsm.state == VRRP_FAULT || e->fsm.state == VRRP_INIT))
		answer(&e->standby_change, true, "",
		       election_peers_owner(e) >= 0 || best_successor(e) >= 0
			   ? "this node is on standby"
			   : "this node is on standby; warning: no other node that can serve is heard, so nobody owns "
			     "the VIP until one is, or until: lbctl standby off");
}

void election_plan_init(struct election *e)
{
	struct handover_hooks hooks;
	uint64_t seed = (uint64_t)clock_wall();

	/* Ids need to differ between processes, not to be secret: the peer link is authenticated. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed ^= (uint64_t)getpid() << 32;
	make_hooks(&hooks, e);
	handover_init(&e->handover, e->params.loop, seed, &hooks);
	election_move_init(e);
	ev_init(&e->stop_timer, on_stop_timer);
	e->stop_timer.data = e;
}
