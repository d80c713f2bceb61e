/*
 * The channel between keeper and proxy: typed, size-checked messages over one SOCK_SEQPACKET pair, descriptors by
 * SCM_RIGHTS. Sending never blocks: what the socket does not take is queued in memory (bounded) and flushed by the
 * loop. Losing the pair is an event (on_closed) with an answer on both sides.
 *
 * Start and reload are one conversation (generation g):
 *   keeper: CONF_BEGIN{g} + memfd, LISTENER{g,…} + fd … , CONF_END{g}
 *   proxy:  CONF_PREPARED{g, ok, text}
 *   keeper: CONF_COMMIT{g} or CONF_ABORT{g}
 *   proxy:  CONF_APPLIED{g}
 *
 * A keeper that comes after one that is gone brings a new pair (ipc_link.h); the proxy begins with ADOPTED there, and
 * the conversation is that of a start.
 */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/snapshot.h>

#define IPC_PROXY_FD	 3	    /* the proxy finds its end of the pair here */
#define IPC_EXIT_FOREIGN 3	    /* exit code of a proxy that does not understand the keeper's first message */
#define IPC_OUTLIVES	 "outlives" /* its argument where another keeper may come after a crash of this one */
#define IPC_LINK_FD	 4	    /* and of the link by which another keeper may come (ipc_link.h) here */
#define IPC_PROTOCOL	 1	    /* another number where a message changes its meaning and not its size */
#define IPC_BODY_MAX	 32768
#define IPC_FDS_MAX	 64
#define IPC_WORKERS_MAX	 64
#define IPC_TEXT_MAX	 4096
#define IPC_PATH_MAX	 1024

enum ipc_type {
	/* keeper -> proxy */
	IPC_HELLO = 1,	   /* struct ipc_hello; fds: shared page, admin socket, [metrics socket] */
	IPC_CONF_BEGIN,	   /* struct ipc_conf; fd: memfd with the bytes of the file */
	IPC_LISTENER,	   /* struct ipc_listener; fd: listening socket of one worker */
	IPC_CONF_END,	   /* struct ipc_conf */
	IPC_CONF_COMMIT,   /* struct ipc_conf */
	IPC_CONF_ABORT,	   /* struct ipc_conf */
	IPC_KEEPER_STATUS, /* struct lb_snapshot_keeper, on every change and at least each 200 ms */
	IPC_EVENT,	   /* struct lb_event, for the recorder; the keeper's last ones are repeated to a new proxy */
	IPC_END_SESSIONS,  /* struct ipc_end_sessions */
	IPC_REPLY,	   /* struct ipc_reply: answer to a request */
	IPC_STOP,	   /* no body: end all sessions, then exit 0 */
	IPC_MOVE_SETUP,	   /* struct ipc_move_setup; fd: listener for other nodes' proxies, with key_count > 0 */
	IPC_MOVE,	   /* struct ipc_move */
	IPC_REPAIRED,	   /* struct ipc_repair, as asked */
	IPC_SOCKETS,	   /* struct ipc_sockets, as asked; fds: one for each bit of made */
	IPC_STATE, /* no body; fds: files of events and orders (lb/state_file.h); behind HELLO, where there are any */
	IPC_WOKEN, /* struct ipc_woken, for each IPC_WAKE */
	IPC_SUCCESSION, /* struct ipc_succession; fd with GIVE and TAKE: an end of the pair between the two proxies */
	/* proxy -> keeper */
	IPC_CONF_PREPARED = 64, /* struct ipc_conf_result */
	IPC_CONF_APPLIED,	/* struct ipc_conf */
	IPC_SESSIONS_ENDED,	/* struct ipc_sessions_ended */
	IPC_HEALTH,		/* struct ipc_health, on change and at least each 500 ms */
	IPC_REQUEST,		/* struct ipc_request */
	IPC_MOVED,		/* struct ipc_moved */
	IPC_REPAIR,		/* struct ipc_repair; fds: sockets that enter or leave repair */
	IPC_SUCCEEDED,		/* struct ipc_succeeded */
	IPC_NEED_SOCKETS,	/* struct ipc_sockets: sockets under repair, bound to VIP:port, are wanted */
	IPC_WAKE,		/* struct ipc_wake: segments to clients and servers of an owner that died */
	IPC_ADOPTED,		/* struct ipc_adopted: first on a channel that came over the link */
};

