#include "daemon/sys/rtnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "daemon/sys/rtnl_parse.h"

#define ANSWER_TIMEOUT_USEC 200000

/* Listing again after a list that changed under way. */
#define DUMP_ATTEMPTS 3

struct rtnl {
	struct mnl_socket *socket;
	unsigned port, sequence;
	char request[512];
	char answer[32768];
};

struct rtnl *rtnl_open(struct lb_err *err)
{
	struct timeval timeout = {.tv_usec = ANSWER_TIMEOUT_USEC};
	struct rtnl *r = calloc(1, sizeof(*r));
	int on = 1;

	if (!r) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->socket || mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		lb_err_errno(err, errno, "cannot open rtnetlink");
		rtnl_close(r);
		return NULL;
	}
	setsockopt(mnl_socket_get_fd(r->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	/* Lets the kernel filter a dump by interface (Linux 4.20); older ones dump all, which the parser sorts out. */
	mnl_socket_setsockopt(r->socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	r->port = mnl_socket_get_portid(r->socket);
	return r;
}

void rtnl_close(struct rtnl *r)
{
	if (!r)
		return;
	if (r->socket)
		mnl_socket_close(r->socket);
	free(r);
}

static struct nlmsghdr *begin(struct rtnl *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(r->request);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = ++r->sequence;
	return nlh;
}

/*
 * A dump that changed under way carries a mark at which libmnl stops in the middle, and a dump that is not read to its
 * end blocks the next one. So the mark is taken off, and remembered.
 */
static bool unmark_interrupted(char *answer, ssize_t n)
{
	bool interrupted = false;
	int left = (int)n;

	for (struct nlmsghdr *nlh = (void *)answer; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
		nlh->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
	}
	return interrupted;
}

/* Send and read until the kernel has said everything; 0 or -errno (-EINTR: the dump changed under way). */
static int talk(struct rtnl *r, const struct nlmsghdr *nlh, mnl_cb_t callback, void *ctx)
{
	bool dump = (nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP, interrupted = false;
	ssize_t n;
	int rc;

	if (mnl_socket_sendto(r->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(r->socket, r->answer, sizeof(r->answer));
		if (n < 0)
			return -errno;
		interrupted |= dump && unmark_interrupted(r->answer, n);
		rc = mnl_cb_run(r->answer, (size_t)n, nlh->nlmsg_seq, r->port, callback, ctx);
		/* The late answer to a request that was given up on: not ours any more. */
		if (rc == MNL_CB_ERROR && errno == EPROTO)
			rc = MNL_CB_OK;
	} while (rc == MNL_CB_OK);
	if (rc == MNL_CB_ERROR)
		return -errno;
	return interrupted ? -EINTR : 0;
}

static int on_link(const struct nlmsghdr *nlh, void *ctx)
{
	struct rtnl_link *out = ctx;

	if (nlh->nlmsg_type == RTM_NEWLINK && rtnl_parse_link(nlh, out))
		return MNL_CB_STOP;
	return MNL_CB_OK;
}

static int query_link(struct rtnl *r, const char *name, unsigned index, struct rtnl_link *out)
{
	struct nlmsghdr *nlh = begin(r, RTM_GETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)index;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	return talk(r, nlh, on_link, out);
}

int rtnl_link_by_name(struct rtnl *r, const char *name, struct rtnl_link *out)
{
	return query_link(r, name, 0, out);
}

int rtnl_link_by_index(struct rtnl *r, unsigned index, struct rtnl_link *out)
{
	return query_link(r, NULL, index, out);
}

struct address_walk {
	unsigned ifindex;
	rtnl_on_address *on_address;
	void *ctx;
};

static int on_address(const struct nlmsghdr *nlh, void *ctx)
{
	struct address_walk *walk = ctx;
	struct rtnl_address address;

	if (nlh->nlmsg_type == RTM_NEWADDR && rtnl_parse_address(nlh, &address) &&
	    (walk->ifindex == 0 || walk->ifindex == address.ifindex))
		walk->on_address(walk->ctx, &address);
	return MNL_CB_OK;
}

int rtnl_addresses(struct rtnl *r, unsigned ifindex, rtnl_on_address *callback, void *ctx)
{
	struct address_walk walk = {.ifindex = ifindex, .on_address = callback, .ctx = ctx};
	int rc = -EINTR;

	for (int i = 0; i < DUMP_ATTEMPTS && rc == -EINTR; i++) {
		struct nlmsghdr *nlh = begin(r, RTM_GETADDR, NLM_F_DUMP);
		struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));
		info->ifa_family = AF_UNSPEC;
		info->ifa_index = ifindex;
		rc = talk(r, nlh, on_address, &walk);
	}
	/* Others keep changing addresses; what was seen is as good as it gets. */
	return rc == -EINTR ? 0 : rc;
}

static struct ifaddrmsg *put_address(struct nlmsghdr *nlh, unsigned ifindex, const struct lb_addr *address,
				     uint8_t prefix)
{
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(nlh, sizeof(*info));

	info->ifa_family = address->family;
	info->ifa_prefixlen = prefix;
	info->ifa_scope = RT_SCOPE_UNIVERSE;
	info->ifa_index = ifindex;
	mnl_attr_put(nlh, IFA_LOCAL, lb_addr_size(address), address->bytes);
	mnl_attr_put(nlh, IFA_ADDRESS, lb_addr_size(address), address->bytes);
	return info;
}

int rtnl_address_set(struct rtnl *r, unsigned ifindex, const struct lb_addr *address, uint32_t valid_seconds)
{
	struct nlmsghdr *nlh = begin(r, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
	struct ifa_cacheinfo life = {.ifa_valid = valid_seconds, .ifa_prefered = 0};
	uint32_t flags = IFA_F_NOPREFIXROUTE | (address->family == AF_INET6 ? IFA_F_NODAD : 0);

	put_address(nlh, ifindex, address, (uint8_t)(lb_addr_size(address) * 8));
	mnl_attr_put_u32(nlh, IFA_FLAGS, flags);
	mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(life), &life);
	mnl_attr_put_u8(nlh, IFA_PROTO, RTNL_ADDRESS_TAG);
	return talk(r, nlh, NULL, NULL);
}

int rtnl_address_delete(struct rtnl *r, unsigned ifindex, const struct lb_addr *address, uint8_t prefix)
{
	struct nlmsghdr *nlh = begin(r, RTM_DELADDR, NLM_F_ACK);

	put_address(nlh, ifindex, address, prefix);
	return talk(r, nlh, NULL, NULL);
}
