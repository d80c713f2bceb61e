#include "daemon/sys/nft_message.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "daemon/sys/nft_rule.h"

#define TABLE "lbd"

/* Length of a message in the buffer; libmnl's own macro mixes signs. */
#define ALIGNED(len) (((size_t)(len) + MNL_ALIGNTO - 1) & ~((size_t)MNL_ALIGNTO - 1))

/* Room that a message must find before it is built; the longest one holds 32 IPv6 elements. */
#define MESSAGE_MAX 4096

/* Types of set keys as nft(8) numbers them, so that it can list the sets. */
#define KEY_TYPE_IPV4 7
#define KEY_TYPE_IPV6 8

const struct nft_set_name nft_set_vips[3] = {
    {NFPROTO_INET, "vips4", AF_INET },
    {NFPROTO_INET, "vips6", AF_INET6},
    {NFPROTO_ARP,  "vips4", AF_INET },
};
const struct nft_set_name nft_set_leases[3] = {
    {NFPROTO_INET, "lease4", AF_INET },
    {NFPROTO_INET, "lease6", AF_INET6},
    {NFPROTO_ARP,  "lease4", AF_INET },
};
const struct nft_set_name nft_set_linger[2] = {
    {NFPROTO_INET, "linger4", AF_INET },
    {NFPROTO_INET, "linger6", AF_INET6},
};
const struct nft_set_name nft_set_closing[2] = {
    {NFPROTO_INET, "closing4", AF_INET },
    {NFPROTO_INET, "closing6", AF_INET6},
};

static char *room(struct nft_batch *b)
{
	if (b->len + MESSAGE_MAX > sizeof(b->bytes))
		b->overflow = true;
	return b->overflow ? NULL : b->bytes + b->len;
}

void nft_batch_begin(struct nft_batch *b)
{
	b->sequence = 0;
	b->overflow = false;
	b->len = nftnl_batch_begin(b->bytes, 0)->nlmsg_len;
}

/* The last message before the end asks for an acknowledgement, which stands for the whole transaction. */
void nft_batch_end(struct nft_batch *b)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)b->bytes;
	char *at = room(b);

	if (!at)
		return;
	while ((char *)nlh + ALIGNED(nlh->nlmsg_len) < at)
		nlh = (struct nlmsghdr *)(void *)((char *)nlh + ALIGNED(nlh->nlmsg_len));
	nlh->nlmsg_flags |= NLM_F_ACK;
	b->len += nftnl_batch_end(at, b->sequence + 1)->nlmsg_len;
}

static struct nlmsghdr *begin(struct nft_batch *b, uint16_t type, uint16_t family, uint16_t flags)
{
	char *at = room(b);

	return at ? nftnl_nlmsg_build_hdr(at, type, family, flags, ++b->sequence) : NULL;
}

static void end(struct nft_batch *b, const struct nlmsghdr *nlh)
{
	b->len += ALIGNED(nlh->nlmsg_len);
}

static void put_table(struct nft_batch *b, uint16_t type, uint16_t family, uint32_t flags)
{
	struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh = begin(b, type, family, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);

	if (!table || !nlh) {
		b->overflow = true;
	} else {
		nftnl_table_set_u32(table, NFTNL_TABLE_FAMILY, family);
		nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
		if (flags)
			nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, flags);
		nftnl_table_nlmsg_build_payload(nlh, table);
		end(b, nlh);
	}
	if (table)
		nftnl_table_free(table);
}

void nft_put_table(struct nft_batch *b, uint16_t family, uint32_t flags)
{
	put_table(b, NFT_MSG_NEWTABLE, family, flags);
}

void nft_put_delete_table(struct nft_batch *b, uint16_t family)
{
	put_table(b, NFT_MSG_DELTABLE, family, 0);
}

static struct nftnl_set *make_set(const struct nft_set_name *name)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set)
		return NULL;
	nftnl_set_set_u32(set, NFTNL_SET_FAMILY, name->family);
	nftnl_set_set_str(set, NFTNL_SET_TABLE, TABLE);
	nftnl_set_set_str(set, NFTNL_SET_NAME, name->name);
	return set;
}

static void put_set(struct nft_batch *b, const struct nft_set_name *name, uint32_t id, uint32_t flags)
{
	bool v6 = name->address_family == AF_INET6;
	struct nftnl_set *set = make_set(name);
	struct nlmsghdr *nlh = begin(b, NFT_MSG_NEWSET, name->family, NLM_F_CREATE);

	if (!set || !nlh) {
		b->overflow = true;
	} else {
		nftnl_set_set_u32(set, NFTNL_SET_ID, id);
		nftnl_set_set_u32(set, NFTNL_SET_FLAGS, flags);
		nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, v6 ? KEY_TYPE_IPV6 : KEY_TYPE_IPV4);
		nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, v6 ? 16 : 4);
		nftnl_set_nlmsg_build_payload(nlh, set);
		end(b, nlh);
	}
	if (set)
		nftnl_set_free(set);
}

