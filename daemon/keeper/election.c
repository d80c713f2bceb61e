#include "daemon/keeper/election.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

/* Datagrams taken in one wake of the loop, and before a peer is declared dead. */
#define DRAIN_BUDGET	   64
#define DRAIN_BUDGET_FINAL 4096

/* How often the segment is asked who has the VIP. */
#define ASK_SECONDS 5

/* ---- timers ---- */

void election_arm(struct election *e, ev_timer *w, lb_time at)
{
	lb_duration wait = at - clock_now();

	ev_timer_stop(e->params.loop, w);
	if (at == LB_TIME_NEVER)
		return;
	ev_now_update(e->params.loop);
	ev_timer_set(w, wait > 0 ? lb_duration_seconds(wait) : 0., 0.);
	ev_timer_start(e->params.loop, w);
}

void election_rearm(struct election *e)
{
	election_arm(e, &e->deadline, vrrp_fsm_deadline(&e->fsm));
}

/* ---- actions ---- */

/* For how long this node has not even tried to say that it is alive. */
static lb_duration silence(const struct election *e)
{
	return lb_time_max(clock_now() - e->advert_tried, clock_boot() - e->advert_tried_boot);
}

static void note_tried(struct election *e)
{
	e->advert_tried = clock_now();
	e->advert_tried_boot = clock_boot();
}

/*
 * The lease follows a sent advert, and only then. Not after having been stopped between the stall guard and here (the
 * next round finds out), and not with the first advert after a time without any: who took over meanwhile shall answer
 * it first.
 */
static void send_advert(struct election *e)
{
	lb_duration lease = vrrp_lease(e->fsm.params.interval);
	bool sent = election_advert_send(e, e->fsm.params.priority);
	lb_time now = clock_now();
	bool lapsed = e->advert_ok != 0 && now - e->advert_ok > lease;

	if (e->fsm.state != VRRP_ACTIVE)
		return;
	if (e->holding && silence(e) >= lease)
		return;
	note_tried(e);
	if (!sent)
		return;
	e->advert_ok = now;
	e->advert_boot = e->advert_tried_boot;
	peer_link_pace(e->peer_link);
	if (lapsed)
		return;
	if (e->holding && !e->fenced)
		fence_renew(e->fence, now, lease);
	election_resume_keep(e);
}

static void take_vip(struct election *e)
{
	e->holding = true;
	e->fenced = e->sessions_over = false;
	vip_take(e->vips);
	fence_renew(e->fence, clock_now(), vrrp_lease(e->fsm.params.interval));
}

static void end_sessions(struct election *e)
{
	if (e->holding && !e->sessions_over)
		e->params.hooks.end_sessions(e->params.hooks.ctx, 0);
}

/*
 * The lease goes first: it ends every answer at once, while removing an address waits for whoever else on this host is
 * configuring the network.
 */
static void release_vip(struct election *e)
{
	e->holding = e->fenced = false;
	e->released_at = clock_now();
	fence_end(e->fence);
	announce_stop(e->announce);
	vip_release(e->vips);
}

static void announce_taken(struct election *e)
{
	announce_start(e->announce);
	election_view_on_taken(e);
}

static void act(struct election *e, enum vrrp_action action)
{
	switch (action) {
	case VRRP_SEND_ADVERT:
		send_advert(e);
		break;
	case VRRP_SEND_RESIGN:
		election_advert_send(e, 0);
		break;
	case VRRP_TAKE_VIP:
		take_vip(e);
		break;
	case VRRP_END_SESSIONS:
		end_sessions(e);
		break;
	case VRRP_RELEASE_VIP:
		release_vip(e);
		break;
	case VRRP_ANNOUNCE:
		announce_taken(e);
		break;
	case VRRP_REANNOUNCE:
		announce_again(e->announce);
		break;
	case VRRP_STATE_CHANGED:
		election_view_on_role(e);
		break;
	}
}

/* ---- steps ---- */

