/*
 * What the API asks of the keeper: each request is answered once, over the channel that it came by. Keeper's thread
 * only.
 */
#ifndef KEEPER_REQUESTS_H
#define KEEPER_REQUESTS_H

#include "daemon/keeper/bulletin.h"
#include "daemon/keeper/election.h"
#include "daemon/keeper/reload.h"
#include "daemon/keeper/succession.h"
#include "daemon/keeper/supervise.h"
#include "daemon/keeper/upgrade.h"

#define REQUEST_NONE 0 /* a reload that nobody waits for (SIGHUP) */

/* Borrowed parts. */
struct requests {
	struct supervise *supervise;
	struct election *election;
	struct reload *reload;
	struct upgrade *upgrade;
	struct bulletin *bulletin;
	bool stopping;	     /* everything is refused */
	uint32_t upgrade_id; /* the request that is answered by requests_upgraded */
};

void requests_serve(struct requests *r, const struct ipc_request *request);
/* Begin a reload, whose answer is reload's (reload_done); or refuse it. */
void requests_reload(struct requests *r, uint32_t id);
/* The upgrade has ended; asker as in succession.h. */
void requests_upgraded(struct requests *r, bool ok, const char *text, struct ipc *asker);
/* The hooks of upgrade.h; ctx: struct requests. */
void requests_upgrade_refused(void *ctx, const char *why);
void requests_upgrade_stayed(void *ctx, const char *why);
/* Answer; ipc NULL: nobody is there to hear it. */
void requests_reply(struct ipc *ipc, uint32_t id, bool ok, const char *code, const char *text);

#endif
