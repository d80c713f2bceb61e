/*
 * Neighbours of whom the kernel does not know the hardware address yet: it has asked, and nobody has answered. What is
 * meant for them waits until it asks again, a second later; here that can be had at once. Not thread-safe, one user.
 */
#ifndef SYS_RTNL_NEIGH_H
#define SYS_RTNL_NEIGH_H

#include <lb/addr.h>
#include <lb/err.h>
#include <lb/time.h>

struct rtnl_neigh;

struct rtnl_neighbour {
	struct lb_addr address;
	unsigned ifindex;
	lb_duration asked; /* how long ago the kernel began to ask, in steps of 10 ms */
};

/* NULL with a sentence. */
struct rtnl_neigh *rtnl_neigh_open(struct lb_err *err);
void rtnl_neigh_close(struct rtnl_neigh *n);
/* Becomes readable after rtnl_neigh_list. */
int rtnl_neigh_fd(const struct rtnl_neigh *n);

/* Have the kernel list its neighbours; nothing while a list is under way. 0 or -errno. */
int rtnl_neigh_list(struct rtnl_neigh *n);
/*
 * Read a share of the list, a few hundred neighbours, and visit those without an answer. True: there is more, once the
 * descriptor is readable; false: that was all, or the kernel did not give it.
 */
typedef void rtnl_on_neighbour(void *ctx, const struct rtnl_neighbour *neighbour);
bool rtnl_neigh_read(struct rtnl_neigh *n, rtnl_on_neighbour *on_neighbour, void *ctx);

/* Have the kernel ask for it anew, now; what waits for the answer goes on waiting. May be called while visiting. */
void rtnl_neigh_ask(struct rtnl_neigh *n, const struct rtnl_neighbour *neighbour);

#endif