/* What follows from a new role beside the actions: peers and people hear of it, plans go on, the verdict may change. */
static void after_change(struct election *e)
{
	e->losing_since = e->losing_at = 0;
	e->losing_alarm = false;
	peer_link_tell(e->peer_link);
	peer_link_own(e->peer_link, e->fsm.state == VRRP_ACTIVE);
	if (e->fsm.state == VRRP_ACTIVE && e->fsm.reason != VRRP_REASON_HANDOVER)
		session_move_inherited(&e->move);
	election_plan_on_roles(e);
	election_judge_soon(e);
}

void election_step(struct election *e, struct vrrp_event *event)
{
	enum vrrp_state before = e->fsm.state;
	struct vrrp_actions actions;

	event->now = clock_now();
	if (before == VRRP_ACTIVE && event->kind == VRRP_EVENT_TIMER)
		e->sent_jitter_max = lb_time_max(e->sent_jitter_max, event->now - e->fsm.adver_timer);
	if (before != VRRP_ACTIVE) {
		/* Becoming Active begins with an advert; nothing was missed before it. */
		note_tried(e);
		e->advert_ok = 0;
	}
	vrrp_fsm_step(&e->fsm, event, &actions);
	/* Whatever happens from here on, the next process must not take up what this one leaves. */
	if (before == VRRP_ACTIVE && e->fsm.state != VRRP_ACTIVE)
		election_resume_keep(e);
	for (size_t i = 0; i < actions.count; i++)
		act(e, actions.list[i]);
	election_rearm(e);
	if (e->fsm.state != before)
		after_change(e);
}

/*
 * R3: an owner that did not run for a while looks before it speaks. Longer than its lease, a peer may be Active
 * already: it steps down in silence. Less than that, what arrived meanwhile is read first.
 */
static void guard_against_stall(struct election *e)
{
	lb_duration gap;

	if (e->fsm.state != VRRP_ACTIVE)
		return;
	gap = silence(e);
	if (gap >= vrrp_lease(e->fsm.params.interval)) {
		lb_warning("stood still for %.0f ms: leaving the VIP to whoever took it", lb_duration_ms(gap));
		election_step(e, &(struct vrrp_event){.kind = VRRP_EVENT_STALL});
	} else if (gap > 2 * e->fsm.params.interval) {
		election_advert_drain(e, DRAIN_BUDGET_FINAL);
	}
}

void election_event(struct election *e, enum vrrp_event_kind kind)
{
	guard_against_stall(e);
	election_step(e, &(struct vrrp_event){.kind = kind, .others = e->conf->node_count > 2});
}

static void note_stall(struct election *e, lb_time due)
{
	lb_duration late = due == LB_TIME_NEVER ? 0 : clock_now() - due;

	e->stall_max = lb_time_max(e->stall_max, late);
	handover_on_stall(&e->handover, late);
}

static void on_check(struct ev_loop *loop, ev_check *w, int revents)
{
	struct election *e = w->data;

	(void)loop;
	(void)revents;
	note_stall(e, lb_time_min(vrrp_fsm_deadline(&e->fsm), e->second_at));
	guard_against_stall(e);
}

static void on_vrrp(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	election_advert_drain(w->data, DRAIN_BUDGET);
}

/*
 * R4: own starvation must not look like the death of the Active. What arrived is read before the timer counts, and a
 * timer that is noticed late says more about this node than about the other one.
 */
static bool active_is_dead(struct election *e)
{
	election_advert_drain(e, DRAIN_BUDGET_FINAL);
	peer_link_drain(e->peer_link, DRAIN_BUDGET_FINAL);
	if (e->fsm.state != VRRP_BACKUP || clock_now() < e->fsm.active_down_timer)
		return false;
	if (clock_now() - e->fsm.active_down_timer <= 2 * e->fsm.active_adver_interval)
		return true;
	lb_warning("listening again: this node was late by %.0f ms",
		   lb_duration_ms(clock_now() - e->fsm.active_down_timer));
	election_step(e, &(struct vrrp_event){.kind = VRRP_EVENT_STALL});
	return false;
}

