/* The keeper in small: what the election and the ownership rules ask for is done here, in their order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

#include "tests/sim/sim.h"

static const char *const action_words[] = {
    [VRRP_SEND_ADVERT] = "advert",	  [VRRP_SEND_RESIGN] = "priority 0",  [VRRP_TAKE_VIP] = "take VIP",
    [VRRP_END_SESSIONS] = "end sessions", [VRRP_RELEASE_VIP] = "release VIP", [VRRP_ANNOUNCE] = "announce",
    [VRRP_REANNOUNCE] = "announce again",
};

static lb_duration heartbeat_interval(const struct sim *sim)
{
	return sim->params.interval > LB_MSEC(50) ? sim->params.interval : LB_MSEC(50);
}

/*
 * A promise to take lapses before the owner, should its release be lost or late, can be back by itself: that is at
 * least three intervals after it has released.
 */
static lb_duration promise_time(const struct sim *sim)
{
	return 2 * sim->params.interval;
}

/* ---- executing actions ---- */

static void send_heartbeats(struct sim *sim, struct sim_node *node);

static void send_advert(struct sim *sim, struct sim_node *node, uint8_t priority)
{
	bool last_words = node->fsm.previous == VRRP_ACTIVE && node->fsm.since == sim->now;

	if (node->fsm.state != VRRP_ACTIVE && !last_words)
		sim_violate(sim, "%s advertises as %s", node->name, vrrp_state_name(node->fsm.state));
	for (size_t to = 0; to < sim->params.node_count; to++) {
		if (to == node->index)
			continue;
		struct sim_packet *packet = sim_packet_new();
		packet->advert = true;
		packet->from = node->index;
		packet->to = (uint8_t)to;
		packet->len = sim_advert_encode(sim, node->index, to, priority, packet->bytes, sizeof(packet->bytes));
		sim_send(sim, packet);
	}
	if (node->fsm.state != VRRP_ACTIVE)
		return;
	/* The lease lives by adverts: refreshed after each, never otherwise. */
	node->advert_sent_at = sim->now;
	if (sim->params.interval >= LB_MSEC(50) || sim->now - node->paced_at >= LB_MSEC(50)) {
		node->paced_at = sim->now;
		node->heartbeat_at = sim->now + heartbeat_interval(sim) * 3 / 2;
		send_heartbeats(sim, node);
	}
	if (node->has_vip)
		node->lease_until = sim->now + vrrp_lease(sim->params.interval);
}

static void execute(struct sim *sim, struct sim_node *node, enum vrrp_action action)
{
	switch (action) {
	case VRRP_SEND_ADVERT:
		send_advert(sim, node, node->fsm.params.priority);
		break;
	case VRRP_SEND_RESIGN:
		send_advert(sim, node, 0);
		break;
	case VRRP_TAKE_VIP:
		node->has_vip = true;
		node->lease_until = node->advert_sent_at + vrrp_lease(sim->params.interval);
		break;
	case VRRP_RELEASE_VIP:
		node->has_vip = false;
		node->lease_until = 0;
		break;
	case VRRP_END_SESSIONS:
		if (!node->has_vip)
			sim_violate(sim, "%s ends sessions after the VIP is gone", node->name);
		break;
	case VRRP_ANNOUNCE:
	case VRRP_REANNOUNCE:
		if (!sim_usable(sim, node))
			sim_violate(sim, "%s announces a VIP that it may not use", node->name);
		break;
	case VRRP_STATE_CHANGED:
		break;
	}
}

/* One line for what was done; the regular advert is no news. */
static void tell(struct sim *sim, const struct sim_node *node, const struct vrrp_actions *actions)
{
	char words[160] = "";

	if (!sim->params.transcript || actions->count == 0)
		return;
	if (actions->count == 1 && actions->list[0] == VRRP_SEND_ADVERT)
		return;
	for (size_t i = 0; i < actions->count; i++) {
		if (actions->list[i] == VRRP_STATE_CHANGED)
			continue;
		strcat(words, i ? ", " : ": ");
		strcat(words, action_words[actions->list[i]]);
	}
	if (actions->list[actions->count - 1] == VRRP_STATE_CHANGED)
		sim_say(sim, "%s  %s -> %s (%s)%s", node->name, vrrp_state_name(node->fsm.previous),
			vrrp_state_name(node->fsm.state), vrrp_reason_name(node->fsm.reason), words);
	else
		sim_say(sim, "%s  still %s%s", node->name, vrrp_state_name(node->fsm.state), words);
}

