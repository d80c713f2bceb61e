#include "daemon/sys/nft.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/sys/nft_message.h"

/*
 * The table belongs to this socket, so that "nft flush ruleset" of others leaves it alone, and outlives it (Linux 6.9),
 * because it must hold when this process dies. Older kernels know only the former flag, which alone would remove the
 * table at the moment of death: there the table belongs to nobody.
 */
#define TABLE_FLAGS_OWNED (0x2u | 0x4u) /* NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST */

/* Used to find out how the kernel refreshes an element; never an address of a packet. */
#define PROBE_FIRST  LB_SEC(10)
#define PROBE_SECOND LB_SEC(60)
static const struct lb_addr probe_address = {.family = AF_INET, .bytes = {0}};

#define LINGER_SETS (sizeof(nft_set_linger) / sizeof(nft_set_linger[0]))

struct nft {
	struct mnl_socket *socket;
	unsigned port;
	struct lb_addr *vips;
	size_t vip_count;
	bool arp;     /* the arp table is installed */
	bool extends; /* adding an element again extends its life (Linux 6.12); else it is deleted in between */
	lb_duration built, built_linger; /* the lengths that `lease` was built for; 0 none */
	struct nft_batch lease, scratch;
	char answer[16384];
};

struct nft *nft_open(void)
{
	struct nft *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!n->socket || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		int why = errno;

		nft_close(n);
		errno = why;
		return NULL;
	}
	n->port = mnl_socket_get_portid(n->socket);
	return n;
}

void nft_close(struct nft *n)
{
	if (!n)
		return;
	if (n->socket)
		mnl_socket_close(n->socket);
	free(n->vips);
	free(n);
}

/* ---- transactions ---- */

/* What one answer says: 1 the acknowledgement, 0 nothing of interest, or -errno. */
static int read_answer(const struct nlmsghdr *nlh, uint32_t sequence)
{
	const struct nlmsgerr *report = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*report))
		return 0;
	if (report->error != 0)
		return report->error;
	return nlh->nlmsg_seq == sequence ? 1 : 0;
}

/*
 * The kernel works a transaction off inside send, so its answers are here when send returns: the acknowledgement of the
 * last message, or the first error.
 */
static int collect(struct nft *n, uint32_t sequence)
{
	int result = 0;

	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->socket, n->answer, sizeof(n->answer));
		if (got < 0)
			break;
		int left = (int)got;
		for (const struct nlmsghdr *nlh = (const void *)n->answer; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left))
			if (result >= 0) {
				int said = read_answer(nlh, sequence);
				result = said != 0 ? said : result;
			}
	}
	return result == 0 ? -EIO : result < 0 ? result : 0;
}

static int send_batch(struct nft *n, const struct nft_batch *b)
{
	if (b->overflow)
		return -ENOMEM;
	/* Answers that nobody waited for. */
	while (mnl_socket_recvfrom(n->socket, n->answer, sizeof(n->answer)) >= 0)
		;
	if (mnl_socket_sendto(n->socket, b->bytes, b->len) < 0)
		return -errno;
	return collect(n, b->sequence);
}

static struct nft_batch *scratch(struct nft *n)
{
	nft_batch_begin(&n->scratch);
	return &n->scratch;
}

static int send_scratch(struct nft *n)
{
	nft_batch_end(&n->scratch);
	return send_batch(n, &n->scratch);
}

/* ---- how elements are refreshed ---- */

/* Put the elements so that they live that long from now, whatever they were before. */
static void put_lasting(const struct nft *n, struct nft_batch *b, const struct nft_set_name *set,
			const struct lb_addr *addresses, size_t count, lb_duration length)
{
	if (!nft_put_elements(b, NFT_ELEMENT_ADD, set, addresses, count, length) || n->extends)
		return;
	nft_put_elements(b, NFT_ELEMENT_DELETE, set, addresses, count, 0);
	nft_put_elements(b, NFT_ELEMENT_ADD, set, addresses, count, length);
}

