/*
 * The link between lbd nodes: small authenticated datagrams in both directions, at each interval and at once when
 * something changed. A node that does not speak it (Keepalived) only lacks its features. Keeper's thread only.
 */
#ifndef KEEPER_PEER_LINK_H
#define KEEPER_PEER_LINK_H

#include <ev.h>

#include <lb/conf.h>
#include <lb/err.h>
#include <lb/peer_msg.h>

struct peer_link;

#define PEER_LINK_KEYS_MAX 3
#define PEER_LINK_KEY_MAX  256

struct peer_link_key {
	uint8_t bytes[PEER_LINK_KEY_MAX];
	size_t len;
};

/* What is known of one node by its own word. */
struct peer_facts {
	bool proven;	      /* it has spoken, freshly, at least once */
	bool heard;	      /* it spoke within the last 3 intervals (at least 1 s) */
	bool hears_us;	      /* and has lately heard us */
	bool detoured;	      /* its last message came by way of a server, and nothing does directly */
	lb_time heard_at;     /* when the kernel received its last datagram; 0 never */
	uint64_t sent;	      /* our last datagram to it */
	uint64_t echoed;      /* the last of ours that it has heard */
	struct peer_msg last; /* valid once proven */
};

struct peer_link_hooks {
	/* Fill in what this node says of itself (state, can_serve, priority, servers …); the link adds the rest. */
	void (*fill)(void *ctx, struct peer_msg *msg);
	/* A fresh message came from that node; facts->last is it. Before all other hooks. */
	void (*spoke)(void *ctx, size_t node, const struct peer_facts *facts);
	/* A fresh message other than a heartbeat came from that node. */
	void (*asked)(void *ctx, size_t node, const struct peer_msg *msg);
	/* Facts of that node changed in a way that may matter: role, can serve, servers, heard. */
	void (*changed)(void *ctx, size_t node);
	/* The process on that node is another one than before. */
	void (*restarted)(void *ctx, size_t node);
	void *ctx;
};

struct peer_link_params {
	struct ev_loop *loop;
	const struct lb_conf *conf; /* borrowed until replaced or freed */
	size_t own_node;
	/* Borrowed until replaced; the first one signs, each verifies; none: unauthenticated. */
	const struct peer_link_key *keys;
	size_t key_count;
	struct peer_link_hooks hooks;
};

/* Bind the socket. NULL with a sentence. */
struct peer_link *peer_link_new(const struct peer_link_params *params, struct lb_err *err);
void peer_link_start(struct peer_link *l);
void peer_link_free(struct peer_link *l);
/* The same nodes in a new configuration; the interval may differ. */
void peer_link_set_conf(struct peer_link *l, const struct lb_conf *conf);
/* The interface that carries every VIP, by which other nodes are heard by way of the servers; 0: there is none. */
void peer_link_bind(struct peer_link *l, unsigned ifindex);
/* Other keys, from the next datagram on. */
void peer_link_set_keys(struct peer_link *l, const struct peer_link_key *keys, size_t count);

/* Tell every node now, instead of at the next interval. */
void peer_link_tell(struct peer_link *l);
/*
 * This node owns the VIP, or does no longer. That it does is told several times at once, so that it arrives where much
 * is lost; and for as long as a node that spoke once is silent, which may serve at the other end of a broken link, ten
 * times in an interval to that node (at most each 10 ms): the first datagrams after the heal end it.
 */
void peer_link_own(struct peer_link *l, bool owner);
/*
 * An owner has sent an advert: its word follows at once (of intervals below 50 ms not each), so that whoever takes the
 * one for the other counts its life from the same moment, which is that from which its lease runs.
 */
void peer_link_pace(struct peer_link *l);
/* Send one message to a node; text is for PEER_REFUSE, NULL otherwise. */
void peer_link_send(struct peer_link *l, size_t node, enum peer_msg_kind kind, uint64_t handover, const char *text);

/*
 * An advert of that node has come directly. Of an owner of which nothing comes directly for one and a half intervals
 * this node asks by way of the servers (detour.h), four times in an interval and at most each 10 ms; the owner answers
 * each question in the same way, so that its word still comes in time.
 */
void peer_link_advert(struct peer_link *l, size_t node, lb_time at);

/* Process what has arrived, at most that many datagrams of either way. */
void peer_link_drain(struct peer_link *l, unsigned budget);

/* Facts of a node (for the own node: nothing was ever heard). Valid until the next call into the loop. */
const struct peer_facts *peer_link_facts(const struct peer_link *l, size_t node);

struct peer_link_counters {
	uint64_t received, dropped[PEER_DROP_COUNT_];
	uint32_t overflowed; /* dropped by the kernel: the socket was full */
};
const struct peer_link_counters *peer_link_count(struct peer_link *l);

#endif
