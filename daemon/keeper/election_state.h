/*
 * The election's state and the verbs that its files share; private to election*.c.
 *
 *   election.c         life, the step of the machine and its actions, timers, stall guard
 *   election_judge.c   does this node take part: facts, verdict, what follows
 *   election_advert.c  adverts out and in
 *   election_peers.c   what other nodes say, and alarms about what does not fit together
 *   election_plan.c    failover, standby, stop
 *   election_move.c    sessions that go ahead of the VIP
 *   election_view.c    logs, events, snapshot
 *   election_conf.c    another configuration
 *   election_secret.c  key and password
 *   election_resign.c  cleaning up without a daemon
 *   election_resume.c  going on after a crash
 */
#ifndef KEEPER_ELECTION_STATE_H
#define KEEPER_ELECTION_STATE_H

#include <lb/ratelimit.h>
#include <lb/vrrp_accept.h>

#include "daemon/keeper/announce.h"
#include "daemon/keeper/announce_watch.h"
#include "daemon/keeper/election.h"
#include "daemon/keeper/fence.h"
#include "daemon/keeper/handover.h"
#include "daemon/keeper/peer_link.h"
#include "daemon/keeper/secret_file.h"
#include "daemon/keeper/session_move.h"
#include "daemon/keeper/vip.h"

#define ELECTION_KEYS_MAX PEER_LINK_KEYS_MAX

struct election_secrets {
	/* The first one signs, each verifies; the same for the peer link and for adverts with auth hmac. */
	struct peer_link_key keys[ELECTION_KEYS_MAX];
	struct vrrp_key vrrp_keys[ELECTION_KEYS_MAX];
	size_t key_count;					/* 0: none */
	uint8_t password[8];					/* of version 2 */
	struct secret_file_stamp stamps[ELECTION_KEYS_MAX + 1]; /* of the files of the keys and of the password */
};

/* Adverts of one node as this one sees them. */
struct election_node {
	lb_time advert_at;	     /* last accepted; 0 never */
	lb_time word_at, owns_since; /* last word that it owns the VIP, and the first of these in a row */
	vrrp_sequence sequence;
	bool alarm_silent;  /* says it is active, but no advert comes */
	bool alarm_deaf;    /* does not hear us */
	bool alarm_detour;  /* is heard by way of servers alone */
	bool alarm_differs; /* another configuration */
};

struct election_counters {
	uint64_t adverts_sent, adverts_received, dropped[VRRP_DROP_COUNT_], transitions[VRRP_REASON_COUNT_];
	uint64_t accepted[VRRP_CHECKSUM_COUNT_];
};

/* A planned change that somebody waits for. */
struct election_pending {
	election_done *done; /* NULL: nobody */
	void *ctx;
};

struct election {
	struct election_params params;
	const struct lb_conf *conf;
	size_t own_node;
	struct election_secrets secrets, next_secrets; /* next: prepared by a reload */
	char standby_mark[LB_PATH_MAX];

	struct vip_table *vips;
	struct fence *fence;
	struct announce *announce;
	struct announce_watch *watch;
	struct peer_link *peer_link;
	struct handover handover;
	struct session_move move;

	ev_io vrrp_io;
	ev_check check;	   /* stall guard, before anything else of a round */
	ev_timer deadline; /* of the machine */
	ev_timer judge;
	ev_timer second;
	lb_time second_at; /* when it is due */
	uint64_t seconds;  /* ticks so far */

	/* The election. */
	struct vrrp_fsm fsm;
	struct vrrp_policy policy;
	struct lb_addr peers[LB_NODES_MAX]; /* policy.peers */
	lb_wall since;			    /* of the role */
	lb_time advert_tried;		    /* last attempt to send one as Active */
	lb_time advert_tried_boot;	    /* the same on the clock that runs while the machine sleeps */
	lb_time advert_ok;		    /* last one that the kernel took */
	lb_time advert_boot;		    /* the same, on the clock that runs while the machine sleeps */
	vrrp_sequence sequence;		    /* last one sent */
	lb_time losing_since, losing_at;    /* adverts of another Active, below us: first and last one */
	struct election_node nodes[LB_NODES_MAX];

	/* Does this node take part? */
	struct ownership ownership;
	struct ownership_verdict verdict;
	struct ipc_health health;
	struct ratelimit yield_limit, request_limit;

	struct election_pending stop, standby_change;
	ev_timer stop_timer;