struct ipc_hello {
	uint32_t own_node; /* index into conf->nodes */
	uint32_t workers;  /* how many worker threads to start */
	bool has_metrics;  /* a third descriptor follows: the metrics listener */
	char admin_group[64];
	char conf_path[IPC_PATH_MAX]; /* of the configuration file, absolute */
	uint32_t admin_gid;	      /* group whose members may change things; (uint32_t)-1 = root only */
	bool heir; /* another proxy serves: wait for IPC_SUCCESSION before a client, a check or a request is served */
};

struct ipc_conf {
	uint32_t generation;
};

struct ipc_listener {
	uint32_t generation;
	uint32_t worker; /* 0-based */
	lb_name service;
	struct lb_endpoint endpoint;
	bool on_vip; /* endpoint is one of the VIPs (sessions end when it leaves) */
};

struct ipc_conf_result {
	uint32_t generation;
	bool ok;
	char text[IPC_TEXT_MAX]; /* why not */
};

struct ipc_end_sessions {
	uint32_t id; /* returned in IPC_SESSIONS_ENDED */
};

struct ipc_sessions_ended {
	uint32_t id, count;
};

struct ipc_health {
	uint32_t ready_servers, total_servers; /* over all services; ready = up and admin ready */
	uint32_t service_count; /* filled entries below; services beyond the array are only in the sums */
	struct peer_service services[PEER_MSG_SERVICES_MAX];
};

enum ipc_request_kind { IPC_REQUEST_FAILOVER = 1, IPC_REQUEST_STANDBY, IPC_REQUEST_RELOAD, IPC_REQUEST_UPGRADE };

struct ipc_request {
	uint32_t id;
	enum ipc_request_kind kind;
	lb_name node; /* FAILOVER: target, "" = the best peer */
	bool on;      /* STANDBY */
};

struct ipc_reply {
	uint32_t id;
	bool ok;
	char code[32];		 /* kebab-case error code when !ok */
	char text[IPC_TEXT_MAX]; /* message for a person, also on success ("VIP handed to k8s-lb-2 in 4.1 ms") */
};

#define IPC_MOVE_PSK  32
#define IPC_MOVE_KEYS 3

/* What the proxies of two nodes know each other by; derived from the cluster's keys, which stay in the keeper. */
struct ipc_move_key {
	uint8_t id[8], psk[IPC_MOVE_PSK];
};

/* Sent before each commit: sessions can move to and from other nodes; key_count 0: they cannot. */
struct ipc_move_setup {
	uint32_t key_count;
	struct ipc_move_key keys[IPC_MOVE_KEYS]; /* the first one is used to connect */
};

/* Sessions that move with the VIP. Each step but DROP is answered by IPC_MOVED. */
enum ipc_move_step {
	IPC_MOVE_CONNECT = 1, /* owner: open the stream to peer */
	IPC_MOVE_SEND,	      /* owner: the VIP is fenced: freeze, tell, wait until the peer has set them up */
	IPC_MOVE_THAW,	      /* owner: the VIP stays: go on */
	IPC_MOVE_EXPECT,      /* peer: the VIP's addresses are here, fenced: accept a stream with this id */
	IPC_MOVE_REVIVE,      /* peer: the VIP is ours: let them go on */
	IPC_MOVE_DROP,	      /* peer: they stay where they were: forget them silently */
	IPC_MOVE_RESET,	      /* peer: the VIP is ours, but nobody released them: reset them */
};

struct ipc_move {
	uint64_t id; /* of the hand-over */
	enum ipc_move_step step;
	struct lb_endpoint peer; /* CONNECT */
	struct lb_addr from;	 /* CONNECT: this node's address */
};

