/*
 * The kernel's lease on the VIPs: tables `lbd` of nf_tables in the families inet and arp, owned by lbd alone.
 *
 * New connections to a VIP, ARP answers for it and neighbour solicitations of it pass only while the VIP's element in
 * the set of leases lives, every other packet to or from it a little longer: a request that was taken in at the last
 * moment is still answered. Elements end by themselves, so the proof of life is a refresh. New connections to a
 * VIP that is `closing` are dropped: the client's retransmission finds the next owner.
 */
#ifndef SYS_NFT_H
#define SYS_NFT_H

#include <stdbool.h>
#include <stddef.h>

#include <lb/addr.h>
#include <lb/time.h>

struct nft;

/* NULL with errno, where this kernel or this process has no nf_tables. */
struct nft *nft_open(void);
void nft_close(struct nft *n);

/*
 * Replace whatever tables of ours are there by new ones that guard these VIPs, none of them leased. ARP is guarded too
 * unless the kernel cannot (*arp_guarded false). 0 or -errno; -EPERM, -EOPNOTSUPP, -ENOENT, -EAFNOSUPPORT: this kernel
 * or this process has no nf_tables.
 */
int nft_install(struct nft *n, const struct lb_addr *vips, size_t count, bool *arp_guarded);
/*
 * Go on with the tables that a former process of this very program installed for these VIPs; their leases go on too.
 * 0 or -errno; where they are not what they were, nft_lease says -ENOENT.
 */
int nft_adopt(struct nft *n, const struct lb_addr *vips, size_t count, bool arp_guarded);
/* Remove our tables; 0 also when there are none. */
int nft_remove(struct nft *n);

/* Our tables are there and belong to another, living process (Linux 6.9; older kernels cannot tell). */
bool nft_held_by_another(struct nft *n);

/*
 * Lease every installed VIP for that long from now, and let connections that stand linger for that much longer;
 * allocates nothing unless one of the two changed. 0 or -errno; -ENOENT: somebody removed our tables.
 */
int nft_lease(struct nft *n, lb_duration length, lb_duration linger);
/* End every lease now, and whatever lingers. */
int nft_end_lease(struct nft *n);

/* Drop new connections to every VIP for that long; 0 ends it. */
int nft_closing(struct nft *n, lb_duration length);

#endif
