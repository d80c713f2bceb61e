/*
 * rtnetlink: the few verbs needed to own an address. Requests are answered by the kernel at once; a bounded receive
 * timeout keeps a broken kernel from stopping the loop. Not thread-safe, one user.
 */
#ifndef SYS_RTNL_H
#define SYS_RTNL_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/err.h>

/* IFA_PROTO of every address that lbd adds (Linux 5.18; older kernels forget it). */
#define RTNL_ADDRESS_TAG 0x4c

#define RTNL_FOREVER UINT32_MAX

struct rtnl;

struct rtnl_link {
	unsigned index;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	bool has_mac; /* the interface has 6-byte hardware addresses */
	bool up;      /* administratively up and with carrier */
};

struct rtnl_address {
	struct lb_addr address;
	unsigned ifindex;
	uint8_t prefix;
	bool tagged;		/* carries RTNL_ADDRESS_TAG */
	uint32_t valid_seconds; /* what is left of its life, RTNL_FOREVER */
};

/* Open the request socket. NULL with a sentence. */
struct rtnl *rtnl_open(struct lb_err *err);
void rtnl_close(struct rtnl *r);

/* The link of that name or index; 0, or -errno (-ENODEV: there is none). */
int rtnl_link_by_name(struct rtnl *r, const char *name, struct rtnl_link *out);
int rtnl_link_by_index(struct rtnl *r, unsigned index, struct rtnl_link *out);

/*
 * Visit every address of one interface (0: of all). address is valid during the call, which must not use r. Where
 * others change addresses meanwhile, some are visited again.
 */
typedef void rtnl_on_address(void *ctx, const struct rtnl_address *address);
int rtnl_addresses(struct rtnl *r, unsigned ifindex, rtnl_on_address *on_address, void *ctx);

/*
 * Add the address as a single host (/32, /128) without a route for a prefix, tagged, deprecated as a source for other
 * traffic, valid for that many seconds; or set these of one that is there. 0 or -errno.
 */
int rtnl_address_set(struct rtnl *r, unsigned ifindex, const struct lb_addr *address, uint32_t valid_seconds);
/* Remove it; -EADDRNOTAVAIL when it is not there. */
int rtnl_address_delete(struct rtnl *r, unsigned ifindex, const struct lb_addr *address, uint8_t prefix);

#endif
