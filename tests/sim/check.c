#include "tests/sim/sim.h"

bool sim_usable(const struct sim *sim, const struct sim_node *node)
{
	return node->has_vip && sim->now < node->lease_until;
}

/*
 * How long a cluster may need until exactly one node owns the VIP. Deaths, freezes and splits: a start or a fresh
 * Active_Down_Interval (less than 4A), the settlement of two claims (A), and some slack. Changed facts: the hold times
 * of ownership, one after the other, on top of it.
 */
lb_duration sim_settle_time(const struct sim *sim, bool facts)
{
	lb_duration election = 6 * sim->params.interval + LB_MSEC(10) + sim->params.startup_delay;

	if (!facts)
		return election;
	lb_duration unheard = 3 * sim->params.interval > LB_SEC(1) ? 3 * sim->params.interval : LB_SEC(1);
	return 2 * election + unheard + OWNERSHIP_NO_SERVERS_HOLD + OWNERSHIP_YIELD_GRACE + OWNERSHIP_RECOVER_HOLD;
}

/* What holds for a single node at any time, whatever happens. */
static void check_node(struct sim *sim, const struct sim_node *node)
{
	if (node->has_vip && node->lease_until > node->advert_sent_at + vrrp_lease(sim->params.interval))
		sim_violate(sim, "%s has a lease that no advert has given", node->name);
	if (!node->alive)
		return;
	if (node->has_vip != (node->fsm.state == VRRP_ACTIVE))
		sim_violate(sim, "%s is %s and %s the VIP", node->name, vrrp_state_name(node->fsm.state),
			    node->has_vip ? "has" : "lacks");
	bool timed = node->fsm.state == VRRP_ACTIVE || node->fsm.state == VRRP_BACKUP;
	if (timed != (vrrp_fsm_deadline(&node->fsm) != LB_TIME_NEVER))
		sim_violate(sim, "%s is %s %s a timer", node->name, vrrp_state_name(node->fsm.state),
			    timed ? "without" : "with");
}

/*
 * Two nodes that began to listen at different times may come to their end at the same moment, with nobody to be heard:
 * their first adverts cross. Then, and only then, there are two for as long as an advert travels. Nodes that followed
 * the same Active are kept apart by Skew_Time, unless each heard another of its last adverts.
 */
static bool claims_cross(const struct sim *sim, const struct sim_node *a, const struct sim_node *b)
{
	lb_time first = lb_time_min(a->fsm.since, b->fsm.since), second = lb_time_max(a->fsm.since, b->fsm.since);

	if (a->followed && b->followed && sim->adverts_lost_percent == 0)
		return false;
	return second - first <= sim->delay_max && sim->now <= second + sim->delay_max;
}

static void check_overlap(struct sim *sim)
{
	const struct sim_node *first = NULL;

	for (size_t i = 0; i < sim->params.node_count; i++) {
		const struct sim_node *node = &sim->nodes[i];
		if (!sim_usable(sim, node))
			continue;
		if (first && !claims_cross(sim, first, node))
			sim_violate(sim, "%s and %s hold a lease at once", first->name, node->name);
		first = node;
	}
}

/* One owner among nodes that reach one another, if one of them can serve; none otherwise. */
static void check_group(struct sim *sim, uint8_t group)
{
	size_t usable = 0, able = 0;

	for (size_t i = 0; i < sim->params.node_count; i++) {
		const struct sim_node *node = &sim->nodes[i];
		if (sim->group[i] != group)
			continue;
		usable += sim_usable(sim, node);
		able += node->alive && !node->frozen && node->verdict.can_serve;
	}
	if (usable != (able > 0))
		sim_violate(sim, "%zu owners among nodes of which %zu can serve, after the time to settle", usable,
			    able);
}

void sim_check(struct sim *sim)
{
	for (size_t i = 0; i < sim->params.node_count; i++)
		check_node(sim, &sim->nodes[i]);
	if (sim->never_overlap)
		check_overlap(sim);
	if (!sim->calm || sim->now < sim->settled_at)
		return;
	for (size_t i = 0; i < sim->params.node_count; i++)
		check_group(sim, sim->group[i]);
}
