#include "daemon/keeper/requests.h"

#include <stdio.h>
#include <stdlib.h>

#include <lb/log.h>

#include "daemon/sys/notify.h"

/* What a pending change must remember to answer the proxy. */
struct pending {
	struct requests *requests;
	uint32_t id;
};

void requests_reply(struct ipc *ipc, uint32_t id, bool ok, const char *code, const char *text)
{
	struct ipc_reply answer = {.id = id, .ok = ok};

	snprintf(answer.code, sizeof(answer.code), "%s", code);
	snprintf(answer.text, sizeof(answer.text), "%s", text);
	if (ipc)
		ipc_post(ipc, IPC_REPLY, &answer, sizeof(answer));
}

static void refuse(struct requests *r, uint32_t id, const char *code, const char *text)
{
	requests_reply(supervise_ipc(r->supervise), id, false, code, text);
}

static void on_done(void *ctx, bool ok, const char *code, const char *text)
{
	struct pending *p = ctx;

	requests_reply(supervise_ipc(p->requests->supervise), p->id, ok, code, text);
	free(p);
}

void requests_reload(struct requests *r, uint32_t id)
{
	if (r->stopping)
		return;
	if (upgrade_busy(r->upgrade)) {
		lb_error("reload refused: an upgrade is under way; try again");
		if (id != REQUEST_NONE)
			refuse(r, id, "busy", "an upgrade is under way; try again");
		return;
	}
	notify_reloading();
	reload_start(r->reload, id);
}

/* ---- upgrade ---- */

static void upgrade(struct requests *r, uint32_t id)
{
	const char *why = "a configuration is being applied; try again";

	r->upgrade_id = id;
	if (reload_active(r->reload) || conf_push_busy(r->reload->parts.push) || !upgrade_begin(r->upgrade, &why))
		refuse(r, id, "busy", why);
	else if (upgrade_busy(r->upgrade))
		bulletin_upgrade(r->bulletin, LB_UPGRADE_UNDER_WAY);
}

void requests_upgraded(struct requests *r, bool ok, const char *text, struct ipc *asker)
{
	bulletin_record(r->bulletin, "proxy", "running", ok ? "upgraded" : "running", text);
	requests_reply(asker, r->upgrade_id, ok, ok ? "" : "upgrade-failed", text);
	if (!ok)
		bulletin_upgrade(r->bulletin, "");
	upgrade_on_proxy(r->upgrade, ok);
}

void requests_upgrade_refused(void *ctx, const char *why)
{
	struct requests *r = ctx;

	bulletin_record(r->bulletin, "keeper", "running", "running", why);
	bulletin_upgrade(r->bulletin, "");
	requests_reply(supervise_ipc(r->supervise), r->upgrade_id, false, "upgrade-failed", why);
}

void requests_upgrade_stayed(void *ctx, const char *why)
{
	struct requests *r = ctx;

	bulletin_record(r->bulletin, "keeper", "running", "running", why);
	bulletin_upgrade(r->bulletin, why);
}

/* ---- all of them ---- */

/* What the election decides and answers later. */
static void ask_election(struct requests *r, const struct ipc_request *request)
{
	struct pending *p = malloc(sizeof(*p));

	if (!p) {
		refuse(r, request->id, "out-of-memory", "out of memory");
		return;
	}
	*p = (struct pending){.requests = r, .id = request->id};
	if (request->kind == IPC_REQUEST_FAILOVER)
		election_failover(r->election, request->node, on_done, p);
	else
		election_standby(r->election, request->on, on_done, p);
}

void requests_serve(struct requests *r, const struct ipc_request *request)
{
	if (r->stopping) {
		refuse(r, request->id, "stopping", "the daemon stops");
		return;
	}
	switch (request->kind) {
	case IPC_REQUEST_FAILOVER:
	case IPC_REQUEST_STANDBY:
		ask_election(r, request);
		return;
	case IPC_REQUEST_RELOAD:
		requests_reload(r, request->id);
		return;
	case IPC_REQUEST_UPGRADE:
		upgrade(r, request->id);
		return;
	}
	refuse(r, request->id, "bad-request", "the keeper does not know this request");
}
