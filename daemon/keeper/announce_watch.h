/*
 * Hearing who else announces a VIP or answers for it. Keeper's thread only.
 */
#ifndef KEEPER_ANNOUNCE_WATCH_H
#define KEEPER_ANNOUNCE_WATCH_H

#include <ev.h>

#include <lb/err.h>

#include "daemon/keeper/resume.h"
#include "daemon/keeper/vip.h"

struct announce_watch;

/* Another station with that hardware address claimed the VIP. */
typedef void announce_watch_heard(void *ctx, size_t vip, const uint8_t mac[6]);

struct announce_watch_params {
	struct ev_loop *loop;
	const struct vip_table *vips; /* borrowed */
	struct resume *resume;	      /* borrowed */
	announce_watch_heard *heard;
	void *ctx;
};

/* Open the sockets, or take over those of a former process. NULL with a sentence. */
struct announce_watch *announce_watch_new(const struct announce_watch_params *params, struct lb_err *err);
/* The list of VIPs changed. */
void announce_watch_renew(struct announce_watch *w);
/* Listen on the interfaces as they are now; again when one changed. */
void announce_watch_bind(struct announce_watch *w);
/* Ask who has the IPv4 VIPs, in the name of own (IPv4; otherwise nothing is asked). Answers come as heard. */
void announce_watch_ask(struct announce_watch *w, const struct lb_addr *own);
void announce_watch_free(struct announce_watch *w);

#endif