/* As put_lasting, but gone: deleting what is not there would fail the transaction. */
static void put_gone(struct nft_batch *b, const struct nft_set_name *set, const struct lb_addr *addresses, size_t count)
{
	if (nft_put_elements(b, NFT_ELEMENT_ADD, set, addresses, count, LB_SEC(1)))
		nft_put_elements(b, NFT_ELEMENT_DELETE, set, addresses, count, 0);
}

static int on_element(struct nftnl_set_elem *elem, void *ctx)
{
	uint32_t len;
	const void *key = nftnl_set_elem_get(elem, NFTNL_SET_ELEM_KEY, &len);

	if (key && len == 4 && memcmp(key, probe_address.bytes, 4) == 0 &&
	    nftnl_set_elem_is_set(elem, NFTNL_SET_ELEM_EXPIRATION))
		*(uint64_t *)ctx = nftnl_set_elem_get_u64(elem, NFTNL_SET_ELEM_EXPIRATION);
	return 0;
}

/* What is left of the probe's life in milliseconds, 0 unknown. */
static uint64_t probe_expiration(struct nft *n)
{
	struct nftnl_set *set = nftnl_set_alloc();
	uint64_t left = 0;
	struct nlmsghdr *nlh;
	ssize_t got;

	if (!set)
		return 0;
	nftnl_set_set_str(set, NFTNL_SET_TABLE, "lbd");
	nftnl_set_set_str(set, NFTNL_SET_NAME, nft_set_leases[0].name);
	nlh = nftnl_nlmsg_build_hdr(n->scratch.bytes, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 1);
	nftnl_set_elems_nlmsg_build_payload(nlh, set);
	if (mnl_socket_sendto(n->socket, nlh, nlh->nlmsg_len) >= 0)
		while ((got = mnl_socket_recvfrom(n->socket, n->answer, sizeof(n->answer))) > 0) {
			int rest = (int)got;
			for (nlh = (void *)n->answer; mnl_nlmsg_ok(nlh, rest); nlh = mnl_nlmsg_next(nlh, &rest))
				if (nlh->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSETELEM))
					nftnl_set_elems_nlmsg_parse(nlh, set);
		}
	nftnl_set_elem_foreach(set, on_element, &left);
	nftnl_set_free(set);
	return left;
}

/* Does adding an element again extend its life? Tried out, because kernel versions are patched. */
static bool probe_extends(struct nft *n)
{
	uint64_t left;

	nft_put_elements(scratch(n), NFT_ELEMENT_ADD, &nft_set_leases[0], &probe_address, 1, PROBE_FIRST);
	if (send_scratch(n) != 0)
		return false;
	nft_put_elements(scratch(n), NFT_ELEMENT_ADD, &nft_set_leases[0], &probe_address, 1, PROBE_SECOND);
	left = send_scratch(n) == 0 ? probe_expiration(n) : 0;
	nft_put_elements(scratch(n), NFT_ELEMENT_DELETE, &nft_set_leases[0], &probe_address, 1, 0);
	send_scratch(n);
	return left > (uint64_t)(PROBE_FIRST / LB_MSEC(1));
}

/* ---- verbs ---- */

static int remove_table(struct nft *n, uint16_t family)
{
	nft_put_delete_table(scratch(n), family);
	int rc = send_scratch(n);

	return rc == -ENOENT ? 0 : rc;
}

int nft_remove(struct nft *n)
{
	int inet = remove_table(n, NFPROTO_INET), arp = remove_table(n, NFPROTO_ARP);

	n->arp = false;
	/* A kernel without a family has no table of it. */
	if (arp == -EAFNOSUPPORT || arp == -EOPNOTSUPP)
		arp = 0;
	return inet != 0 ? inet : arp;
}

bool nft_held_by_another(struct nft *n)
{
	/* An element that guards nothing and ends at once. */
	nft_put_elements(scratch(n), NFT_ELEMENT_ADD, &nft_set_leases[0], &probe_address, 1, LB_MSEC(1));
	return send_scratch(n) == -EPERM;
}