struct ipc_moved {
	uint64_t id;
	enum ipc_move_step step;
	bool ok;
	uint32_t count;	  /* SEND: sessions that the peer has; REVIVE: that go on here */
	uint32_t lost;	  /* SEND: that could not be told; RESET: that were reset */
	uint32_t bound;	  /* SEND: that cannot move at all */
	uint32_t refused; /* SEND: that the peer could not set up */
	char text[96];	  /* when !ok: why */
};

struct ipc_repair {
	uint32_t token; /* returned */
	bool on;
	bool deaf; /* on: nothing that comes reaches them any more; else: it does again */
	uint32_t count;
};

struct ipc_sockets {
	uint32_t token, count;
	uint64_t made; /* answer: bit i: local[i] has its descriptor among the fds, in this order */
	struct lb_endpoint local[IPC_FDS_MAX];
};

#define IPC_WAKE_MAX 64

/* from is on a VIP; both are of one family. */
struct ipc_wake_target {
	struct lb_endpoint from, to;
};

struct ipc_wake {
	uint32_t count;
	struct ipc_wake_target targets[IPC_WAKE_MAX];
};

struct ipc_woken {
	uint32_t sent, failed;
};

/* One proxy takes over from another (lb/succession.h). GIVE and TAKE are answered by IPC_SUCCEEDED. */
enum ipc_succession_step {
	IPC_SUCCESSION_GIVE = 1, /* former: stand still, tell everything to the heir */
	IPC_SUCCESSION_TAKE,	 /* heir: take it; only a failure is answered */
	IPC_SUCCESSION_START,	 /* heir: everything is yours, serve */
	IPC_SUCCESSION_LEAVE,	 /* former: all of it is the heir's, exit without touching it */
	IPC_SUCCESSION_RESUME,	 /* former: there is no heir, go on */
};

struct ipc_succession {
	enum ipc_succession_step step;
};

struct ipc_succeeded {
	enum ipc_succession_step step;
	bool ok;
	uint32_t count; /* GIVE: sessions that the heir has */
	char text[192]; /* when !ok: why */
};

struct ipc_adopted {
	int32_t pid;
};

/* Shared page: every thread of the proxy ticks its counter at least each 100 ms; the keeper watches them move. */
struct ipc_page {
	_Atomic uint64_t control_tick;
	_Atomic uint64_t worker_tick[IPC_WORKERS_MAX];
};

struct ipc; /* one end */

/* body is aligned for every message struct and valid during the call; fds belong to the callee, which closes them. */
typedef void ipc_on_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds);
/* The other end is gone or broke the protocol (why); called once, the handle stays valid until ipc_free. */
typedef void ipc_on_closed(void *ctx, const char *why);

/* Take over fd (made non-blocking) and start reading in loop. NULL when memory is short. */
struct ipc *ipc_new(struct ev_loop *loop, int fd, ipc_on_message *on_message, ipc_on_closed *on_closed, void *ctx);
/* Stop, close the descriptor, free. NULL is fine. Must not be called from inside on_message; on_closed may. */
void ipc_free(struct ipc *ipc);
/*
 * Send one message; fds are duplicated by the kernel and stay the caller's (a queued message holds its own copies).
 * False: the channel is closed or 16 MB are queued already (the channel is then closed and on_closed follows).
 */
bool ipc_send(struct ipc *ipc, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds);
/* As ipc_send without descriptors. */
bool ipc_post(struct ipc *ipc, enum ipc_type type, const void *body, size_t size);

/*
 * Tells versions of the channel apart: the same number where all messages have the same meaning (IPC_PROTOCOL) and
 * size.
 */
uint64_t ipc_fingerprint(void);

/* Create the pair for a new proxy: pair[0] keeper's end, pair[1] the proxy's; both CLOEXEC. False with errno. */
bool ipc_pair(int pair[2]);

#endif
