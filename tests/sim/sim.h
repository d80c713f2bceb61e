/*
 * A cluster on virtual time: election, ownership and codecs of several nodes, a network with delay, loss and
 * partitions, crashes and freezes. Everything happens in one heap of events; the same seed gives the same run.
 *
 * A node here is the keeper in small: it executes the actions of vrrp_fsm, exchanges heartbeats, hands over, and
 * models the kernel's lease (the VIP is usable until the last advert plus vrrp_lease, whether or not the node lives).
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/ownership.h>
#include <lb/peer_msg.h>
#include <lb/text.h>
#include <lb/vrrp_fsm.h>

#define SIM_NODES_MAX 5

/* Virtual time begins here, because 0 means "never" to some modules. */
#define SIM_START LB_SEC(1)

struct sim_packet {
	struct sim_packet *next; /* in the inbox of a frozen node */
	bool advert;		 /* else a peer link datagram */
	uint8_t from, to;
	lb_time received_at; /* by the kernel of the receiver */
	size_t len;
	uint8_t bytes[256];
};

enum sim_event_kind { SIM_DELIVER, SIM_THAW, SIM_WAKE, SIM_LEASE_END };

struct sim_event {
	lb_time at;
	uint64_t order; /* of insertion: equal times keep it within a kind */
	enum sim_event_kind kind;
	uint8_t node;
	struct sim_packet *packet; /* DELIVER */
};

/* What a node has heard of another on the peer link. */
struct sim_heard {
	lb_time at; /* 0 never */
	bool can_serve, standby, active;
	uint8_t priority;
	uint32_t ready_servers;
};

/* A planned hand-over as one side sees it. */
struct sim_handover {
	uint64_t id; /* 0 none */
	uint8_t peer;
	lb_time until;
};

struct sim_node {
	uint8_t index;
	char name[8];
	bool alive, frozen;
	lb_time frozen_at;
	struct sim_packet *inbox, **inbox_tail; /* what the kernel holds for a frozen process */

	struct vrrp_fsm fsm;
	struct ownership own;
	struct ownership_facts facts; /* inputs; state, peers and now are filled in before each judgement */
	struct ownership_verdict verdict;
	struct peer_session session[SIM_NODES_MAX];
	struct sim_heard heard[SIM_NODES_MAX];
	struct sim_handover offered, promised;
	lb_time asked_at; /* last request of the VIP */
	lb_time heartbeat_at, wake_at;
	lb_time paced_at; /* last heartbeat that went with an advert */
	bool followed;	  /* its timer last ran from what an Active had sent, not from when it began to listen */

	/* The kernel's part: outlives the process. */
	bool has_vip;
	lb_time lease_until, advert_sent_at;
};

struct sim_params {
	uint64_t seed;
	size_t node_count;
	lb_duration interval, startup_delay, failback;
	bool preempt;
	struct lb_text *transcript; /* NULL: silent */
};

struct sim {
	struct sim_params params;
	lb_time now;
	uint64_t random;
	struct sim_event *heap;
	size_t heap_len, heap_cap;
	uint64_t order;
	struct sim_node nodes[SIM_NODES_MAX];

	/* The network. */
	lb_duration delay_min, delay_max;
	uint32_t loss_percent;
	uint32_t adverts_lost_percent; /* of the adverts alone: what the peer link carries arrives */
	bool in_order;		       /* packets of one direction do not overtake each other */
	bool flows_in_order; /* adverts do not overtake adverts, nor datagrams of the peer link such, as of a real host
			      */
	uint8_t group[SIM_NODES_MAX];
	bool one_way[SIM_NODES_MAX][SIM_NODES_MAX];	       /* [from][to] is cut */
	lb_time last_arrival[2][SIM_NODES_MAX][SIM_NODES_MAX]; /* of adverts: [1] */

	/* What is watched. */
	bool calm;	    /* no loss, no overtaking, no one-way cut, short delays: a partition may be there */
	bool never_overlap; /* no two leases at any time, not even while things happen; see claims_cross */
	lb_time settled_at; /* from then on exactly one owner in each group */
	lb_time facts_quiet_at;
	char violation[160];
};

/* ---- cluster.c: the clock and what is done to the cluster ---- */

void sim_init(struct sim *sim, const struct sim_params *params);
void sim_free(struct sim *sim);
/* Let everything happen up to an instant; stops early at a violation. */
void sim_run(struct sim *sim, lb_time until);
void sim_for(struct sim *sim, lb_duration d);

void sim_boot(struct sim *sim, size_t node);
void sim_kill(struct sim *sim, size_t node);	 /* kill -9: address and lease stay in the kernel */
void sim_shutdown(struct sim *sim, size_t node); /* SIGTERM */
void sim_freeze(struct sim *sim, size_t node, lb_duration d);
/* Nodes with equal numbers reach one another. */
void sim_partition(struct sim *sim, const uint8_t group[SIM_NODES_MAX]);
void sim_heal(struct sim *sim);
void sim_set_noise(struct sim *sim, uint32_t loss_percent, lb_duration delay_max, bool in_order);
void sim_cut(struct sim *sim, size_t from, size_t to);
/* From now on, also when the network is whole otherwise. What holds in calm holds: nodes know one another by word. */
void sim_lose_adverts(struct sim *sim, uint32_t percent);
/* A fact of a node has been changed: let it judge now. */
void sim_facts_changed(struct sim *sim, size_t node);
/* Planned hand-over from the owner, as `lbctl failover --to` does. */
void sim_failover(struct sim *sim, size_t from, size_t to);

void sim_push(struct sim *sim, lb_time at, enum sim_event_kind kind, size_t node, struct sim_packet *packet);
/* Something happened after which the cluster may need time to settle. */
void sim_disturb(struct sim *sim, bool facts);
/* One line of the transcript, with the time in front. */
void sim_say(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_violate(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool sim_usable(const struct sim *sim, const struct sim_node *node);

/* ---- network.c ---- */

void sim_send(struct sim *sim, struct sim_packet *packet);
struct sim_packet *sim_packet_new(void);
/* Bytes of an advert of a node for one receiver, and back. */
size_t sim_advert_encode(const struct sim *sim, size_t from, size_t to, uint8_t priority, uint8_t *out, size_t cap);
bool sim_advert_decode(const struct sim *sim, const struct sim_packet *packet, struct vrrp_event *event);
struct lb_addr sim_address(size_t node);
uint8_t sim_priority(size_t node);

/* ---- node.c ---- */

void sim_node_init(struct sim *sim, size_t index);
void sim_node_boot(struct sim *sim, struct sim_node *node);
void sim_node_shutdown(struct sim *sim, struct sim_node *node);
void sim_node_receive(struct sim *sim, struct sim_node *node, const struct sim_packet *packet);
void sim_node_wake(struct sim *sim, struct sim_node *node);
void sim_node_thaw(struct sim *sim, struct sim_node *node);
void sim_node_offer(struct sim *sim, struct sim_node *node, size_t to);

/* ---- check.c: the invariants, after every event ---- */

void sim_check(struct sim *sim);
lb_duration sim_settle_time(const struct sim *sim, bool facts);

/* ---- stories.c, random.c: the two programs ---- */

/* Compare every story with its text in dir, or write the texts; returns the exit code. */
int sim_stories(const char *dir, bool update);
int sim_random(uint64_t count, uint64_t first_seed);

#endif