/* A new role is told at once by the peer link, too. */
static void feed(struct sim *sim, struct sim_node *node, const struct vrrp_event *event)
{
	enum vrrp_state before = node->fsm.state;
	struct vrrp_actions actions;

	vrrp_fsm_step(&node->fsm, event, &actions);
	tell(sim, node, &actions);
	for (size_t i = 0; i < actions.count; i++)
		execute(sim, node, actions.list[i]);
	if (node->fsm.state != before)
		send_heartbeats(sim, node);
}

static void feed_kind(struct sim *sim, struct sim_node *node, enum vrrp_event_kind kind, enum vrrp_reason reason)
{
	feed(sim, node, &(struct vrrp_event){.kind = kind, .now = sim->now, .reason = reason});
}

/* ---- peer link ---- */

static void send_peer(struct sim *sim, struct sim_node *node, size_t to, enum peer_msg_kind kind, uint64_t handover)
{
	struct peer_msg msg = {.kind = kind,
			       .version = "sim",
			       .state = node->fsm.state,
			       .can_serve = node->verdict.can_serve,
			       .standby = node->facts.standby,
			       .priority = node->fsm.params.priority,
			       .ready_servers = node->facts.ready_servers,
			       .total_servers = node->facts.total_servers,
			       .handover = handover};
	struct sim_packet *packet = sim_packet_new();

	memcpy(msg.node, node->name, sizeof(node->name));
	peer_session_stamp(&node->session[to], &msg);
	packet->advert = false;
	packet->from = node->index;
	packet->to = (uint8_t)to;
	packet->len = peer_msg_encode(&msg, NULL, 0, packet->bytes, sizeof(packet->bytes));
	if (packet->len == 0)
		sim_violate(sim, "%s cannot encode a datagram", node->name);
	sim_send(sim, packet);
}

static void send_heartbeats(struct sim *sim, struct sim_node *node)
{
	for (size_t i = 0; i < sim->params.node_count; i++)
		if (i != node->index)
			send_peer(sim, node, i, PEER_HEARTBEAT, 0);
}

void sim_node_offer(struct sim *sim, struct sim_node *node, size_t to)
{
	if (node->offered.id != 0 && sim->now < node->offered.until)
		return;
	node->offered = (struct sim_handover){
	    .id = lb_random_next(&sim->random) | 1, .peer = (uint8_t)to, .until = sim->now + promise_time(sim)};
	send_peer(sim, node, to, PEER_ASK_TAKE, node->offered.id);
}

static bool matches(const struct sim *sim, const struct sim_handover *h, const struct peer_msg *msg, size_t from)
{
	return h->id != 0 && h->id == msg->handover && h->peer == from && sim->now < h->until;
}

static void handle_peer(struct sim *sim, struct sim_node *node, size_t from, const struct peer_msg *msg)
{
	switch (msg->kind) {
	case PEER_HEARTBEAT:
	/* Sessions that go ahead are no part of the election. */
	case PEER_OFFER_SESSIONS:
	case PEER_EXPECT_SESSIONS:
		break;
	case PEER_ASK_TAKE:
		if (node->fsm.state != VRRP_BACKUP || !node->verdict.can_serve) {
			send_peer(sim, node, from, PEER_REFUSE, msg->handover);
			break;
		}
		node->promised = (struct sim_handover){msg->handover, (uint8_t)from, sim->now + promise_time(sim)};
		send_peer(sim, node, from, PEER_READY, msg->handover);
		break;
	case PEER_READY:
		if (!matches(sim, &node->offered, msg, from) || node->fsm.state != VRRP_ACTIVE)
			break;
		node->offered.id = 0;
		sim_disturb(sim, false);
		feed(sim, node,
		     &(struct vrrp_event){
			 .kind = VRRP_EVENT_YIELD, .now = sim->now, .others = sim->params.node_count > 2});
		send_peer(sim, node, from, PEER_RELEASED, msg->handover);
		break;
	case PEER_REFUSE:
		if (matches(sim, &node->offered, msg, from))
			node->offered.id = 0;
		break;
	case PEER_RELEASED:
	case PEER_RELEASED_SESSIONS:
		if (!matches(sim, &node->promised, msg, from))
			break;
		node->promised.id = 0;
		feed(sim, node,
		     &(struct vrrp_event){.kind = VRRP_EVENT_TAKE, .now = sim->now, .source = sim_address(from)});
		break;
	case PEER_REQUEST_VIP:
		if (node->fsm.state == VRRP_ACTIVE && msg->can_serve)
			sim_node_offer(sim, node, from);
		break;
	}
}

