#include "daemon/sys/nft_rule.h"

/* Before the kernel's headers, which then leave out what these define. */
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define NETWORK	  .base = NFT_PAYLOAD_NETWORK_HEADER
#define TRANSPORT .base = NFT_PAYLOAD_TRANSPORT_HEADER
#define SADDR4	  NETWORK, .offset = 12, .len = 4
#define DADDR4	  NETWORK, .offset = 16, .len = 4
#define SADDR6	  NETWORK, .offset = 8, .len = 16
#define DADDR6	  NETWORK, .offset = 24, .len = 16
#define ARP_SADDR NETWORK, .offset = 14, .len = 4
#define ARP_DADDR NETWORK, .offset = 24, .len = 4
#define ND_TARGET TRANSPORT, .offset = 8, .len = 16

/* SYN without ACK, RST or FIN: the beginning of a connection. */
#define TCP_FLAGS      TRANSPORT, .offset = 13
#define TCP_FLAGS_MASK 0x17
#define TCP_SYN_ONLY   0x02

/* clang-format off */
const struct nft_match nft_rule_to_vip4[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV4},
	{NFT_MATCH_IN, DADDR4, .set = "vips4"},
	{NFT_MATCH_NOT_IN, DADDR4, .set = "linger4"},
	{.kind = NFT_MATCH_END},
};
const struct nft_match nft_rule_to_vip6[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV6},
	{NFT_MATCH_IN, DADDR6, .set = "vips6"},
	{NFT_MATCH_NOT_IN, DADDR6, .set = "linger6"},
	{.kind = NFT_MATCH_END},
};
const struct nft_match nft_rule_from_vip4[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV4},
	{NFT_MATCH_IN, SADDR4, .set = "vips4"},
	{NFT_MATCH_NOT_IN, SADDR4, .set = "linger4"},
	{.kind = NFT_MATCH_END},
};
const struct nft_match nft_rule_from_vip6[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV6},
	{NFT_MATCH_IN, SADDR6, .set = "vips6"},
	{NFT_MATCH_NOT_IN, SADDR6, .set = "linger6"},
	{.kind = NFT_MATCH_END},
};

/* Without a lease no connection begins, while those that stand may end what they were about. */
const struct nft_match nft_rule_syn_to_vip4[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV4},
	{NFT_MATCH_L4PROTO, .value = IPPROTO_TCP},
	{NFT_MATCH_IN, DADDR4, .set = "vips4"},
	{NFT_MATCH_NOT_IN, DADDR4, .set = "lease4"},
	{NFT_MATCH_BYTE, TCP_FLAGS, .mask = TCP_FLAGS_MASK, .value = TCP_SYN_ONLY},
	{.kind = NFT_MATCH_END},
};
const struct nft_match nft_rule_syn_to_vip6[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV6},
	{NFT_MATCH_L4PROTO, .value = IPPROTO_TCP},
	{NFT_MATCH_IN, DADDR6, .set = "vips6"},
	{NFT_MATCH_NOT_IN, DADDR6, .set = "lease6"},
	{NFT_MATCH_BYTE, TCP_FLAGS, .mask = TCP_FLAGS_MASK, .value = TCP_SYN_ONLY},
	{.kind = NFT_MATCH_END},
};

/* A solicitation goes to a multicast group, so its target is looked at instead of its destination. */
const struct nft_match nft_rule_solicit_vip6[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV6},
	{NFT_MATCH_L4PROTO, .value = IPPROTO_ICMPV6},
	{NFT_MATCH_BYTE, TRANSPORT, .offset = 0, .mask = 0xff, .value = ND_NEIGHBOR_SOLICIT},
	{NFT_MATCH_IN, ND_TARGET, .set = "vips6"},
	{NFT_MATCH_NOT_IN, ND_TARGET, .set = "lease6"},
	{.kind = NFT_MATCH_END},
};

