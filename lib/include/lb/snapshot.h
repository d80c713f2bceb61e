/*
 * One typed picture of everything a user may ask about, filled by the daemon, turned into JSON and Prometheus text by
 * view. Plain data; strings are borrowed unless they are arrays.
 */
#ifndef LB_SNAPSHOT_H
#define LB_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/health_fsm.h>
#include <lb/ownership.h>
#include <lb/peer_msg.h>
#include <lb/vrrp_fsm.h>
#include <lb/vrrp_packet.h>

enum lb_admin_state { LB_ADMIN_READY, LB_ADMIN_DRAIN, LB_ADMIN_MAINT };
const char *lb_admin_name(enum lb_admin_state admin); /* "ready", "drain", "maint" */

/* Instants that people see: nanoseconds since 1970 (UTC); 0 = never. */
typedef int64_t lb_wall;

#define LB_UPGRADE_TEXT	     192
#define LB_UPGRADE_UNDER_WAY "under way"

#define LB_TRANSITIONS_KINDS VRRP_REASON_COUNT_

struct lb_snapshot_vip {
	struct lb_addr address;
	char interface[16];
	bool present; /* the address is on the interface */
	bool fenced;  /* the kernel lease is not alive here: packets for it are dropped */
};

struct lb_snapshot_node {
	lb_name name;
	struct lb_addr address;
	bool self;
	enum vrrp_state role;
	bool can_serve, standby;
	uint8_t priority;
	/* of other nodes */
	bool heard;		/* its peer link is alive */
	lb_duration heard_age;	/* since its last datagram; < 0 never */
	lb_duration advert_age; /* since its last VRRP advert; < 0 never */
	bool hears_us;
	uint32_t config_hash;
	uint32_t ready_servers, total_servers;
	char version[PEER_VERSION_TEXT];
};

/* Why a session did not go along with the VIP, and was reset. */
enum lb_move_loss {
	LB_MOVE_BOUND,	    /* its server knows this node's address, or its client's PROXY header had not come */
	LB_MOVE_UNTOLD,	    /* in no state that can be told, or too much is in its queues */
	LB_MOVE_REFUSED,    /* the successor could not set it up */
	LB_MOVE_UNRELEASED, /* it had arrived here, but the owner did not release it */
	LB_MOVE_NONE,	    /* the VIP left without any session */
	LB_MOVE_LOSSES_,
};
const char *lb_move_loss_name(enum lb_move_loss loss); /* kebab-case */

/* Sessions that moved with the VIP. */
struct lb_snapshot_moves {
	uint64_t away, here, lost[LB_MOVE_LOSSES_];
};

/* What the kernel counts for one process. */
struct lb_snapshot_process {
	lb_duration cpu;	/* user and system time */
	uint64_t resident_peak; /* bytes */
	uint64_t open_files;	/* 0 unknown */
	uint64_t max_files;
};

/* The election half: filled by the keeper and sent to the proxy as one plain message, so no pointers in here. */
struct lb_snapshot_keeper {
	enum vrrp_state role;
	enum vrrp_reason reason;
	lb_wall since;
	enum ownership_obstacle obstacle;
	bool standby, can_serve, has_key;
	lb_name owner; /* "" unknown */
	uint32_t node_count, vip_count;
	struct lb_snapshot_node nodes[LB_NODES_MAX];
	struct lb_snapshot_vip vips[LB_VIPS_MAX];
	uint64_t adverts_sent, adverts_received, adverts_dropped[VRRP_DROP_COUNT_];
	uint64_t adverts_accepted[VRRP_CHECKSUM_COUNT_]; /* by the form of their checksum */
	uint64_t peer_received, peer_dropped[PEER_DROP_COUNT_];
	uint32_t adverts_overflowed, peer_overflowed; /* dropped by the kernel, because the socket was full */
	uint64_t transitions[LB_TRANSITIONS_KINDS];
	uint64_t announces_sent;
	struct lb_snapshot_moves moves;
	uint64_t proxy_restarts;
	struct lb_snapshot_process process; /* the keeper itself */
	lb_duration last_gap;		    /* last takeover: last advert heard -> first announce; 0 none */
	lb_duration loop_stall_max;	    /* keeper's loop */
	lb_duration sent_jitter_max;	    /* longest that an advert of this node left after it was due */
	lb_duration heard_jitter_max;	    /* longest that the next advert of the Active was late */
	enum lb_fence_mode fence_in_force;  /* what is really enforced */
	bool foreign_owner; /* somebody else answers for a VIP while we own it (or nobody of us should) */
	uint8_t foreign_mac[6];
	char upgrade[LB_UPGRADE_TEXT]; /* "" none, "under way", or why the last one left the keeper as it was */
};