static int install_table(struct nft *n, uint16_t family, uint32_t flags)
{
	struct nft_batch *b = scratch(n);

	nft_put_table(b, family, flags);
	nft_put_guard(b, family);
	for (size_t i = 0; i < 3; i++)
		if (nft_set_vips[i].family == family)
			nft_put_elements(b, NFT_ELEMENT_ADD, &nft_set_vips[i], n->vips, n->vip_count, 0);
	return send_scratch(n);
}

static int install_family(struct nft *n, uint16_t family)
{
	int rc = install_table(n, family, TABLE_FLAGS_OWNED);

	return rc == -EOPNOTSUPP || rc == -EINVAL ? install_table(n, family, 0) : rc;
}

static bool remember(struct nft *n, const struct lb_addr *vips, size_t count)
{
	struct lb_addr *copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return false;
	memcpy(copy, vips, count * sizeof(*copy));
	free(n->vips);
	n->vips = copy;
	n->vip_count = count;
	n->built = 0;
	return true;
}

/* A table whose owner died is nobody's and may be taken (Linux 6.9); on older kernels it belongs to nobody anyway. */
static int own_table(struct nft *n, uint16_t family)
{
	int rc;

	nft_put_table(scratch(n), family, TABLE_FLAGS_OWNED);
	rc = send_scratch(n);
	return rc == -EOPNOTSUPP || rc == -EINVAL ? 0 : rc;
}

int nft_adopt(struct nft *n, const struct lb_addr *vips, size_t count, bool arp_guarded)
{
	int rc;

	if (!remember(n, vips, count))
		return -ENOMEM;
	n->arp = arp_guarded;
	/* The way that works on every kernel: the first lease must not wait for it to be tried out. */
	n->extends = false;
	rc = own_table(n, NFPROTO_INET);
	return rc == 0 && arp_guarded ? own_table(n, NFPROTO_ARP) : rc;
}

int nft_install(struct nft *n, const struct lb_addr *vips, size_t count, bool *arp_guarded)
{
	int rc;

	if (!remember(n, vips, count))
		return -ENOMEM;
	rc = nft_remove(n);
	if (rc == 0)
		rc = install_family(n, NFPROTO_INET);
	if (rc == 0)
		n->arp = install_family(n, NFPROTO_ARP) == 0;
	n->extends = rc == 0 && probe_extends(n);
	*arp_guarded = n->arp;
	return rc;
}

static size_t lease_sets(const struct nft *n)
{
	return n->arp ? 3 : 2;
}

int nft_lease(struct nft *n, lb_duration length, lb_duration linger)
{
	if (n->built != length || n->built_linger != linger) {
		nft_batch_begin(&n->lease);
		for (size_t i = 0; i < lease_sets(n); i++)
			put_lasting(n, &n->lease, &nft_set_leases[i], n->vips, n->vip_count, length);
		for (size_t i = 0; i < LINGER_SETS; i++)
			put_lasting(n, &n->lease, &nft_set_linger[i], n->vips, n->vip_count, length + linger);
		nft_batch_end(&n->lease);
		n->built = length;
		n->built_linger = linger;
	}
	return send_batch(n, &n->lease);
}

int nft_end_lease(struct nft *n)
{
	struct nft_batch *b = scratch(n);

	for (size_t i = 0; i < lease_sets(n); i++)
		put_gone(b, &nft_set_leases[i], n->vips, n->vip_count);
	for (size_t i = 0; i < LINGER_SETS; i++)
		put_gone(b, &nft_set_linger[i], n->vips, n->vip_count);
	return send_scratch(n);
}

int nft_closing(struct nft *n, lb_duration length)
{
	struct nft_batch *b = scratch(n);

	for (size_t i = 0; i < sizeof(nft_set_closing) / sizeof(nft_set_closing[0]); i++) {
		if (length > 0)
			put_lasting(n, b, &nft_set_closing[i], n->vips, n->vip_count, length);
		else
			put_gone(b, &nft_set_closing[i], n->vips, n->vip_count);
	}
	return send_scratch(n);
}
