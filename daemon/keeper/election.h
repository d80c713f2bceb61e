/*
 * The node's part in owning the VIP: VRRP adverts in and out, the state machine, the address, the kernel lease, the
 * announcements and the peer link. Everything else of the keeper (proxy, listeners, reload, requests) talks to it
 * through this header. Keeper's thread only; it owns its sockets and timers in the given loop.
 */
#ifndef KEEPER_ELECTION_H
#define KEEPER_ELECTION_H

#include <ev.h>

#include <lb/conf.h>
#include <lb/err.h>
#include <lb/snapshot.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/resume.h"

struct election;

/* What the election asks of the rest of the keeper. Called from the loop; must not block or free the election. */
struct election_hooks {
	/* Reset every client session on the VIPs; answer with election_sessions_ended when that is done. */
	void (*end_sessions)(void *ctx, uint32_t id);
	/* Tell the proxy a step of moving sessions; its answer comes by election_moved. */
	void (*move)(void *ctx, const struct ipc_move *what);
	/* A transition or another fact for the recorder (id is 0; at is filled). */
	void (*event)(void *ctx, const struct lb_event *event);
	/* Something in the snapshot changed: publish soon. */
	void (*changed)(void *ctx);
	void *ctx;
};

struct election_params {
	struct ev_loop *loop;
	const struct lb_conf *conf; /* borrowed until election_free or election_set_conf */
	size_t own_node;	    /* index into conf->nodes */
	const char *runtime_dir;    /* holds the standby mark */
	struct resume *resume;	    /* what a former process left; borrowed */
	struct election_hooks hooks;
};

/*
 * Open every socket that needs a privilege (VRRP, packet, rtnetlink, nftables, peer link) and read the key; nothing is
 * sent or changed yet. NULL with one sentence in *err.
 */
struct election *election_new(const struct election_params *params, struct lb_err *err);

/*
 * Purge what a former run left (addresses with our tag, our tables), set up the fence, then start listening. Where the
 * former process was Active until just now, go on in its place instead.
 */
bool election_start(struct election *e, struct lb_err *err);

/* Facts about the proxy; call on every change. ready/total are servers over all services. */
struct election_proxy_facts {
	bool connected, ticking;
	struct ipc_health const *health; /* last one, NULL none yet; copied */
};
void election_proxy_facts(struct election *e, const struct election_proxy_facts *facts);
void election_sessions_ended(struct election *e, const struct ipc_sessions_ended *ended);
void election_moved(struct election *e, const struct ipc_moved *moved);
/* What the proxies of two nodes prove themselves with; without keys there are none. */
void election_move_keys(const struct election *e, struct ipc_move_setup *out);

/* Could the running election take over this configuration? False with a sentence: it needs a restart. Changes nothing.
 */
bool election_prepare_conf(struct election *e, const struct lb_conf *conf, struct lb_err *err);
/* Adopt it (after a successful prepare); the former one may be freed by the caller afterwards. VIP stays where it is.
 */
void election_set_conf(struct election *e, const struct lb_conf *conf);

/* Result of a planned change: ok, an error code (kebab-case, "" when ok) and a sentence. Called exactly once. */
typedef void election_done(void *ctx, bool ok, const char *code, const char *text);

/* Planned hand-over to node ("" = the best peer that can serve). One at a time; a second one is refused at once. */
void election_failover(struct election *e, const char *node, election_done *done, void *ctx);

/* Leave the election until switched off; an owner hands over first. The mark in runtime_dir survives a restart. */
void election_standby(struct election *e, bool on, election_done *done, void *ctx);

/* Stop: an owner hands over (or resigns when no peer can take), the address and the lease go, then done. <= 1 s. */
void election_stop(struct election *e, election_done *done, void *ctx);

/* Fill the picture for status; cheap, no allocation. */
void election_snapshot(struct election *e, struct lb_snapshot_keeper *out);

/* Is this node the VIP's owner? */
bool election_owns(const struct election *e);
/* Nothing is under way between this node and another one. */
bool election_settled(const struct election *e);
/* An owner's advert has just gone out: of all moments this is the one to be away for some. */
bool election_just_told(const struct election *e);

void election_free(struct election *e);

/*
 * For `lbd --resign`: without a running daemon, remove every address and rule that lbd ever put on this node and send
 * priority 0 adverts to the peers when an address was found. Needs no election. conf NULL (the file is broken): only
 * what carries lbd's mark in the kernel is removed, nobody is told.
 */
bool election_resign(const struct lb_conf *conf, size_t own_node, struct lb_err *err);

#endif
