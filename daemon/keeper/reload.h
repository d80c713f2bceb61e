/*
 * Applying the file again: read, check, diff, prepare every part, then commit all or roll all back. Whatever fails,
 * the running configuration stays as it is.
 */
#ifndef KEEPER_RELOAD_H
#define KEEPER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/ratelimit.h>

#include "daemon/keeper/conf_file.h"
#include "daemon/keeper/conf_push.h"
#include "daemon/keeper/election.h"
#include "daemon/keeper/listeners.h"
#include "daemon/keeper/supervise.h"

/* The parts of the keeper that a reload touches; all borrowed. */
struct reload_parts {
	const char *path;
	size_t own_node;
	struct conf_file *running; /* replaced on success */
	struct election *election;
	struct listeners *listeners;
	struct supervise *supervise;
	struct conf_push *push;
};

/* How it ended: an error code ("" when ok) and the text for a person; called exactly once per reload_start. */
typedef void reload_done(void *ctx, uint32_t request, bool ok, const char *code, const char *text);

struct reload {
	struct reload_parts parts;
	struct conf_file next;
	uint32_t request;
	bool active;
	struct lb_text changes;
	struct ratelimit lines; /* of the log, about refusals */
	reload_done *done;
	void *ctx;
};

void reload_init(struct reload *r, const struct reload_parts *parts, reload_done *done, void *ctx);
/* Start one; done may be called before it returns. request comes back in done. */
void reload_start(struct reload *r, uint32_t request);
/* Does the file say something else than the running configuration? Valid until done returns. */
bool reload_changes(const struct reload *r);
bool reload_active(const struct reload *r);
/* From the keeper: what conf_push reported while a reload is active. */
void reload_on_push(struct reload *r, enum conf_push_result result, const char *text);
void reload_cancel(struct reload *r);

#endif
