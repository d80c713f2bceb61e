/* Random clusters: whatever happens to them, the invariants of check.c hold, and calm makes exactly one owner. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <lb/hash.h>

#include "tests/sim/sim.h"

static uint32_t below(struct sim *sim, uint32_t bound)
{
	return lb_random_below(&sim->random, bound);
}

static lb_duration up_to(struct sim *sim, lb_duration max)
{
	return (lb_duration)((uint64_t)max / 1000 * below(sim, 1001));
}

/* Change one fact of a node for better or worse. */
static void change_fact(struct sim *sim, size_t i)
{
	struct ownership_facts *f = &sim->nodes[i].facts;
	bool good = below(sim, 2) == 0;

	switch (below(sim, 6)) {
	case 0:
		f->proxy_connected = good;
		break;
	case 1:
		f->proxy_ticking = good;
		break;
	case 2:
		f->link_up = good;
		break;
	case 3:
		f->standby = !good;
		break;
	case 4:
		f->vip_lost = !good;
		break;
	default:
		f->ready_servers = good ? 9 : 0;
	}
	sim_say(sim, "%s  facts: proxy %d%d link %d standby %d lost %d ready %u", sim->nodes[i].name,
		f->proxy_connected, f->proxy_ticking, f->link_up, f->standby, f->vip_lost, f->ready_servers);
	sim_facts_changed(sim, i);
}

static void repair_facts(struct sim *sim, size_t i)
{
	struct ownership_facts *f = &sim->nodes[i].facts;

	f->proxy_connected = f->proxy_ticking = f->link_up = true;
	f->standby = f->vip_lost = false;
	f->ready_servers = 9;
	sim_facts_changed(sim, i);
}

/* What can happen to nodes over a good network: no two leases may overlap, not for a nanosecond. */
static void strike_node(struct sim *sim)
{
	size_t i = below(sim, (uint32_t)sim->params.node_count);

	switch (below(sim, 8)) {
	case 0:
		sim_kill(sim, i);
		break;
	case 1:
		sim_shutdown(sim, i);
		break;
	case 2:
	case 3:
		sim_freeze(sim, i, up_to(sim, 6 * sim->params.interval));
		break;
	case 4:
		sim_failover(sim, i, below(sim, (uint32_t)sim->params.node_count));
		break;
	case 5:
		change_fact(sim, i);
		break;
	default:
		for (size_t k = 0; k < sim->params.node_count; k++)
			sim_boot(sim, k);
	}
}

static void strike_network(struct sim *sim)
{
	uint32_t count = (uint32_t)sim->params.node_count;
	uint8_t group[SIM_NODES_MAX] = {0};

	switch (below(sim, 4)) {
	case 0:
		for (size_t i = 0; i < count; i++)
			group[i] = (uint8_t)below(sim, 2);
		sim_partition(sim, group);
		break;
	case 1:
		sim_set_noise(sim, below(sim, 41), up_to(sim, sim->params.interval / 2) + LB_USEC(100), below(sim, 2));
		break;
	case 2: {
		size_t from = below(sim, count), to = below(sim, count);
		if (from != to)
			sim_cut(sim, from, to);
		break;
	}
	default:
		sim_heal(sim);
	}
}

/* Peace: everything is repaired, and after the time to settle there is exactly one owner, who stays. */
static void calm_down(struct sim *sim)
{
	sim_heal(sim);
	for (size_t i = 0; i < sim->params.node_count; i++) {
		repair_facts(sim, i);
		sim_boot(sim, i);
	}
	/* Freezes that began before are shorter than this. */
	sim_for(sim, 6 * sim->params.interval);
	sim_run(sim, lb_time_max(sim->settled_at, sim->facts_quiet_at) + 5 * sim->params.interval);
}

static int owner_of(const struct sim *sim)
{
	for (size_t i = 0; i < sim->params.node_count; i++)
		if (sim_usable(sim, &sim->nodes[i]))
			return (int)i;
	return -1;
}

/*
 * Planned hand-overs alone, over a network slower than what Skew_Time tells apart (at 10 ms neighbours are 0.4 ms
 * apart): the node that agreed to take wins each time, and nobody else takes in between.
 */