static void on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct election *e = w->data;

	(void)loop;
	(void)revents;
	if (clock_now() >= vrrp_fsm_deadline(&e->fsm) && (e->fsm.state != VRRP_BACKUP || active_is_dead(e)))
		election_event(e, VRRP_EVENT_TIMER);
	else
		election_rearm(e);
}

/* ---- the second tick, links, others on the VIP ---- */

static void on_second(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct election *e = w->data;

	(void)loop;
	(void)revents;
	e->second_at = clock_now() + LB_SEC(1);
	vip_audit(e->vips);
	election_peers_watch(e);
	/* Does somebody else answer for the VIP while this node owns it, or while nobody does? */
	if (e->seconds++ % ASK_SECONDS == 0 && (e->fsm.state == VRRP_ACTIVE || election_peers_owner(e) < 0))
		announce_watch_ask(e->watch, &e->own);
}

static void on_vip_readded(void *ctx, size_t vip)
{
	struct election *e = ctx;
	char text[LB_ADDR_TEXT];

	announce_again(e->announce);
	election_view_record(e, "vip", lb_addr_text(vip_address(e->vips, vip), text), "removed", "added",
			     "removed by somebody else", 0);
}

static void on_vip_changed(void *ctx)
{
	struct election *e = ctx;

	election_advert_join(e);
	announce_watch_bind(e->watch);
	peer_link_bind(e->peer_link, vip_common_link(e->vips));
	if (e->holding && vip_links_up(e->vips))
		announce_start(e->announce);
	election_judge_soon(e);
}

/* Another station claims the VIP. Around a change of roles that is the former owner's last word. */
static void on_claim(void *ctx, size_t vip, const uint8_t mac[6])
{
	struct election *e = ctx;
	lb_time now = clock_now();
	char text[LB_ADDR_TEXT];

	if (now - e->fsm.since < e->fsm.params.interval / 2)
		return;
	if (e->fsm.state != VRRP_ACTIVE && e->fsm.active.family != 0)
		return;
	if (e->fsm.state != VRRP_ACTIVE && (e->ownerless_since == 0 || now - e->ownerless_since < LB_SEC(2)))
		return;
	if (e->foreign_until == 0)
		e->params.hooks.changed(e->params.hooks.ctx);
	e->foreign_until = now + LB_SEC(10);
	memcpy(e->foreign_mac, mac, sizeof(e->foreign_mac));
	if (ratelimit_ok(&e->foreign_log, now)) {
		lb_error("vip %s is claimed by another station mac=%02x:%02x:%02x:%02x:%02x:%02x",
			 lb_addr_text(vip_address(e->vips, vip), text), mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
		election_view_record(e, "vip", text, "", "claimed", "another station answers for the VIP", 0);
	}
	if (ratelimit_ok(&e->claim_limit, now))
		announce_once(e->announce);
}

/* ---- life ---- */

static void init_watchers(struct election *e)
{
	ev_init(&e->vrrp_io, on_vrrp);
	ev_check_init(&e->check, on_check);
	ev_init(&e->deadline, on_deadline);
	ev_timer_init(&e->second, on_second, 1., 1.);
	ev_set_priority(&e->vrrp_io, EV_MAXPRI);
	ev_set_priority(&e->check, EV_MAXPRI);
	ev_set_priority(&e->deadline, EV_MAXPRI);
	e->vrrp_io.data = e->check.data = e->deadline.data = e->second.data = e;
}

static void init_limits(struct election *e)
{
	for (size_t i = 0; i < VRRP_DROP_COUNT_; i++)
		e->drop_log[i] = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(10));
	e->drops_log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(2));
	e->send_log = e->foreign_log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(10));
	/* As many as a node that took the VIP announces itself, so that none of these is the last word. */
	e->claim_limit = (struct ratelimit)RATELIMIT_INIT(4, LB_MSEC(500));
	e->word_limit = (struct ratelimit)RATELIMIT_INIT(5, LB_SEC(1));
	e->list_log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(60));
}

