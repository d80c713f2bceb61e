/*
 * The kernel's lease on the VIPs: what is wished, what this kernel can, and until when it holds. Keeper's thread only.
 */
#ifndef KEEPER_FENCE_H
#define KEEPER_FENCE_H

#include <lb/conf.h>
#include <lb/err.h>

struct fence;

/* Open what the wished mode needs; changes nothing. NULL with a sentence. */
struct fence *fence_new(enum lb_fence_mode wished, struct lb_err *err);
/* Purge and guard these VIPs, not leased. Where the kernel cannot, says so and weakens the mode; never fails. */
void fence_start(struct fence *f, const struct lb_addr *vips, size_t count);
/* Go on with the guard, and its lease, that a former process of this very program set up for these VIPs. */
void fence_adopt(struct fence *f, const struct lb_addr *vips, size_t count, bool arp_guarded);
/* What fence_adopt of a later process needs to know: false when nothing guards the VIPs. */
bool fence_guards(const struct fence *f, bool *arp_guarded);
/* Guard another list; the lease goes on where it is alive. */
void fence_set_vips(struct fence *f, const struct lb_addr *vips, size_t count, lb_time now);
/* Remove the guard: the VIPs are not on this host any more and never will be again. */
void fence_stop(struct fence *f);
/* Free; without fence_stop the guard stays in the kernel, as after a crash. NULL is fine. */
void fence_free(struct fence *f);

enum lb_fence_mode fence_in_force(const struct fence *f);

/* Packets of the VIPs pass from now for that long / not any more. */
void fence_renew(struct fence *f, lb_time now, lb_duration length);
void fence_end(struct fence *f);
/* The lease is alive, or nothing guards the VIPs. */
bool fence_open(const struct fence *f, lb_time now);

/* New connections are dropped for that long; 0 ends it. */
void fence_close_to_new(struct fence *f, lb_duration length);

/*
 * Without an object: false with a sentence where the rules in the kernel belong to a running daemon. May wait up to
 * half a second for one that is just ending.
 */
bool fence_purge_allowed(struct lb_err *err);
/* Without an object: remove what any run left. False with a sentence. */
bool fence_purge(struct lb_err *err);

#endif
