/*
 * The proxy as a child process: start it with its channel, watch that it lives and that its threads move, start it
 * again when it dies, end it when it hangs. Knows nothing of configurations.
 */
#ifndef KEEPER_SUPERVISE_H
#define KEEPER_SUPERVISE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <lb/err.h>
#include <lb/time.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/proxy_child.h"
#include "daemon/keeper/resume.h"

struct supervise;

struct supervise_hooks {
	/*
	 * A proxy runs and its channel is open: say hello and send the configuration. adopted: it served under a former
	 * keeper and goes on with its sessions.
	 */
	void (*started)(void *ctx, struct ipc *ipc, bool adopted);
	ipc_on_message *message;
	/* The proxy is gone; another one will be started unless supervise_stop was called. */
	void (*lost)(void *ctx, const char *why);
	/* Every thread moved within 500 ms (true), or one stands still (false). */
	void (*ticking)(void *ctx, bool ticking);
	/* After supervise_stop: the process has been reaped. */
	void (*stopped)(void *ctx);
	void *ctx;
};

struct supervise_params {
	struct ev_loop *loop; /* not libev's default loop (proxy_child.h) */
	uint32_t workers;
	struct resume *resume; /* borrowed: keeps the proxy for the next keeper */
	struct supervise_hooks hooks;
};

/* Find the program, and the proxy that a former keeper left. Nothing is started. NULL with a sentence. */
struct supervise *supervise_new(const struct supervise_params *params, struct lb_err *err);
/* Start the proxy, or go on with the former keeper's; later starts happen by themselves. */
bool supervise_start(struct supervise *s, struct lb_err *err);
/* The page's descriptor for IPC_HELLO. */
int supervise_page_fd(const struct supervise *s);
/* The program that is started, by its path. */
const char *supervise_program(const struct supervise *s);
/*
 * heir is the present proxy from now on, and supervise's; the former one, which runs, is the caller's. Not called while
 * there is none.
 */
struct proxy_child *supervise_replace(struct supervise *s, struct proxy_child *heir);
/* The channel to the present proxy, or NULL. */
struct ipc *supervise_ipc(const struct supervise *s);
/* From now on threads are expected to tick (the proxy applied its first configuration). */
void supervise_watch_ticks(struct supervise *s);
uint64_t supervise_restarts(const struct supervise *s);
/* Send IPC_STOP, wait up to 1 s, then SIGKILL; hooks.stopped follows in the loop. */
void supervise_stop(struct supervise *s);
void supervise_free(struct supervise *s);

#endif
