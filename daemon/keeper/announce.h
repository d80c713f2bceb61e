/*
 * Telling the segment where the VIPs are: gratuitous ARP and unsolicited neighbour advertisements. A lost one costs a
 * client 40 seconds (protocol.md 1.7), so each takeover repeats them. Keeper's thread only.
 */
#ifndef KEEPER_ANNOUNCE_H
#define KEEPER_ANNOUNCE_H

#include <ev.h>
#include <stdint.h>

#include <lb/err.h>

#include "daemon/keeper/resume.h"
#include "daemon/keeper/vip.h"

struct announce;

/* Open the packet socket, or take over that of a former process. vips is borrowed. NULL with a sentence. */
struct announce *announce_new(struct ev_loop *loop, const struct vip_table *vips, struct resume *resume,
			      struct lb_err *err);
void announce_free(struct announce *a);

/*
 * The VIPs are here: announce now, at 20, 100, 500 ms, 2 and 5 s, then every 30 s until stopped; up to the fifth second
 * each but the first also has the kernel ask anew for hosts that it waits for.
 */
void announce_start(struct announce *a);
void announce_stop(struct announce *a);
/* Announce once now, at most 5 times a second; does nothing while stopped. */
void announce_again(struct announce *a);
/* The same without a limit, which is the caller's. */
void announce_once(struct announce *a);

/* Frames sent so far. */
uint64_t announce_sent(const struct announce *a);

#endif
