/*
 * The VIPs as addresses of this host: on which interface, are they there, and do they stay. Keeper's thread only.
 *
 * While taken, an address is set again each second: that renews its finite life, repairs what others changed, and
 * notices when they removed it. Addresses that lbd did not add are never touched.
 */
#ifndef KEEPER_VIP_H
#define KEEPER_VIP_H

#include <ev.h>

#include <lb/conf.h>
#include <lb/err.h>

#include "daemon/sys/rtnl.h"

/* Seconds an address lives without renewal; renewed each second (protocol.md 3.1). */
#define VIP_LIFE_SECONDS 2

/* So many removals by others within that time mean that somebody else manages the address (faults.md R12). */
#define VIP_REMOVALS_MAX    5
#define VIP_REMOVALS_WINDOW LB_SEC(10)
/* Removals closer together than this are one. */
#define VIP_REMOVALS_APART LB_MSEC(20)
/* After that this node stays away from it for so long. */
#define VIP_LOST_HOLD LB_SEC(30)

struct vip_table;

struct vip_hooks {
	/* Others removed the address and it was added again. */
	void (*readded)(void *ctx, size_t vip);
	/* A fact changed: vip_links_up, vip_lost, or an interface. */
	void (*changed)(void *ctx);
	void *ctx;
};

struct vip_params {
	struct ev_loop *loop;
	const struct lb_conf *conf; /* read during the call */
	struct lb_addr own;	    /* this node's address; its interface is the default one */
	bool forever;		    /* without a finite life */
	struct vip_hooks hooks;
};

/* Open rtnetlink and find the interfaces; changes nothing. NULL with a sentence. */
struct vip_table *vip_new(const struct vip_params *params, struct lb_err *err);
/* Remove what a former run left, start watching. conf as for vip_new; NULL: what is there is to be taken over. */
bool vip_start(struct vip_table *t, const struct lb_conf *conf, struct lb_err *err);
void vip_free(struct vip_table *t);

/* Can the VIPs of conf be found on this host? Changes nothing. */
bool vip_check_conf(struct vip_table *t, const struct lb_conf *conf, struct lb_err *err);
/* Replace the list by the one of conf: those that are gone leave the host, new ones come if the others are taken. */
void vip_set_conf(struct vip_table *t, const struct lb_conf *conf);

/* Put every VIP on its interface / remove it. Failures are logged; false when there was one. */
bool vip_take(struct vip_table *t);
void vip_release(struct vip_table *t);
/* Each second: renew, repair, notice. */
void vip_audit(struct vip_table *t);

/* Every interface of a VIP is up with carrier. */
bool vip_links_up(const struct vip_table *t);
/* Removed too often of late. */
bool vip_lost(const struct vip_table *t);

size_t vip_count(const struct vip_table *t);
const struct lb_addr *vip_address(const struct vip_table *t, size_t vip);
/* The interface; index 0 while it does not exist. */
const struct rtnl_link *vip_link(const struct vip_table *t, size_t vip);
/* Index of the interface that carries every VIP; 0 where they are on several, or it does not exist. */
unsigned vip_common_link(const struct vip_table *t);
/* It was on the interface when last looked at. */
bool vip_present(const struct vip_table *t, size_t vip);

/* The interface that carries this node's address. */
const struct rtnl_link *vip_own_link(const struct vip_table *t);

/*
 * Remove every address that lbd put on this host: with our tag anywhere, or a VIP of conf as a single host on its
 * interface (conf and own NULL: our tag alone). Returns how many, or -errno.
 */
int vip_purge(struct rtnl *rtnl, const struct lb_conf *conf, const struct lb_addr *own);

#endif
