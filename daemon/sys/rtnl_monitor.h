/*
 * What the kernel tells unasked about links and addresses. Lost messages are told once (overrun): the user then looks
 * at the whole state himself.
 */
#ifndef SYS_RTNL_MONITOR_H
#define SYS_RTNL_MONITOR_H

#include "daemon/sys/rtnl.h"

struct rtnl_monitor;

struct rtnl_handlers {
	void (*link)(void *ctx, const struct rtnl_link *link, bool gone);
	void (*address)(void *ctx, const struct rtnl_address *address, bool gone);
	/* Messages were lost, or may have been. */
	void (*overrun)(void *ctx);
	void *ctx;
};

struct rtnl_monitor *rtnl_monitor_open(struct lb_err *err);
void rtnl_monitor_close(struct rtnl_monitor *m);
int rtnl_monitor_fd(const struct rtnl_monitor *m);

/* Read what is there, at most a bounded share; the descriptor stays readable while there is more. */
void rtnl_monitor_read(struct rtnl_monitor *m, const struct rtnl_handlers *handlers);

#endif