/* The word of an owner counts as its advert; one that wins against it answers. */
static void heed_word(struct sim *sim, struct sim_node *node, const struct sim_packet *packet,
		      const struct peer_msg *msg)
{
	bool losing = node->fsm.state == VRRP_ACTIVE && msg->priority < node->fsm.params.priority;

	feed(sim, node,
	     &(struct vrrp_event){.kind = VRRP_EVENT_ADVERT,
				  .by_word = true,
				  .now = sim->now,
				  .priority = msg->priority,
				  .source = sim_address(packet->from),
				  .received_at = packet->received_at});
	if (losing)
		send_peer(sim, node, packet->from, PEER_HEARTBEAT, 0);
}

static void receive_peer(struct sim *sim, struct sim_node *node, const struct sim_packet *packet)
{
	struct peer_msg msg;
	bool reply;

	if (peer_msg_decode(packet->bytes, packet->len, NULL, 0, &msg) != PEER_OK) {
		sim_violate(sim, "%s refuses a datagram of %s", node->name, sim->nodes[packet->from].name);
		return;
	}
	if (peer_session_accept(&node->session[packet->from], &msg, &reply) != PEER_OK) {
		if (reply)
			send_peer(sim, node, packet->from, PEER_HEARTBEAT, 0);
		return;
	}
	node->heard[packet->from] = (struct sim_heard){.at = packet->received_at,
						       .can_serve = msg.can_serve,
						       .standby = msg.standby,
						       .active = msg.state == VRRP_ACTIVE,
						       .priority = msg.priority,
						       .ready_servers = msg.ready_servers};
	if (msg.state == VRRP_ACTIVE && msg.can_serve)
		heed_word(sim, node, packet, &msg);
	handle_peer(sim, node, packet->from, &msg);
}

/* ---- ownership ---- */

static bool is_heard(const struct sim *sim, const struct sim_heard *h)
{
	lb_duration patience = 3 * sim->params.interval > LB_SEC(1) ? 3 * sim->params.interval : LB_SEC(1);

	return h->at != 0 && sim->now - h->at < patience;
}

/* The peers as the module wants them; which[i] is the node behind the i-th. */
static size_t peers_of(const struct sim *sim, const struct sim_node *node, struct ownership_peer *peers, uint8_t *which)
{
	size_t count = 0;

	for (size_t i = 0; i < sim->params.node_count; i++) {
		const struct sim_heard *h = &node->heard[i];
		if (i == node->index)
			continue;
		which[count] = (uint8_t)i;
		peers[count++] = (struct ownership_peer){.heard = is_heard(sim, h),
							 .can_serve = h->can_serve,
							 .standby = h->standby,
							 .active = h->active,
							 .priority = h->priority,
							 .ready_servers = h->ready_servers};
	}
	return count;
}

static void ask_for_vip(struct sim *sim, struct sim_node *node)
{
	if (node->asked_at != 0 && sim->now - node->asked_at < LB_SEC(1))
		return;
	for (size_t i = 0; i < sim->params.node_count; i++) {
		if (i == node->index || !is_heard(sim, &node->heard[i]) || !node->heard[i].active)
			continue;
		node->asked_at = sim->now;
		send_peer(sim, node, i, PEER_REQUEST_VIP, 0);
		return;
	}
}

static void judge(struct sim *sim, struct sim_node *node)
{
	struct ownership_peer peers[SIM_NODES_MAX];
	uint8_t which[SIM_NODES_MAX];
	bool could = node->verdict.can_serve;

	node->facts.peer_count = peers_of(sim, node, peers, which);
	node->facts.peers = peers;
	node->facts.now = sim->now;
	node->facts.state = node->fsm.state;
	ownership_judge(&node->own, &node->facts, &node->verdict);

	if (node->verdict.can_serve != could)
		sim_say(sim, "%s  %s serve: %s", node->name, node->verdict.can_serve ? "can" : "cannot",
			ownership_obstacle_name(node->verdict.obstacle));
	if (!node->verdict.can_serve && node->fsm.state != VRRP_FAULT)
		feed_kind(sim, node, VRRP_EVENT_FAULT, node->verdict.fault_reason);
	if (node->verdict.can_serve && node->fsm.state == VRRP_FAULT)
		feed_kind(sim, node, VRRP_EVENT_CLEAR, VRRP_REASON_NONE);
	if (node->verdict.yield_to >= 0 && node->fsm.state == VRRP_ACTIVE)
		sim_node_offer(sim, node, which[node->verdict.yield_to]);
	if (node->verdict.request_vip)
		ask_for_vip(sim, node);
}

/* After anything that happened: judge, then sleep until the next thing is due. */
static void settle(struct sim *sim, struct sim_node *node)
{
	judge(sim, node);
	lb_time next = lb_time_min(vrrp_fsm_deadline(&node->fsm), node->heartbeat_at);
	next = lb_time_max(lb_time_min(next, node->verdict.next), sim->now);
	if (next == node->wake_at)
		return;
	node->wake_at = next;
	sim_push(sim, next, SIM_WAKE, node->index, NULL);
}