static void hand_around(struct sim *sim, uint64_t seed, struct lb_text *transcript)
{
	struct sim_params params = {.seed = seed, .transcript = transcript};
	uint64_t dice = seed ^ 0x5eed;

	params.node_count = 3 + lb_random_below(&dice, SIM_NODES_MAX - 2);
	params.interval = lb_random_below(&dice, 4) == 0 ? LB_MSEC(100) : LB_MSEC(10);
	sim_init(sim, &params);
	for (size_t i = 0; i < params.node_count; i++)
		sim_boot(sim, i);
	sim_for(sim, LB_SEC(2));
	sim_set_noise(sim, 0, up_to(sim, params.interval / 20) + LB_USEC(100), below(sim, 2));
	sim->flows_in_order = sim->never_overlap = true;
	for (int i = 0; i < 10 && sim->violation[0] == '\0'; i++) {
		int from = owner_of(sim);
		size_t to = below(sim, (uint32_t)params.node_count);
		if (from < 0 || (size_t)from == to)
			continue;
		sim_failover(sim, (size_t)from, to);
		/* Its regular advert has followed by then: until then one who saw the first overtaken knows another. */
		sim_for(sim, 2 * params.interval + up_to(sim, 4 * params.interval));
		if (owner_of(sim) != (int)to)
			sim_violate(sim, "%s did not get the VIP that was handed to it", sim->nodes[to].name);
	}
	calm_down(sim);
}

static void strike(struct sim *sim, uint64_t seed, struct lb_text *transcript)
{
	static const lb_duration intervals[] = {LB_MSEC(100), LB_MSEC(100), LB_MSEC(100), LB_SEC(1), LB_MSEC(50)};
	uint64_t dice = seed ^ 0x5eed;
	struct sim_params params = {.seed = seed, .transcript = transcript};

	params.node_count = 2 + lb_random_below(&dice, SIM_NODES_MAX - 1);
	params.interval = intervals[lb_random_below(&dice, sizeof(intervals) / sizeof(intervals[0]))];
	params.startup_delay = lb_random_below(&dice, 3) * params.interval;
	params.failback = lb_random_below(&dice, 3) == 0 ? LB_SEC(1) : 0;
	bool bad_network = lb_random_below(&dice, 2) == 0;
	params.preempt = bad_network && lb_random_below(&dice, 4) == 0;

	sim_init(sim, &params);
	if (!bad_network)
		sim_set_noise(sim, 0, params.interval / 100, true);
	if (!bad_network && lb_random_below(&dice, 3) == 0)
		sim_lose_adverts(sim, 1 + below(sim, 100));
	for (size_t i = 0; i < params.node_count; i++) {
		sim_boot(sim, i);
		sim_for(sim, up_to(sim, params.interval));
	}
	for (uint32_t strikes = below(sim, 30); strikes > 0; strikes--) {
		sim_for(sim, up_to(sim, (below(sim, 4) == 0 ? 20 : 4) * params.interval));
		if (sim->violation[0] != '\0')
			return;
		if (bad_network && below(sim, 2) == 0)
			strike_network(sim);
		else
			strike_node(sim);
	}
	calm_down(sim);
}

/* One seed in eight is all about hand-overs. */
static void run(struct sim *sim, uint64_t seed, struct lb_text *transcript)
{
	if (seed % 8 == 7)
		hand_around(sim, seed, transcript);
	else
		strike(sim, seed, transcript);
}

static bool run_silently(uint64_t seed)
{
	struct sim sim;

	run(&sim, seed, NULL);
	bool ok = sim.violation[0] == '\0';
	sim_free(&sim);
	return ok;
}

static void show(uint64_t seed)
{
	struct lb_text transcript = {0};
	struct sim sim;

	run(&sim, seed, &transcript);
	printf("seed %" PRIu64 ": %zu nodes, interval %.0f ms\n%s%s\nrepeat with: sim --random 1 --seed %" PRIu64 "\n",
	       seed, sim.params.node_count, lb_duration_ms(sim.params.interval), lb_text_str(&transcript),
	       sim.violation, seed);
	sim_free(&sim);
	lb_text_free(&transcript);
}

int sim_random(uint64_t count, uint64_t first_seed)
{
	uint64_t violations = 0;

	for (uint64_t seed = first_seed; seed < first_seed + count; seed++) {
		if (run_silently(seed))
			continue;
		if (violations++ == 0)
			show(seed);
	}
	printf("sim: %" PRIu64 " seeds, %" PRIu64 " violations\n", count, violations);
	return violations ? EXIT_FAILURE : EXIT_SUCCESS;
}
