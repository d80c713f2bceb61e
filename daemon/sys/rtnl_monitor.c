#include "daemon/sys/rtnl_monitor.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "daemon/sys/rtnl_parse.h"

#define READS_PER_CALL 64

struct rtnl_monitor {
	struct mnl_socket *socket;
	char buf[32768];
};

struct rtnl_monitor *rtnl_monitor_open(struct lb_err *err)
{
	struct rtnl_monitor *m = calloc(1, sizeof(*m));

	if (!m) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	m->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->socket ||
	    mnl_socket_bind(m->socket, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, MNL_SOCKET_AUTOPID) < 0) {
		lb_err_errno(err, errno, "cannot watch rtnetlink");
		rtnl_monitor_close(m);
		return NULL;
	}
	return m;
}

void rtnl_monitor_close(struct rtnl_monitor *m)
{
	if (!m)
		return;
	if (m->socket)
		mnl_socket_close(m->socket);
	free(m);
}

int rtnl_monitor_fd(const struct rtnl_monitor *m)
{
	return mnl_socket_get_fd(m->socket);
}

static int on_message(const struct nlmsghdr *nlh, void *ctx)
{
	const struct rtnl_handlers *handlers = ctx;
	struct rtnl_link link;
	struct rtnl_address address;

	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (rtnl_parse_link(nlh, &link))
			handlers->link(handlers->ctx, &link, nlh->nlmsg_type == RTM_DELLINK);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (rtnl_parse_address(nlh, &address))
			handlers->address(handlers->ctx, &address, nlh->nlmsg_type == RTM_DELADDR);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

/* One datagram of the kernel; others may not speak here. -1 with errno, 0 to be skipped. */
static ssize_t receive(struct rtnl_monitor *m)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	ssize_t n =
	    recvfrom(rtnl_monitor_fd(m), m->buf, sizeof(m->buf), MSG_TRUNC, (struct sockaddr *)&from, &from_len);

	if (n > (ssize_t)sizeof(m->buf)) {
		errno = ENOBUFS;
		return -1;
	}
	return n < 0 || from.nl_pid == 0 ? n : 0;
}

void rtnl_monitor_read(struct rtnl_monitor *m, const struct rtnl_handlers *handlers)
{
	for (int i = 0; i < READS_PER_CALL; i++) {
		ssize_t n = receive(m);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 ||
		    mnl_cb_run(m->buf, (size_t)n, 0, 0, on_message, (void *)(uintptr_t)handlers) == MNL_CB_ERROR)
			handlers->overrun(handlers->ctx);
	}
}
