/* What other nodes say of themselves, and alarms about what does not fit together. */
#include <stdio.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

/* ---- what this node says ---- */

/* An owner whose adverts its kernel does not take serves nobody: peers must not take its word for its life. */
static bool lease_over(const struct election *e)
{
	return e->fsm.state == VRRP_ACTIVE && clock_now() - e->advert_ok >= vrrp_lease(e->fsm.params.interval);
}

static void on_fill(void *ctx, struct peer_msg *msg)
{
	struct election *e = ctx;
	const struct ipc_health *health = &e->health;
	uint32_t count = health->service_count < PEER_MSG_SERVICES_MAX ? health->service_count : PEER_MSG_SERVICES_MAX;

	msg->state = e->fsm.state;
	msg->can_serve = e->verdict.can_serve && e->verdict.obstacle == OWNERSHIP_CAN && e->fsm.state != VRRP_INIT &&
			 e->fsm.state != VRRP_FAULT && !e->stopping && !lease_over(e);
	msg->standby = e->standby;
	msg->priority = e->fsm.params.priority;
	msg->ready_servers = health->ready_servers;
	msg->total_servers = health->total_servers;
	msg->service_count = msg->service_count_total = (uint16_t)count;
	memcpy(msg->services, health->services, count * sizeof(msg->services[0]));
}

/* ---- what others say ---- */

static lb_duration down_interval(const struct election *e)
{
	return vrrp_active_down_interval(e->policy.version, 1, e->fsm.active_adver_interval);
}

/* Tell once when a fact begins and once when it ends. */
static void alarm_when(struct election *e, bool *raised, bool now, size_t node, const char *what)
{
	const char *name = e->conf->nodes[node].name;

	if (*raised == now)
		return;
	*raised = now;
	if (now)
		lb_warning("peer %s: %s", name, what);
	else
		lb_notice("peer %s: no longer: %s", name, what);
	election_view_record(e, "peer", name, now ? "" : "alarm", now ? "alarm" : "", what, 0);
	e->params.hooks.changed(e->params.hooks.ctx);
}

/* Told half an Active_Down_Interval after this node would have taken over had it not been for the word. */
static void watch_adverts(struct election *e, size_t node)
{
	struct election_node *n = &e->nodes[node];
	lb_duration down = down_interval(e);
	lb_time now = clock_now(), since = lb_time_max(lb_time_max(n->advert_at, n->owns_since), e->fsm.since);

	alarm_when(e, &n->alarm_silent, now - n->word_at < down && now - since > down * 3 / 2, node,
		   "it says that it is active but its adverts do not arrive; is IP protocol 112 blocked?");
}

static void note_word(struct election *e, size_t node, lb_time at)
{
	struct election_node *n = &e->nodes[node];

	if (at - n->word_at > down_interval(e))
		n->owns_since = at;
	n->word_at = at;
	watch_adverts(e, node);
}

static bool wins(const struct election *e, size_t node, const struct peer_facts *facts)
{
	const struct vrrp_params *own = &e->fsm.params;

	return facts->last.priority > own->priority ||
	       (facts->last.priority == own->priority &&
		lb_addr_compare(&e->conf->nodes[node].address, &own->address) > 0);
}

/*
 * A healthy owner's word is as good as its adverts: it lives although they are lost, and of two owners the lower
 * yields. The better one says at once that it is there; not to each word of one that cannot hear it.
 */
static void on_spoke(void *ctx, size_t node, const struct peer_facts *facts)
{
	struct election *e = ctx;
	bool losing = e->fsm.state == VRRP_ACTIVE && facts->heard_at >= e->fsm.since && !wins(e, node, facts);

	if (facts->last.state != VRRP_ACTIVE || !facts->last.can_serve)
		return;
	note_word(e, node, facts->heard_at);
	if (losing && !ratelimit_ok(&e->word_limit, clock_now()))
		return;
	election_step(e, &(struct vrrp_event){
			     .kind = VRRP_EVENT_ADVERT,
			     .by_word = true,
			     .priority = facts->last.priority,
			     .source = e->conf->nodes[node].address,
			     .received_at = facts->heard_at,
			 });
	if (losing)
		peer_link_send(e->peer_link, node, PEER_HEARTBEAT, 0, NULL);
}