const struct nft_match nft_rule_syn_to_closing4[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV4},
	{NFT_MATCH_L4PROTO, .value = IPPROTO_TCP},
	{NFT_MATCH_IN, DADDR4, .set = "closing4"},
	{NFT_MATCH_BYTE, TCP_FLAGS, .mask = TCP_FLAGS_MASK, .value = TCP_SYN_ONLY},
	{.kind = NFT_MATCH_END},
};
const struct nft_match nft_rule_syn_to_closing6[] = {
	{NFT_MATCH_NFPROTO, .value = NFPROTO_IPV6},
	{NFT_MATCH_L4PROTO, .value = IPPROTO_TCP},
	{NFT_MATCH_IN, DADDR6, .set = "closing6"},
	{NFT_MATCH_BYTE, TCP_FLAGS, .mask = TCP_FLAGS_MASK, .value = TCP_SYN_ONLY},
	{.kind = NFT_MATCH_END},
};

/* A question for the VIP. Gratuitous ones (the sender is the VIP) pass: they tell this host who the owner is. */
const struct nft_match nft_rule_arp_for_vip[] = {
	{NFT_MATCH_IN, ARP_DADDR, .set = "vips4"},
	{NFT_MATCH_NOT_IN, ARP_SADDR, .set = "vips4"},
	{NFT_MATCH_NOT_IN, ARP_DADDR, .set = "lease4"},
	{.kind = NFT_MATCH_END},
};
const struct nft_match nft_rule_arp_from_vip[] = {
	{NFT_MATCH_IN, ARP_SADDR, .set = "vips4"},
	{NFT_MATCH_NOT_IN, ARP_SADDR, .set = "lease4"},
	{.kind = NFT_MATCH_END},
};
/* clang-format on */

static struct nftnl_expr *add(struct nftnl_rule *rule, const char *name)
{
	struct nftnl_expr *expr = nftnl_expr_alloc(name);

	if (expr)
		nftnl_rule_add_expr(rule, expr);
	return expr;
}

static bool add_meta(struct nftnl_rule *rule, uint32_t key)
{
	struct nftnl_expr *expr = add(rule, "meta");

	if (!expr)
		return false;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
	return true;
}

static bool add_payload(struct nftnl_rule *rule, const struct nft_match *match, uint32_t len)
{
	struct nftnl_expr *expr = add(rule, "payload");

	if (!expr)
		return false;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, match->base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, match->offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
	return true;
}

static bool add_mask(struct nftnl_rule *rule, uint8_t mask)
{
	static const uint8_t zero;
	struct nftnl_expr *expr = add(rule, "bitwise");

	if (!expr)
		return false;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, 1);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &mask, 1);
	nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &zero, 1);
	return true;
}

static bool add_equal(struct nftnl_rule *rule, uint8_t value)
{
	struct nftnl_expr *expr = add(rule, "cmp");

	if (!expr)
		return false;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, NFT_CMP_EQ);
	nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, &value, 1);
	return true;
}

static bool add_lookup(struct nftnl_rule *rule, const struct nft_match *match)
{
	struct nftnl_expr *expr = add(rule, "lookup");

	if (!expr)
		return false;
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG_1);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, match->set);
	if (match->kind == NFT_MATCH_NOT_IN)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	return true;
}

static bool add_drop(struct nftnl_rule *rule)
{
	struct nftnl_expr *counter = add(rule, "counter");
	struct nftnl_expr *verdict = add(rule, "immediate");

	if (!counter || !verdict)
		return false;
	nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(verdict, NFTNL_EXPR_IMM_VERDICT, NF_DROP);
	return true;
}

static bool add_match(struct nftnl_rule *rule, const struct nft_match *match)
{
	switch (match->kind) {
	case NFT_MATCH_NFPROTO:
		return add_meta(rule, NFT_META_NFPROTO) && add_equal(rule, match->value);
	case NFT_MATCH_L4PROTO:
		return add_meta(rule, NFT_META_L4PROTO) && add_equal(rule, match->value);
	case NFT_MATCH_BYTE:
		return add_payload(rule, match, 1) && (match->mask == 0xff || add_mask(rule, match->mask)) &&
		       add_equal(rule, match->value);
	case NFT_MATCH_IN:
	case NFT_MATCH_NOT_IN:
		return add_payload(rule, match, match->len) && add_lookup(rule, match);
	case NFT_MATCH_END:
		break;
	}
	return true;
}

struct nftnl_rule *nft_rule_make(const struct nft_match *matches)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	bool ok = rule != NULL;

	for (; ok && matches->kind != NFT_MATCH_END; matches++)
		ok = add_match(rule, matches);
	if (ok && add_drop(rule))
		return rule;
	if (rule)
		nftnl_rule_free(rule);
	return NULL;
}
