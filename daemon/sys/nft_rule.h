/*
 * The rules of the fence as tables of matches, and their translation into nf_tables expressions; private to sys/nft.
 * A rule drops (and counts) the packets for which every match holds.
 */
#ifndef SYS_NFT_RULE_H
#define SYS_NFT_RULE_H

#include <libnftnl/rule.h>
#include <stdint.h>

enum nft_match_kind {
	NFT_MATCH_END,
	NFT_MATCH_NFPROTO, /* IP family of the packet is value */
	NFT_MATCH_L4PROTO, /* transport protocol is value */
	NFT_MATCH_BYTE,	   /* the byte at offset, masked, is value */
	NFT_MATCH_IN,	   /* the len bytes at offset are in the set */
	NFT_MATCH_NOT_IN,
};

struct nft_match {
	enum nft_match_kind kind;
	uint32_t base, offset, len; /* base: NFT_PAYLOAD_* */
	uint8_t mask, value;
	const char *set;
};

extern const struct nft_match nft_rule_to_vip4[], nft_rule_to_vip6[], nft_rule_from_vip4[], nft_rule_from_vip6[],
    nft_rule_syn_to_vip4[], nft_rule_syn_to_vip6[], nft_rule_solicit_vip6[], nft_rule_syn_to_closing4[],
    nft_rule_syn_to_closing6[], nft_rule_arp_for_vip[], nft_rule_arp_from_vip[];

/* NULL when memory is short; freed by the caller. */
struct nftnl_rule *nft_rule_make(const struct nft_match *matches);

#endif