static bool open_parts(struct election *e, struct lb_err *err)
{
	const struct lb_conf *conf = e->conf;
	struct peer_link_params link = {
	    .loop = e->params.loop,
	    .conf = conf,
	    .own_node = e->own_node,
	    .keys = e->secrets.keys,
	    .key_count = e->secrets.key_count,
	};

	struct announce_watch_params watch = {
	    .loop = e->params.loop,
	    .resume = e->params.resume,
	    .heard = on_claim,
	    .ctx = e,
	};

	election_peers_hooks(&link.hooks, e);
	e->vips = vip_new(
	    &(struct vip_params){
		.loop = e->params.loop,
		.conf = conf,
		.own = e->own,
		.forever = conf->election.fence == LB_FENCE_OFF,
		.hooks = {.readded = on_vip_readded, .changed = on_vip_changed, .ctx = e},
	    },
	    err);
	watch.vips = e->vips;
	return e->vips && (e->fence = fence_new(conf->election.fence, err)) &&
	       (e->announce = announce_new(e->params.loop, e->vips, e->params.resume, err)) &&
	       (e->watch = announce_watch_new(&watch, err)) && (e->peer_link = peer_link_new(&link, err)) &&
	       election_resume_open(e, err);
}

struct election *election_new(const struct election_params *params, struct lb_err *err)
{
	struct election *e = calloc(1, sizeof(*e));
	struct vrrp_params fsm;

	if (!e) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	e->params = *params;
	e->own_node = params->own_node;
	e->own = params->conf->nodes[e->own_node].address;
	e->vrrp_fd = -1;
	snprintf(e->standby_mark, sizeof(e->standby_mark), "%s/standby", params->runtime_dir);
	init_watchers(e);
	init_limits(e);
	election_judge_init(e);
	if (!election_secret_read(params->conf, &e->secrets, err))
		goto free_election;
	election_apply_conf(e, params->conf, &fsm);
	vrrp_fsm_init(&e->fsm, &fsm);
	if (!open_parts(e, err))
		goto free_election;
	election_plan_init(e);
	return e;

free_election:
	election_free(e);
	return NULL;
}

bool election_start(struct election *e, struct lb_err *err)
{
	if (!vip_start(e->vips, e->resuming ? NULL : e->conf, err))
		return false;
	election_resume_guard(e);
	if (e->secrets.key_count == 0)
		lb_warning("no key_file: adverts and the peer link are not authenticated");
	else
		lb_info("key id=%u accepted=%zu", e->secrets.vrrp_keys[0].id, e->secrets.key_count);
	e->standby = access(e->standby_mark, F_OK) == 0;

	election_advert_join(e);
	announce_watch_bind(e->watch);
	peer_link_bind(e->peer_link, vip_common_link(e->vips));
	ev_io_set(&e->vrrp_io, e->vrrp_fd, EV_READ);
	ev_io_start(e->params.loop, &e->vrrp_io);
	ev_check_start(e->params.loop, &e->check);
	e->second_at = clock_now() + LB_SEC(1);
	ev_timer_again(e->params.loop, &e->second);
	if (!election_resume_start(e))
		election_event(e, VRRP_EVENT_STARTUP);
	peer_link_start(e->peer_link);
	return true;
}

void election_free(struct election *e)
{
	if (!e)
		return;
	ev_timer *timers[] = {&e->deadline, &e->judge, &e->second, &e->stop_timer, &e->handover.timer};

	ev_io_stop(e->params.loop, &e->vrrp_io);
	ev_check_stop(e->params.loop, &e->check);
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		ev_timer_stop(e->params.loop, timers[i]);
	session_move_stop(&e->move);
	if (e->vrrp_fd >= 0)
		close(e->vrrp_fd);
	peer_link_free(e->peer_link);
	announce_watch_free(e->watch);
	announce_free(e->announce);
	fence_free(e->fence);
	vip_free(e->vips);
	explicit_bzero(&e->secrets, sizeof(e->secrets));
	explicit_bzero(&e->next_secrets, sizeof(e->next_secrets));
	free(e);
}