	struct election_counters counters;
	struct lb_snapshot_moves moves;
	struct ipc_moved sent; /* what a hand-over that has not ended moved; id 0 nothing */
	struct ratelimit drop_log[VRRP_DROP_COUNT_], drops_log; /* each reason, and all together */
	struct ratelimit send_log, list_log, foreign_log, claim_limit, word_limit;
	lb_duration last_gap, stall_max, sent_jitter_max, heard_jitter_max;
	lb_time released_at;	 /* when this node last let the VIP go; 0 never */
	lb_time ownerless_since; /* no node is known to own the VIP; 0 = one is */
	lb_time foreign_until;

	int vrrp_fd;
	struct lb_addr own;
	uint8_t foreign_mac[6];
	bool holding;	    /* the VIPs are taken: a sent advert renews the lease */
	bool fenced;	    /* not while sessions move: the VIP's packets are dropped */
	bool sessions_over; /* ended already, in order, before this node leaves */
	bool losing_alarm;
	bool proxy_connected, proxy_ticking, standby, stopping;
	bool stop_waits_for_sessions;
	bool resuming; /* only starting, and in the place of a former process that was Active */
};

/* election.c */
void election_step(struct election *e, struct vrrp_event *event); /* now is filled */
void election_event(struct election *e, enum vrrp_event_kind kind);
/* Start the one-shot timer again so that it fires at that time; LB_TIME_NEVER stops it. */
void election_arm(struct election *e, ev_timer *w, lb_time at);
/* The machine's deadline was changed outside a step. */
void election_rearm(struct election *e);

/* election_conf.c */
/* Version, VRID, interval, priority … of conf into the machine's parameters and the receiver's policy. */
void election_apply_conf(struct election *e, const struct lb_conf *conf, struct vrrp_params *params);

/* election_judge.c */
void election_judge_init(struct election *e);
/* A fact changed: judge in the next round of the loop, and publish. */
void election_judge_soon(struct election *e);
/* peers has room for LB_NODES_MAX and is borrowed by *facts. */
void election_ownership_facts(struct election *e, struct ownership_peer *peers, struct ownership_facts *facts);
/* Index into conf->nodes of the n-th other node. */
size_t election_peer_node(const struct election *e, size_t peer);

/* election_advert.c */
bool election_advert_open(struct election *e, struct lb_err *err);
void election_advert_join(struct election *e);
/* Hand an advert with that priority to the kernel for every receiver; false when it took none. */
bool election_advert_send(struct election *e, uint8_t priority);
/* Process what has arrived, at most that many datagrams. */
void election_advert_drain(struct election *e, unsigned budget);

/* election_peers.c */
void election_peers_hooks(struct peer_link_hooks *hooks, struct election *e);
/* Node that owns the VIP by its own word or by its adverts, or -1. */
int election_peers_owner(const struct election *e);
bool election_peers_owns(void *ctx, size_t node);
void election_peers_watch(struct election *e);
/* Alarm where another Active goes on advertising below this node; with each such advert, and each second. */
void election_peers_losing(struct election *e);

/* election_plan.c */
/* The role changed, or that of another node. */
void election_plan_on_roles(struct election *e);
void election_plan_init(struct election *e);
/* Could this node take the VIP now? False with the reason. */
bool election_can_take(const struct election *e, char text[64]);

/* election_move.c */
void election_move_init(struct election *e);
/* A hand-over ends: what was moved is elsewhere, or here again. */
void election_move_settled(struct election *e, bool released);
/* The proxy ended the VIP's sessions, those that had moved among them. */
void election_move_ended(struct election *e, uint32_t id, uint32_t count);

/* election_view.c */
void election_view_on_role(struct election *e);
/* The VIP was taken and announced. */
void election_view_on_taken(struct election *e);
void election_view_record(struct election *e, const char *kind, const char *subject, const char *from, const char *to,
			  const char *reason, lb_duration duration);

/* election_resume.c */
/* May the place of the former process be taken? Opens the VRRP socket, or takes that of the former process. */
bool election_resume_open(struct election *e, struct lb_err *err);
/* The kernel guards the VIPs: from now on, or still. */
void election_resume_guard(struct election *e);
/* In place of an ordinary start: false when it must be one after all; nothing is announced then and no lease is held.
 */
bool election_resume_start(struct election *e);
/* Have the present state kept: before the VIP is given up, and after each advert that says that it is held. */
void election_resume_keep(struct election *e);

/* election_secret.c */
bool election_secret_read(const struct lb_conf *conf, struct election_secrets *out, struct lb_err *err);
/* The same for a reload: files that may no longer be read keep their meaning for as long as they are unchanged. */
bool election_secret_renew(const struct lb_conf *conf, const struct election_secrets *now, struct election_secrets *out,
			   struct lb_err *err);

#endif