/* ---- what happens to a node ---- */

void sim_node_receive(struct sim *sim, struct sim_node *node, const struct sim_packet *packet)
{
	struct vrrp_event event;

	if (!packet->advert)
		receive_peer(sim, node, packet);
	else if (sim_advert_decode(sim, packet, &event))
		feed(sim, node, &event);
	else
		sim_violate(sim, "%s refuses an advert of %s", node->name, sim->nodes[packet->from].name);
	settle(sim, node);
}

static bool follows(const struct vrrp_fsm *fsm)
{
	lb_duration skew = vrrp_skew_time(3, fsm->params.priority, fsm->active_adver_interval);

	return fsm->last_advert >= fsm->since && fsm->active_down_timer > fsm->listen_until + skew;
}

void sim_node_wake(struct sim *sim, struct sim_node *node)
{
	node->wake_at = 0;
	if (node->fsm.state == VRRP_BACKUP)
		node->followed = follows(&node->fsm);
	if (sim->now >= vrrp_fsm_deadline(&node->fsm))
		feed_kind(sim, node, VRRP_EVENT_TIMER, VRRP_REASON_NONE);
	if (sim->now >= node->heartbeat_at) {
		node->heartbeat_at = sim->now + heartbeat_interval(sim);
		send_heartbeats(sim, node);
	}
	settle(sim, node);
}

/* The process runs again: first what the gap means, then what the kernel has kept, then its own timers. */
void sim_node_thaw(struct sim *sim, struct sim_node *node)
{
	struct sim_packet *packet = node->inbox;

	sim_say(sim, "%s  runs again after %.3f s", node->name, lb_duration_seconds(sim->now - node->frozen_at));
	sim_disturb(sim, false);
	node->frozen = false;
	node->inbox = NULL;
	node->inbox_tail = &node->inbox;
	if (sim->now - node->frozen_at > 2 * sim->params.interval) {
		node->promised.id = 0;
		feed_kind(sim, node, VRRP_EVENT_STALL, VRRP_REASON_NONE);
	}
	/* The socket of the adverts is read before that of the peer link. */
	for (const struct sim_packet *p = packet; p; p = p->next)
		if (p->advert)
			sim_node_receive(sim, node, p);
	while (packet) {
		struct sim_packet *next = packet->next;
		if (!packet->advert)
			sim_node_receive(sim, node, packet);
		free(packet);
		packet = next;
	}
	sim_node_wake(sim, node);
}

void sim_node_init(struct sim *sim, size_t index)
{
	struct sim_node *node = &sim->nodes[index];

	node->index = (uint8_t)index;
	snprintf(node->name, sizeof(node->name), "lb-%u", (unsigned)(uint8_t)index + 1);
	node->inbox_tail = &node->inbox;
	node->facts = (struct ownership_facts){.proxy_connected = true,
					       .proxy_ticking = true,
					       .link_up = true,
					       .ready_servers = 9,
					       .total_servers = 9,
					       .priority = sim_priority(index),
					       .failback = sim->params.failback};
}

/* A new process: nothing is remembered, and what an earlier one has left on the interface is removed first. */
void sim_node_boot(struct sim *sim, struct sim_node *node)
{
	const struct vrrp_params params = {.version = 3,
					   .priority = sim_priority(node->index),
					   .interval = sim->params.interval,
					   .address = sim_address(node->index),
					   .preempt = sim->params.preempt,
					   .startup_delay = sim->params.startup_delay};

	node->alive = true;
	node->frozen = false;
	node->has_vip = false;
	node->lease_until = 0;
	memset(&node->own, 0, sizeof(node->own));
	memset(node->heard, 0, sizeof(node->heard));
	node->verdict = (struct ownership_verdict){.can_serve = true};
	node->offered = node->promised = (struct sim_handover){0};
	node->asked_at = node->wake_at = node->paced_at = 0;
	node->heartbeat_at = sim->now;
	for (size_t i = 0; i < SIM_NODES_MAX; i++)
		node->session[i] = (struct peer_session){.own_nonce = lb_random_next(&sim->random) | 1};
	vrrp_fsm_init(&node->fsm, &params);
	feed_kind(sim, node, VRRP_EVENT_STARTUP, VRRP_REASON_NONE);
	judge(sim, node);
	sim_node_wake(sim, node);
}

void sim_node_shutdown(struct sim *sim, struct sim_node *node)
{
	feed_kind(sim, node, VRRP_EVENT_SHUTDOWN, VRRP_REASON_NONE);
	node->alive = false;
}
