#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* ---- the heap of events: earliest first; at one instant deliveries come before timers, then as inserted ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	if (a->at != b->at)
		return a->at < b->at;
	if (a->kind != b->kind)
		return a->kind < b->kind;
	return a->order < b->order;
}

void sim_push(struct sim *sim, lb_time at, enum sim_event_kind kind, size_t node, struct sim_packet *packet)
{
	if (sim->heap_len == sim->heap_cap) {
		sim->heap_cap = sim->heap_cap ? sim->heap_cap * 2 : 256;
		sim->heap = realloc(sim->heap, sim->heap_cap * sizeof(*sim->heap));
		if (!sim->heap)
			abort();
	}
	const struct sim_event event = {at, sim->order++, kind, (uint8_t)node, packet};
	size_t i = sim->heap_len++;

	for (; i > 0 && before(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = event;
}

static struct sim_event pop(struct sim *sim)
{
	const struct sim_event top = sim->heap[0], last = sim->heap[--sim->heap_len];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < sim->heap_len; i = child) {
		if (child + 1 < sim->heap_len && before(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!before(&sim->heap[child], &last))
			break;
		sim->heap[i] = sim->heap[child];
	}
	sim->heap[i] = last;
	return top;
}

/* ---- telling ---- */

__attribute__((format(printf, 2, 0))) static void say(struct sim *sim, const char *fmt, va_list args)
{
	char line[256];

	vsnprintf(line, sizeof(line), fmt, args);
	lb_text_addf(sim->params.transcript, "%9.4f  %s\n", lb_duration_seconds(sim->now - SIM_START), line);
}

void sim_say(struct sim *sim, const char *fmt, ...)
{
	va_list args;

	if (!sim->params.transcript)
		return;
	va_start(args, fmt);
	say(sim, fmt, args);
	va_end(args);
}

void sim_violate(struct sim *sim, const char *fmt, ...)
{
	va_list args;

	if (sim->violation[0] != '\0')
		return;
	va_start(args, fmt);
	vsnprintf(sim->violation, sizeof(sim->violation), fmt, args);
	va_end(args);
	sim_say(sim, "VIOLATION: %s", sim->violation);
}

/* ---- life ---- */

void sim_init(struct sim *sim, const struct sim_params *params)
{
	memset(sim, 0, sizeof(*sim));
	sim->params = *params;
	sim->random = params->seed;
	sim->now = SIM_START;
	sim->delay_min = sim->delay_max = LB_USEC(200);
	sim->in_order = true;
	sim->calm = true;
	/* Preempt_Mode takes while the other still owns: the RFC bears a moment of two. */
	sim->never_overlap = !params->preempt;
	for (size_t i = 0; i < params->node_count; i++)
		sim_node_init(sim, i);
	sim_disturb(sim, false);
}

void sim_free(struct sim *sim)
{
	for (size_t i = 0; i < sim->heap_len; i++)
		free(sim->heap[i].packet);
	free(sim->heap);
	for (size_t i = 0; i < sim->params.node_count; i++) {
		struct sim_packet *next;
		for (struct sim_packet *p = sim->nodes[i].inbox; p; p = next) {
			next = p->next;
			free(p);
		}
	}
}

/* The kernel receives whatever the process does; a dead node's datagrams vanish. */
static void deliver(struct sim *sim, struct sim_node *node, struct sim_packet *packet)
{
	packet->received_at = sim->now;
	if (node->alive && node->frozen) {
		packet->next = NULL;
		*node->inbox_tail = packet;
		node->inbox_tail = &packet->next;
		return;
	}
	if (node->alive)
		sim_node_receive(sim, node, packet);
	free(packet);
}

static void happen(struct sim *sim, const struct sim_event *event)
{
	struct sim_node *node = &sim->nodes[event->node];

	switch (event->kind) {
	case SIM_DELIVER:
		deliver(sim, node, event->packet);
		break;
	case SIM_THAW:
		if (node->alive && node->frozen)
			sim_node_thaw(sim, node);
		break;
	case SIM_WAKE:
		/* Only the last wake-up that was asked for counts. */
		if (node->alive && !node->frozen && event->at == node->wake_at)
			sim_node_wake(sim, node);
		break;
	case SIM_LEASE_END:
		if (node->has_vip && !sim_usable(sim, node) && (!node->alive || node->frozen))
			sim_say(sim, "%s  lease over: the kernel lets nothing pass for the VIP", node->name);
		break;
	}
}

void sim_run(struct sim *sim, lb_time until)
{
	while (sim->heap_len > 0 && sim->heap[0].at <= until && sim->violation[0] == '\0') {
		const struct sim_event event = pop(sim);
		/* The moment before is the one in which leases have run longest. */
		if (event.at > sim->now) {
			sim->now = event.at - 1;
			sim_check(sim);
		}
		sim->now = event.at;
		happen(sim, &event);
		sim_check(sim);
	}
	if (sim->violation[0] == '\0')
		sim->now = until;
}

void sim_for(struct sim *sim, lb_duration d)
{
	sim_run(sim, sim->now + d);
}

/* While a node is not well, deaths and splits change what the others may make of it. */
static bool facts_unusual(const struct sim *sim)
{
	for (size_t i = 0; i < sim->params.node_count; i++) {
		const struct ownership_facts *f = &sim->nodes[i].facts;
		if (!f->proxy_connected || !f->proxy_ticking || !f->link_up || f->standby || f->vip_lost)
			return true;
		if (f->ready_servers == 0)
			return true;
	}
	return false;
}

void sim_disturb(struct sim *sim, bool facts)
{
	if (facts || facts_unusual(sim))
		sim->facts_quiet_at = sim->now + sim_settle_time(sim, true);
	sim->settled_at = lb_time_max(sim->settled_at, sim->now + sim_settle_time(sim, false));
	sim->settled_at = lb_time_max(sim->settled_at, sim->facts_quiet_at);
}

/* ---- what is done to the cluster ---- */

void sim_boot(struct sim *sim, size_t node)
{
	if (sim->nodes[node].alive)
		return;
	sim_say(sim, "%s  starts", sim->nodes[node].name);
	sim_disturb(sim, false);
	sim_node_boot(sim, &sim->nodes[node]);
}

static void drop_inbox(struct sim_node *node)
{
	while (node->inbox) {
		struct sim_packet *next = node->inbox->next;
		free(node->inbox);
		node->inbox = next;
	}
	node->inbox_tail = &node->inbox;
}

void sim_kill(struct sim *sim, size_t i)
{
	struct sim_node *node = &sim->nodes[i];

	if (!node->alive)
		return;
	sim_say(sim, "%s  is killed", node->name);
	sim_disturb(sim, false);
	node->alive = node->frozen = false;
	drop_inbox(node);
	if (sim_usable(sim, node))
		sim_push(sim, node->lease_until, SIM_LEASE_END, i, NULL);
}

void sim_shutdown(struct sim *sim, size_t i)
{
	if (!sim->nodes[i].alive || sim->nodes[i].frozen)
		return;
	sim_say(sim, "%s  is told to stop", sim->nodes[i].name);
	sim_disturb(sim, false);
	sim_node_shutdown(sim, &sim->nodes[i]);
}

void sim_freeze(struct sim *sim, size_t i, lb_duration d)
{
	struct sim_node *node = &sim->nodes[i];

	if (!node->alive || node->frozen)
		return;
	sim_say(sim, "%s  freezes", node->name);
	sim_disturb(sim, false);
	node->frozen = true;
	node->frozen_at = sim->now;
	sim_push(sim, sim->now + d, SIM_THAW, i, NULL);
	if (sim_usable(sim, node))
		sim_push(sim, node->lease_until, SIM_LEASE_END, i, NULL);
}

void sim_partition(struct sim *sim, const uint8_t group[SIM_NODES_MAX])
{
	sim_say(sim, "network  is split");
	memcpy(sim->group, group, sizeof(sim->group));
	sim->never_overlap = false;
	sim_disturb(sim, false);
}

void sim_heal(struct sim *sim)
{
	sim_say(sim, "network  is whole");
	memset(sim->group, 0, sizeof(sim->group));
	memset(sim->one_way, 0, sizeof(sim->one_way));
	sim->delay_min = sim->delay_max = LB_USEC(200);
	sim->loss_percent = 0;
	sim->in_order = sim->calm = true;
	sim_disturb(sim, false);
}

static bool any_cut(const struct sim *sim)
{
	for (size_t from = 0; from < SIM_NODES_MAX; from++)
		for (size_t to = 0; to < SIM_NODES_MAX; to++)
			if (sim->one_way[from][to])
				return true;
	return false;
}

void sim_set_noise(struct sim *sim, uint32_t loss_percent, lb_duration delay_max, bool in_order)
{
	sim_say(sim, "network  loses %u %%, delays up to %.2f ms%s", loss_percent, lb_duration_ms(delay_max),
		in_order ? "" : ", reorders");
	sim->loss_percent = loss_percent;
	sim->delay_min = delay_max / 10;
	sim->delay_max = delay_max;
	sim->in_order = in_order;
	/* What Skew_Time can tell apart: neighbours in preference are 10/256 of an interval apart. */
	sim->calm = !any_cut(sim) && loss_percent == 0 && in_order && delay_max <= sim->params.interval / 100;
	if (!sim->calm)
		sim->never_overlap = false;
	sim_disturb(sim, false);
}

void sim_cut(struct sim *sim, size_t from, size_t to)
{
	sim_say(sim, "network  drops what %s sends to %s", sim->nodes[from].name, sim->nodes[to].name);
	sim->one_way[from][to] = true;
	sim->calm = sim->never_overlap = false;
	sim_disturb(sim, false);
}

void sim_lose_adverts(struct sim *sim, uint32_t percent)
{
	sim_say(sim, "network  loses %u %% of the adverts", percent);
	sim->adverts_lost_percent = percent;
	sim_disturb(sim, false);
}

void sim_facts_changed(struct sim *sim, size_t node)
{
	sim_disturb(sim, true);
	if (sim->nodes[node].alive && !sim->nodes[node].frozen)
		sim_node_wake(sim, &sim->nodes[node]);
}

void sim_failover(struct sim *sim, size_t from, size_t to)
{
	struct sim_node *node = &sim->nodes[from];

	if (!node->alive || node->frozen || node->fsm.state != VRRP_ACTIVE || from == to)
		return;
	sim_say(sim, "%s  is asked to hand over to %s", node->name, sim->nodes[to].name);
	sim_disturb(sim, false);
	sim_node_offer(sim, node, to);
}
