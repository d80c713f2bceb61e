#include "daemon/keeper/reload.h"

#include <string.h>

#include <lb/conf_diff.h>
#include <lb/log.h>

#include "daemon/sys/clock.h"

/* A file may have dozens of errors, and somebody may reload it again and again. */
#define LOG_BURST 10
#define LOG_EACH  LB_MSEC(200)

void reload_init(struct reload *r, const struct reload_parts *parts, reload_done *done, void *ctx)
{
	*r = (struct reload){.parts = *parts, .next = {.memfd = -1}, .done = done, .ctx = ctx};
	r->lines = (struct ratelimit)RATELIMIT_INIT(LOG_BURST, LOG_EACH);
}

bool reload_changes(const struct reload *r)
{
	return r->changes.len > 0;
}

bool reload_active(const struct reload *r)
{
	return r->active;
}

/* A text of several lines, each an error of its own, becomes as many lines of the log, within the limit. */
static void log_refusal(struct reload *r, const char *code, const char *text)
{
	unsigned unsaid = 0;

	do {
		size_t length = strcspn(text, "\n");

		if (ratelimit_ok(&r->lines, clock_now()))
			lb_error("reload refused code=%s: %.*s", code, (int)length, text);
		else
			unsaid++;
		text += length + (text[length] == '\n');
	} while (*text);
	if (unsaid > 0)
		lb_error("reload refused code=%s unsaid=%u; lbd --check tells every error", code, unsaid);
}

static void end(struct reload *r, bool ok, const char *code, const char *text)
{
	r->active = false;
	conf_file_release(&r->next);
	if (!ok)
		log_refusal(r, code, text);
	r->done(r->ctx, r->request, ok, code, text);
	lb_text_free(&r->changes);
}

/* What changes, as text for the answer; false when a change cannot be applied to a running daemon. */
static bool describe_changes(struct reload *r, struct lb_text *refusal)
{
	struct lb_diff diff;
	bool possible = true;

	if (!lb_conf_diff(r->parts.running->conf, r->next.conf, &diff)) {
		lb_text_add(refusal, "out of memory");
		return false;
	}
	for (size_t i = 0; i < diff.count; i++)
		if (diff.entries[i].needs_restart) {
			lb_text_addf(refusal,
				     "%s\"%s\" cannot change from %s to %s in a running daemon; restart it: "
				     "systemctl restart lbd",
				     possible ? "" : "\n", diff.entries[i].key, diff.entries[i].from,
				     diff.entries[i].to);
			possible = false;
		}
	lb_conf_diff_text(&diff, &r->changes);
	lb_conf_diff_free(&diff);
	return possible;
}

/* Everything that can refuse without having changed anything; the listeners come last because they bind. */
static bool prepare(struct reload *r, const char **code, struct lb_text *refusal)
{
	struct lb_err err;

	*code = "bad-configuration";
	if (!conf_file_load(r->parts.path, &r->next, refusal))
		return false;
	*code = "needs-restart";
	if (!describe_changes(r, refusal))
		return false;
	if (conf_file_own_node(r->next.conf, &err) != (int)r->parts.own_node) {
		lb_text_add(refusal, "this host would become another node; restart it: systemctl restart lbd");
		return false;
	}
	if (!election_prepare_conf(r->parts.election, r->next.conf, &err)) {
		lb_text_add(refusal, err.text);
		return false;
	}
	*code = "cannot-listen";
	if (!listeners_prepare(r->parts.listeners, r->next.conf, &err)) {
		lb_text_add(refusal, err.text);
		return false;
	}
	return true;
}

void reload_start(struct reload *r, uint32_t request)
{
	struct lb_text refusal = {0};
	const char *code;

	if (r->active || conf_push_busy(r->parts.push)) {
		log_refusal(r, "busy", "another reload is under way");
		r->done(r->ctx, request, false, "busy", "another reload is under way; try again");
		return;
	}
	r->active = true;
	r->request = request;
	if (!prepare(r, &code, &refusal)) {
		end(r, false, code, lb_text_str(&refusal));
	} else if (!conf_push_begin(r->parts.push, supervise_ipc(r->parts.supervise), r->next.memfd,
				    r->parts.listeners)) {
		listeners_rollback(r->parts.listeners);
		end(r, false, "no-proxy", "the proxy is being restarted; try again");
	}
	lb_text_free(&refusal);
}

/* Both sides are ready: nothing below can fail. */
static void commit(struct reload *r)
{
	struct conf_file former = *r->parts.running;

	conf_push_commit(r->parts.push);
	election_set_conf(r->parts.election, r->next.conf);
	listeners_commit(r->parts.listeners);
	*r->parts.running = r->next;
	r->next = (struct conf_file){.memfd = -1};
	conf_file_release(&former);
	lb_log_set_level((enum lb_log_level)r->parts.running->conf->log_level);
}

void reload_on_push(struct reload *r, enum conf_push_result result, const char *text)
{
	bool committed = r->next.conf == NULL;

	switch (result) {
	case CONF_PUSH_PREPARED:
		commit(r);
		break;
	case CONF_PUSH_REFUSED:
		listeners_rollback(r->parts.listeners);
		end(r, false, "bad-configuration", text);
		break;
	case CONF_PUSH_LOST:
		/* After the commit the keeper runs the new file already; a new proxy will be given the same. */
		if (!committed)
			listeners_rollback(r->parts.listeners);
		end(r, committed, committed ? "" : "no-proxy", text);
		break;
	case CONF_PUSH_APPLIED:
		end(r, true, "", r->changes.len ? lb_text_str(&r->changes) : "nothing changed\n");
		break;
	}
}

void reload_cancel(struct reload *r)
{
	if (!r->active)
		return;
	listeners_rollback(r->parts.listeners);
	end(r, false, "stopping", "the daemon stops");
}