static void on_asked(void *ctx, size_t node, const struct peer_msg *msg)
{
	struct election *e = ctx;

	if (!session_move_on_message(&e->move, node, msg))
		handover_on_message(&e->handover, node, msg);
}

static void on_changed(void *ctx, size_t node)
{
	struct election *e = ctx;
	const struct peer_facts *facts = peer_link_facts(e->peer_link, node);
	const char *name = e->conf->nodes[node].name;

	lb_info("peer %s heard=%d role=%s can_serve=%d standby=%d servers=%u/%u", name, facts->heard,
		vrrp_state_name(facts->last.state), facts->last.can_serve, facts->last.standby,
		facts->last.ready_servers, facts->last.total_servers);
	election_plan_on_roles(e);
	election_judge_soon(e);
}

/* A new process counts its adverts anew; its authenticated proof of freshness says so. */
static void on_restarted(void *ctx, size_t node)
{
	struct election *e = ctx;

	e->nodes[node].sequence = 0;
	election_view_record(e, "peer", e->conf->nodes[node].name, "", "restarted", "another process answers there", 0);
}

void election_peers_hooks(struct peer_link_hooks *hooks, struct election *e)
{
	*hooks = (struct peer_link_hooks){
	    .fill = on_fill,
	    .spoke = on_spoke,
	    .asked = on_asked,
	    .changed = on_changed,
	    .restarted = on_restarted,
	    .ctx = e,
	};
}

/* ---- who owns the VIP ---- */

static bool advert_is_fresh(const struct election *e, size_t node)
{
	lb_time at = e->nodes[node].advert_at;

	return at != 0 && clock_now() - at <= down_interval(e);
}

bool election_peers_owns(void *ctx, size_t node)
{
	struct election *e = ctx;
	const struct peer_facts *facts = peer_link_facts(e->peer_link, node);

	return facts->heard && facts->last.state == VRRP_ACTIVE;
}

int election_peers_owner(const struct election *e)
{
	if (e->fsm.state == VRRP_ACTIVE)
		return (int)e->own_node;
	for (size_t i = 0; i < e->conf->node_count; i++) {
		const struct peer_facts *facts = peer_link_facts(e->peer_link, i);
		bool by_word = facts->heard && facts->last.state == VRRP_ACTIVE;
		bool by_advert =
		    !facts->heard && advert_is_fresh(e, i) && lb_addr_equal(&e->fsm.active, &e->conf->nodes[i].address);
		if (i != e->own_node && (by_word || by_advert))
			return (int)i;
	}
	return -1;
}

/* ---- what does not fit together ---- */

static void watch_node(struct election *e, size_t i)
{
	const struct peer_facts *facts = peer_link_facts(e->peer_link, i);
	struct election_node *n = &e->nodes[i];

	watch_adverts(e, i);
	alarm_when(e, &n->alarm_deaf, facts->heard && !facts->hears_us, i, "it does not hear this node's peer link");
	alarm_when(e, &n->alarm_detour, facts->heard && facts->detoured, i,
		   "it is heard by way of the servers alone; is the network between the nodes broken?");
	alarm_when(e, &n->alarm_differs, facts->heard && facts->last.config_hash != e->conf->hash, i,
		   "its configuration differs from this node's");
}

/* R10: told within three Active_Down_Intervals of the first losing advert, which the next ones bear out. */
void election_peers_losing(struct election *e)
{
	lb_duration down = down_interval(e);
	bool losing =
	    e->losing_at != 0 && clock_now() - e->losing_at < down && e->losing_at - e->losing_since > down * 3 / 2;

	if (losing && !e->losing_alarm) {
		lb_error("another node goes on advertising below this one: it cannot hear us");
		election_view_record(e, "peer", "adverts", "", "alarm", "another active node cannot hear us", 0);
	}
	e->losing_alarm = losing;
}

void election_peers_watch(struct election *e)
{
	lb_time now = clock_now();

	for (size_t i = 0; i < e->conf->node_count; i++)
		if (i != e->own_node)
			watch_node(e, i);
	if (election_peers_owner(e) >= 0)
		e->ownerless_since = 0;
	else if (e->ownerless_since == 0)
		e->ownerless_since = now;
	election_peers_losing(e);
	if (e->foreign_until != 0 && now >= e->foreign_until) {
		e->foreign_until = 0;
		e->params.hooks.changed(e->params.hooks.ctx);
	}
}
