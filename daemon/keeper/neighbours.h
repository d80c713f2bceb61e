/*
 * Hosts of which the kernel does not know where they are are asked for anew when this node announces itself. Whatever
 * lost an announcement loses such a question as well, and the kernel asks again only after a second: with the client
 * that the next announcement leads here an answer to it must not have to wait. Keeper's thread only.
 */
#ifndef KEEPER_NEIGHBOURS_H
#define KEEPER_NEIGHBOURS_H

#include <ev.h>

#include <lb/err.h>

#include "daemon/keeper/vip.h"

struct neighbours;

/* vips is borrowed: interfaces of VIPs alone are looked at. NULL with a sentence. */
struct neighbours *neighbours_new(struct ev_loop *loop, const struct vip_table *vips, struct lb_err *err);
void neighbours_free(struct neighbours *n);

/* Ask for those whom nobody has answered for; the table of neighbours is read in small shares, behind everything else.
 */
void neighbours_ask(struct neighbours *n);
/* Leave it at that. */
void neighbours_stop(struct neighbours *n);

#endif
