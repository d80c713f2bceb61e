/*
 * Messages of one nf_tables transaction, built one after the other into a buffer; private to sys/nft.
 */
#ifndef SYS_NFT_MESSAGE_H
#define SYS_NFT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/time.h>

#define NFT_BATCH_BYTES 32768

/* A transaction: begin, messages, end. overflow: it did not fit or memory was short; it must not be sent. */
struct nft_batch {
	char bytes[NFT_BATCH_BYTES];
	size_t len;
	uint32_t sequence; /* of the last message; the kernel acknowledges that one */
	bool overflow;
};

/* A set of addresses of one of our tables. */
struct nft_set_name {
	uint16_t family; /* of the table: NFPROTO_INET, NFPROTO_ARP */
	const char *name;
	uint8_t address_family; /* of the elements */
};

void nft_batch_begin(struct nft_batch *b);
void nft_batch_end(struct nft_batch *b);

void nft_put_table(struct nft_batch *b, uint16_t family, uint32_t flags);
void nft_put_delete_table(struct nft_batch *b, uint16_t family);
/* Sets, chains and rules of the table of that family. */
void nft_put_guard(struct nft_batch *b, uint16_t family);

enum nft_element_verb { NFT_ELEMENT_ADD, NFT_ELEMENT_DELETE };

/*
 * Add or delete those of the addresses that fit the set's family; lasting 0: without an end, else the element ends that
 * long from when the kernel takes the message. false: none fits, nothing was put.
 */
bool nft_put_elements(struct nft_batch *b, enum nft_element_verb verb, const struct nft_set_name *set,
		      const struct lb_addr *addresses, size_t count, lb_duration lasting);

/* The sets of our tables. */
extern const struct nft_set_name nft_set_vips[3], nft_set_leases[3], nft_set_linger[2], nft_set_closing[2];

#endif
