#include "daemon/sys/rtnl_neigh.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* The kernel counts the age of an entry in hundredths of a second. */
#define TICK LB_MSEC(10)

struct rtnl_neigh {
	struct mnl_socket *socket;
	unsigned port, sequence;
	unsigned listing; /* sequence of the list under way; 0 none */
	char request[256];
	char answer[8192];
};

struct rtnl_neigh *rtnl_neigh_open(struct lb_err *err)
{
	struct rtnl_neigh *n = calloc(1, sizeof(*n));

	if (!n) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		lb_err_errno(err, errno, "cannot ask rtnetlink for neighbours");
		rtnl_neigh_close(n);
		return NULL;
	}
	n->port = mnl_socket_get_portid(n->socket);
	return n;
}

void rtnl_neigh_close(struct rtnl_neigh *n)
{
	if (!n)
		return;
	if (n->socket)
		mnl_socket_close(n->socket);
	free(n);
}

int rtnl_neigh_fd(const struct rtnl_neigh *n)
{
	return mnl_socket_get_fd(n->socket);
}

static struct nlmsghdr *put_header(struct rtnl_neigh *n, char *where, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(where);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = ++n->sequence;
	return nlh;
}

int rtnl_neigh_list(struct rtnl_neigh *n)
{
	struct nlmsghdr *nlh;

	if (n->listing != 0)
		return 0;
	nlh = put_header(n, n->request, RTM_GETNEIGH, NLM_F_DUMP);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ndmsg));
	if (mnl_socket_sendto(n->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n->listing = nlh->nlmsg_seq;
	return 0;
}

struct neighbour_attrs {
	const struct nlattr *address, *cacheinfo;
};

static int on_attr(const struct nlattr *attr, void *data)
{
	struct neighbour_attrs *out = data;

	if (mnl_attr_get_type(attr) == NDA_DST)
		out->address = attr;
	else if (mnl_attr_get_type(attr) == NDA_CACHEINFO)
		out->cacheinfo = attr;
	return MNL_CB_OK;
}

/* False: not a whole entry, or one that has an answer or is not asked for. */
static bool parse_unanswered(const struct nlmsghdr *nlh, struct rtnl_neighbour *out)
{
	const struct ndmsg *entry = mnl_nlmsg_get_payload(nlh);
	const struct nda_cacheinfo *times;
	struct neighbour_attrs attrs = {0};

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*entry) ||
	    entry->ndm_state != NUD_INCOMPLETE || entry->ndm_ifindex <= 0 ||
	    mnl_attr_parse(nlh, sizeof(*entry), on_attr, &attrs) != MNL_CB_OK)
		return false;
	*out = (struct rtnl_neighbour){.address.family = entry->ndm_family, .ifindex = (unsigned)entry->ndm_ifindex};
	if (!attrs.address || lb_addr_size(&out->address) == 0 || !attrs.cacheinfo ||
	    mnl_attr_get_payload_len(attrs.address) != lb_addr_size(&out->address) ||
	    mnl_attr_get_payload_len(attrs.cacheinfo) < sizeof(*times))
		return false;
	memcpy(out->address.bytes, mnl_attr_get_payload(attrs.address), lb_addr_size(&out->address));
	times = mnl_attr_get_payload(attrs.cacheinfo);
	out->asked = times->ndm_updated * TICK;
	return true;
}

/* One datagram of the kernel; others may not speak here. -1 with errno, 0 to be skipped. */
static ssize_t receive(struct rtnl_neigh *n)
{
	struct sockaddr_nl from = {0};
	socklen_t from_len = sizeof(from);
	ssize_t got = recvfrom(rtnl_neigh_fd(n), n->answer, sizeof(n->answer), 0, (struct sockaddr *)&from, &from_len);

	return got < 0 || from.nl_pid == 0 ? got : 0;
}

bool rtnl_neigh_read(struct rtnl_neigh *n, rtnl_on_neighbour *on_neighbour, void *ctx)
{
	ssize_t got = receive(n);
	int left = (int)got;
	struct rtnl_neighbour neighbour;

	if (got < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		n->listing = 0;
	if (got < 0)
		return n->listing != 0;
	/* What is asked anew may be gone by then, which the kernel tells here as well: of no interest. */
	for (const struct nlmsghdr *nlh = (void *)n->answer; mnl_nlmsg_ok(nlh, left);
	     nlh = mnl_nlmsg_next(nlh, &left)) {
		bool listed = nlh->nlmsg_seq == n->listing;
		if (listed && (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR))
			n->listing = 0;
		else if (listed && parse_unanswered(nlh, &neighbour))
			on_neighbour(ctx, &neighbour);
	}
	return n->listing != 0;
}

static struct nlmsghdr *put_neighbour(struct rtnl_neigh *n, char *where, const struct rtnl_neighbour *neighbour,
				      uint8_t flags)
{
	struct nlmsghdr *nlh = put_header(n, where, RTM_NEWNEIGH, NLM_F_REPLACE);
	struct ndmsg *entry = mnl_nlmsg_put_extra_header(nlh, sizeof(*entry));

	entry->ndm_family = neighbour->address.family;
	entry->ndm_ifindex = (int)neighbour->ifindex;
	entry->ndm_state = NUD_NONE;
	entry->ndm_flags = flags;
	mnl_attr_put(nlh, NDA_DST, lb_addr_size(&neighbour->address), neighbour->address.bytes);
	return nlh;
}

/* Without a state an entry keeps what waits for it, and whoever then uses it makes the kernel ask. */
void rtnl_neigh_ask(struct rtnl_neigh *n, const struct rtnl_neighbour *neighbour)
{
	const struct nlmsghdr *forget = put_neighbour(n, n->request, neighbour, 0);
	const struct nlmsghdr *use = put_neighbour(n, n->request + forget->nlmsg_len, neighbour, NTF_USE);

	mnl_socket_sendto(n->socket, n->request, forget->nlmsg_len + use->nlmsg_len);
}
