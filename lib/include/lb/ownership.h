/*
 * Should this node own the VIP? Facts in, verdict out, pure: can serve > current owner > preference.
 *
 * The election (vrrp_fsm) decides who is Active among the nodes that take part. This module decides whether this node
 * takes part at all, when an owner gives the VIP away, and to whom.
 */
#ifndef LB_OWNERSHIP_H
#define LB_OWNERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/time.h>
#include <lb/vrrp_fsm.h>

/* What is known of one other node. */
struct ownership_peer {
	bool heard; /* its peer link spoke within the last 3 intervals (at least 1 s) */
	bool can_serve, standby, active;
	uint8_t priority;
	uint32_t ready_servers; /* servers up over all services */
};

struct ownership_facts {
	lb_time now;
	enum vrrp_state state;
	bool proxy_connected; /* the proxy process runs and took its listeners */
	bool proxy_ticking;   /* control and every worker moved within 500 ms */
	bool link_up;	      /* every VIP interface is up with carrier */
	bool standby;	      /* `lbctl standby on` */
	bool vip_lost;	      /* the address was taken away 5 times in 10 s */
	uint32_t ready_servers, total_servers;
	uint8_t priority;
	lb_duration failback; /* 0 = never */
	const struct ownership_peer *peers;
	size_t peer_count;
};

/* Why this node cannot serve; OWNERSHIP_CAN means it can. */
enum ownership_obstacle {
	OWNERSHIP_CAN,
	OWNERSHIP_PROXY_DOWN,
	OWNERSHIP_PROXY_STALLED,
	OWNERSHIP_LINK_DOWN,
	OWNERSHIP_STANDBY,
	OWNERSHIP_VIP_LOST,
	OWNERSHIP_NO_SERVERS, /* none reachable here while a peer that could take over reaches some */
};

const char *ownership_obstacle_name(enum ownership_obstacle obstacle);

struct ownership_verdict {
	bool can_serve;			  /* drives VRRP_EVENT_FAULT / CLEAR */
	enum ownership_obstacle obstacle; /* the first one found, also while still within the hold time */
	enum vrrp_reason fault_reason;	  /* for VRRP_EVENT_FAULT */
	int yield_to;			  /* index of the peer to hand over to (planned), -1 none */
	bool request_vip;		  /* failback: ask the present owner for a planned hand-over */
	lb_time next;			  /* call again no later than this; LB_TIME_NEVER */
};

/* Remembers since when each fact holds. Zero-initialise; private to the module. */
struct ownership {
	enum ownership_obstacle obstacle; /* present or last one; OWNERSHIP_CAN once well for the recover hold */
	lb_time obstacle_since;
	lb_time healthy_since;	  /* no obstacle since; 0 = there is one */
	lb_time recovering_since; /* nothing keeps this node out any more since; 0 = something does */
	bool faulted;		  /* last verdict was "cannot serve" */
	bool served;		  /* "can serve" was said at least once: before, there was nothing to recover */
	lb_time recovered_at;	  /* when it last took part again after a fault; 0 never */
	bool flapping;		  /* the present fault came soon after a recovery: the next one is damped */
};

/*
 * How long an owner may be without its proxy (a restart with the same listening sockets) before it yields, and how
 * long "none here, some there" must last. A proxy that comes back for less than the recover hold does not restart it.
 */
#define OWNERSHIP_PROXY_HOLD	  LB_SEC(1)
#define OWNERSHIP_NO_SERVERS_HOLD LB_SEC(3)
/*
 * Flap damping: a node that fails again so soon after it recovered must stay well for the hold before it takes part
 * once more. A first loss and return is no flap: the node listens before it may take the VIP, which is damping enough.
 */
#define OWNERSHIP_FLAP_WINDOW  LB_SEC(10)
#define OWNERSHIP_RECOVER_HOLD LB_MSEC(500)
/* How long an owner that is to give the VIP away tries a planned hand-over (yield_to) before it just resigns. */
#define OWNERSHIP_YIELD_GRACE LB_SEC(1)

/*
 * Judge the facts at facts->now (> 0, never going back). Call when a fact changes and at verdict->next.
 *
 * The first obstacle of this order counts: standby, vip-lost, link-down, proxy-down, proxy-stalled, no-servers. All act
 * at once except: an owner keeps the VIP for OWNERSHIP_PROXY_HOLD without its proxy, because the listening sockets
 * queue meanwhile; no-servers exists only beside a heard peer that can take over and has ready servers, and must last
 * OWNERSHIP_NO_SERVERS_HOLD; then, and at standby, an owner first names a peer in yield_to for OWNERSHIP_YIELD_GRACE.
 * request_vip stays set while its conditions hold; the caller limits how often it asks.
 */
void ownership_judge(struct ownership *o, const struct ownership_facts *facts, struct ownership_verdict *verdict);

/* Index of the peer that should follow an owner: one that reaches servers, then the preferred one; -1 none. */
int ownership_successor(const struct ownership_facts *facts);

#endif