/* What only grows, at one moment. */
struct lb_totals {
	uint64_t sessions, bytes_in, bytes_out;
};

struct lb_snapshot_server {
	lb_name name;
	struct lb_endpoint address;
	enum health_state state;
	enum lb_admin_state admin;
	uint16_t weight, effective_weight;
	bool ordered; /* admin state, weight or limit are an administrator's, not the file's */
	bool backup;
	uint64_t sessions, sessions_total, bytes_in, bytes_out, connect_errors, hedged;
	struct lb_totals cleared; /* where people count from */
	lb_duration connect_time; /* smoothed */
	lb_wall since;
	enum health_reason reason;
	char check_result[64]; /* "200", "refused", "timeout", "tls: certificate has expired" …; "" not yet */
	lb_duration check_duration;
	uint32_t check_failures;
	lb_wall check_last;
	bool alive_warning;
	const char *check_warning;	 /* what such an answer means and what to do; NULL none */
	lb_wall certificate_ends;	 /* the server's certificate is valid until then; 0 none seen */
	lb_wall client_certificate_ends; /* the certificate that the check shows; 0 none */
	uint32_t max_connections;	 /* 0 = no limit */
};

struct lb_snapshot_service {
	lb_name name;
	struct lb_endpoint *listen;
	size_t listen_count;
	enum lb_balance_kind balance;
	uint64_t sessions, sessions_total, bytes_in, bytes_out, refused, failed;
	uint64_t queue_dropped;	  /* by the kernel, as the accept queue was full */
	struct lb_totals cleared; /* where people count from */
	struct lb_snapshot_server *servers;
	size_t server_count;
};

/* Waking the clients of an owner that died: what is told to the other nodes, what they told, what came of it. */
struct lb_snapshot_wake {
	bool possible;			       /* there is a key: connections are told at all */
	uint32_t listeners;		       /* other nodes that are being told */
	uint32_t told;			       /* own connections that they know */
	uint32_t held;			       /* connections of another owner that this node knows */
	uint64_t woken_clients, woken_servers; /* connections, at all takeovers */
	uint64_t segments, failed;	       /* sent to them; not sent */
	uint64_t dropped;		       /* connections that found no room */
};

struct lb_snapshot_thread {
	char name[16];
	lb_duration stall_max;
};

struct lb_snapshot {
	const char *cluster, *node, *version;
	uint32_t config_hash;
	lb_duration uptime;
	struct lb_snapshot_keeper keeper;
	lb_duration keeper_age; /* since the keeper last spoke */
	struct lb_snapshot_service *services;
	size_t service_count;
	struct lb_snapshot_thread *threads;
	size_t thread_count;
	uint64_t hedged_won, hedged_lost, hedged_denied;
	struct lb_snapshot_wake wake;
	struct lb_snapshot_process process; /* the proxy */
	uint64_t check_results[HEALTH_RESULT_COUNT_];
	lb_duration check_delay_max; /* longest that a check began after it was due */
	uint64_t log_dropped;
	uint64_t reloads_ok, reloads_refused;
	uint64_t session_limit;	    /* sessions that this node takes at a time */
	const char *reload_refused; /* why the last reload was; NULL: it was not, or there was none */
	lb_wall reload_at;	    /* of that */
	lb_wall counters_cleared;   /* 0 never */
};

/* One entry of the recorder: who changed from what to what, when, why, and how long it took. */
struct lb_event {
	uint64_t id; /* grows by one; assigned by the recorder */
	lb_wall at;
	char kind[16];	   /* "vip", "server", "proxy", "config", "peer", "admin" */
	char subject[132]; /* "vip", "SERVICE/SERVER", node name … */
	char from[24], to[24];
	char reason[96];
	lb_duration duration; /* of the step, 0 unknown */
};

#endif