bool nft_put_elements(struct nft_batch *b, enum nft_element_verb verb, const struct nft_set_name *name,
		      const struct lb_addr *addresses, size_t count, lb_duration lasting)
{
	bool add = verb == NFT_ELEMENT_ADD;
	struct nftnl_set *set = make_set(name);
	struct nlmsghdr *nlh;
	size_t fitting = 0;

	for (size_t i = 0; set && i < count; i++) {
		struct nftnl_set_elem *elem;
		if (addresses[i].family != name->address_family || !(elem = nftnl_set_elem_alloc()))
			continue;
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, addresses[i].bytes, (uint32_t)lb_addr_size(&addresses[i]));
		if (add && lasting) {
			nftnl_set_elem_set_u64(elem, NFTNL_SET_ELEM_TIMEOUT, (uint64_t)(lasting / LB_MSEC(1)));
			nftnl_set_elem_set_u64(elem, NFTNL_SET_ELEM_EXPIRATION, (uint64_t)(lasting / LB_MSEC(1)));
		}
		nftnl_set_elem_add(set, elem);
		fitting++;
	}
	if (fitting == 0) {
		b->overflow |= !set;
	} else if ((nlh = begin(b, add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, name->family,
				add ? NLM_F_CREATE : 0))) {
		nftnl_set_elems_nlmsg_build_payload(nlh, set);
		end(b, nlh);
	}
	if (set)
		nftnl_set_free(set);
	return fitting > 0;
}

static void put_chain(struct nft_batch *b, uint16_t family, const char *name, uint32_t hook, int32_t priority)
{
	struct nftnl_chain *chain = nftnl_chain_alloc();
	struct nlmsghdr *nlh = begin(b, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);

	if (!chain || !nlh) {
		b->overflow = true;
	} else {
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_FAMILY, family);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
		nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
		nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		nftnl_chain_nlmsg_build_payload(nlh, chain);
		end(b, nlh);
	}
	if (chain)
		nftnl_chain_free(chain);
}

static void put_rule(struct nft_batch *b, uint16_t family, const char *chain, const struct nft_match *matches)
{
	struct nftnl_rule *rule = nft_rule_make(matches);
	struct nlmsghdr *nlh = begin(b, NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND);

	if (!rule || !nlh) {
		b->overflow = true;
	} else {
		nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, family);
		nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TABLE);
		nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
		nftnl_rule_nlmsg_build_payload(nlh, rule);
		end(b, nlh);
	}
	if (rule)
		nftnl_rule_free(rule);
}

/* Before connection tracking, so that a packet without a lease leaves no trace. */
#define PRIORITY_RAW (-300)

static void put_inet_guard(struct nft_batch *b)
{
	for (size_t i = 0; i < 2; i++) {
		put_set(b, &nft_set_vips[i], (uint32_t)i + 1, 0);
		put_set(b, &nft_set_leases[i], (uint32_t)i + 3, NFT_SET_TIMEOUT);
		put_set(b, &nft_set_closing[i], (uint32_t)i + 5, NFT_SET_TIMEOUT);
		put_set(b, &nft_set_linger[i], (uint32_t)i + 7, NFT_SET_TIMEOUT);
	}
	put_chain(b, NFPROTO_INET, "input", NF_INET_LOCAL_IN, PRIORITY_RAW);
	put_chain(b, NFPROTO_INET, "output", NF_INET_LOCAL_OUT, PRIORITY_RAW);
	put_rule(b, NFPROTO_INET, "input", nft_rule_to_vip4);
	put_rule(b, NFPROTO_INET, "input", nft_rule_to_vip6);
	put_rule(b, NFPROTO_INET, "input", nft_rule_syn_to_vip4);
	put_rule(b, NFPROTO_INET, "input", nft_rule_syn_to_vip6);
	put_rule(b, NFPROTO_INET, "input", nft_rule_solicit_vip6);
	put_rule(b, NFPROTO_INET, "input", nft_rule_syn_to_closing4);
	put_rule(b, NFPROTO_INET, "input", nft_rule_syn_to_closing6);
	put_rule(b, NFPROTO_INET, "output", nft_rule_from_vip4);
	put_rule(b, NFPROTO_INET, "output", nft_rule_from_vip6);
}

static void put_arp_guard(struct nft_batch *b)
{
	put_set(b, &nft_set_vips[2], 1, 0);
	put_set(b, &nft_set_leases[2], 2, NFT_SET_TIMEOUT);
	put_chain(b, NFPROTO_ARP, "input", 0, 0);  /* NF_ARP_IN */
	put_chain(b, NFPROTO_ARP, "output", 1, 0); /* NF_ARP_OUT */
	put_rule(b, NFPROTO_ARP, "input", nft_rule_arp_for_vip);
	put_rule(b, NFPROTO_ARP, "output", nft_rule_arp_from_vip);
}

void nft_put_guard(struct nft_batch *b, uint16_t family)
{
	if (family == NFPROTO_ARP)
		put_arp_guard(b);
	else
		put_inet_guard(b);
}
