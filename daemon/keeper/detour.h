/*
 * The way round: messages of the peer link that go to another node by way of the servers, as pings in that node's name,
 * whose replies it receives. Where the direct way is broken and both nodes still reach a server, they hear each other.
 * Authenticated messages only, since everybody may ping. IPv4. Keeper's thread only.
 */
#ifndef KEEPER_DETOUR_H
#define KEEPER_DETOUR_H

#include <ev.h>

#include <lb/conf.h>

struct detour;

struct detour_params {
	struct ev_loop *loop;
	/* Something came this way; who sent it is for the message to prove. */
	void (*heard)(void *ctx, const uint8_t *bytes, size_t len, lb_time at);
	void *ctx;
};

/* NULL, where memory is short. Without the sockets, which it says in the log, nothing goes or comes this way. */
struct detour *detour_new(const struct detour_params *params);
void detour_start(struct detour *d);
void detour_free(struct detour *d);

/*
 * The interface by which messages go and come, 0 for none: the one of the VIPs. That another network of the owner works
 * says nothing of whether its clients reach it.
 */
void detour_bind(struct detour *d, unsigned ifindex);
/* The servers of another configuration, or that the detour is not wanted. */
void detour_set_conf(struct detour *d, const struct lb_conf *conf);
/* To that node by way of two servers; the next message goes by way of the next two. */
void detour_send(struct detour *d, const struct lb_addr *node, const uint8_t *bytes, size_t len);
/* Process what has arrived, at most that many packets. */
void detour_drain(struct detour *d, unsigned budget);

#endif
