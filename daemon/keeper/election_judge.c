/* Does this node take part? Facts are put together here, judged by lb/ownership, and the verdict is followed. */
#include <string.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

size_t election_peer_node(const struct election *e, size_t peer)
{
	return peer < e->own_node ? peer : peer + 1;
}

void election_ownership_facts(struct election *e, struct ownership_peer *peers, struct ownership_facts *facts)
{
	*facts = (struct ownership_facts){
	    .now = clock_now(),
	    .state = e->fsm.state,
	    .proxy_connected = e->proxy_connected,
	    .proxy_ticking = e->proxy_ticking,
	    .link_up = vip_links_up(e->vips),
	    .standby = e->standby,
	    .vip_lost = vip_lost(e->vips),
	    .ready_servers = e->health.ready_servers,
	    .total_servers = e->health.total_servers,
	    .priority = e->fsm.params.priority,
	    .failback = e->conf->election.failback,
	    .peers = peers,
	    .peer_count = e->conf->node_count - 1,
	};
	for (size_t i = 0; i < facts->peer_count; i++) {
		const struct peer_facts *p = peer_link_facts(e->peer_link, election_peer_node(e, i));
		peers[i] = (struct ownership_peer){
		    .heard = p->heard,
		    .can_serve = p->last.can_serve,
		    .standby = p->last.standby,
		    .active = p->last.state == VRRP_ACTIVE,
		    .priority = p->last.priority,
		    .ready_servers = p->last.ready_servers,
		};
	}
}

static void on_yielded(void *ctx, bool ok, const char *code, const char *text)
{
	(void)ok;
	(void)code;
	(void)text;
	election_judge_soon(ctx);
}

/* Could this node still serve, if it were not for what it hands the VIP over for? Many sessions take their time. */
static bool leaves_in_order(const struct election *e)
{
	bool orderly = e->verdict.obstacle == OWNERSHIP_STANDBY || e->verdict.obstacle == OWNERSHIP_NO_SERVERS;

	return orderly && e->fsm.state == VRRP_ACTIVE && handover_busy(&e->handover) && e->proxy_connected &&
	       e->proxy_ticking && vip_links_up(e->vips);
}

static void follow_verdict(struct election *e)
{
	const struct ownership_verdict *v = &e->verdict;
	int owner = election_peers_owner(e);

	if (!v->can_serve && leaves_in_order(e))
		return;
	if (!v->can_serve && (e->fsm.state == VRRP_BACKUP || e->fsm.state == VRRP_ACTIVE)) {
		election_step(e, &(struct vrrp_event){.kind = VRRP_EVENT_FAULT, .reason = v->fault_reason});
	} else if (v->can_serve && e->fsm.state == VRRP_FAULT) {
		election_event(e, VRRP_EVENT_CLEAR);
	} else if (handover_busy(&e->handover) || e->stopping) {
		return;
	} else if (v->yield_to >= 0 && e->fsm.state == VRRP_ACTIVE && ratelimit_ok(&e->yield_limit, clock_now())) {
		handover_give(&e->handover, election_peer_node(e, (size_t)v->yield_to), on_yielded, e);
	} else if (v->request_vip && owner >= 0 && e->fsm.state == VRRP_BACKUP &&
		   ratelimit_ok(&e->request_limit, clock_now())) {
		lb_notice("asking %s for the VIP reason=failback", e->conf->nodes[owner].name);
		handover_request(&e->handover, (size_t)owner, NULL, NULL);
	}
}

static void judge(struct election *e)
{
	struct ownership_peer peers[LB_NODES_MAX];
	struct ownership_facts facts;
	struct ownership_verdict before = e->verdict;

	if (e->fsm.state == VRRP_INIT)
		return;
	election_ownership_facts(e, peers, &facts);
	ownership_judge(&e->ownership, &facts, &e->verdict);
	election_arm(e, &e->judge, e->verdict.next);
	if (before.obstacle != e->verdict.obstacle) {
		lb_notice("obstacle %s -> %s", ownership_obstacle_name(before.obstacle),
			  ownership_obstacle_name(e->verdict.obstacle));
		peer_link_tell(e->peer_link);
	}
	follow_verdict(e);
}

static void on_judge(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	judge(w->data);
}

void election_judge_init(struct election *e)
{
	ev_init(&e->judge, on_judge);
	e->judge.data = e;
	e->yield_limit = (struct ratelimit)RATELIMIT_INIT(1, LB_MSEC(300));
	e->request_limit = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(5));
}

void election_judge_soon(struct election *e)
{
	if (e->fsm.state != VRRP_INIT)
		election_arm(e, &e->judge, 0);
	e->params.hooks.changed(e->params.hooks.ctx);
}

void election_proxy_facts(struct election *e, const struct election_proxy_facts *facts)
{
	e->proxy_connected = facts->connected;
	e->proxy_ticking = facts->ticking;
	if (facts->health)
		e->health = *facts->health;
	else
		memset(&e->health, 0, sizeof(e->health));
	election_judge_soon(e);
}
