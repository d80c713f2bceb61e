/*
 * One process of lbd-proxy: its program, the page that it ticks in, its channel, and its end; started here, or by a
 * former keeper that it outlived. What follows from any of that is decided elsewhere (supervise.h, upgrade.h). Keeper's
 * thread only.
 */
#ifndef KEEPER_PROXY_CHILD_H
#define KEEPER_PROXY_CHILD_H

#include <ev.h>
#include <sys/types.h>

#include <lb/err.h>

#include "daemon/ipc/ipc.h"
#include "daemon/keeper/resume.h"

struct proxy_child;

struct proxy_child_hooks {
	/* As in ipc.h; fds belong to the callee. */
	ipc_on_message *message;
	/* The channel ended and was closed; the process may run on. */
	ipc_on_closed *closed;
	/* The process ended (why); called once, last. The child may be freed from inside. */
	void (*ended)(void *ctx, const char *why);
	void *ctx;
};

/* Room for the path of the program. */
#define PROXY_CHILD_PATH_MAX 4096

/* The program beside our own, else in the libexec directory. False with a sentence: there is none. */
bool proxy_child_program(char path[static PROXY_CHILD_PATH_MAX], struct lb_err *err);

/*
 * Start program. The loop must not be libev's default loop, which reaps all children itself (reaper.h). NULL with a
 * sentence.
 */
struct proxy_child *proxy_child_start(struct ev_loop *loop, const char *program, const struct proxy_child_hooks *hooks,
				      struct lb_err *err);
/*
 * The one that a former keeper had kept: its channel is a new one, over which IPC_ADOPTED is to come, or it is hung or
 * of another version and should be killed. NULL: there is none, and nothing of it is left.
 */
struct proxy_child *proxy_child_adopt(struct ev_loop *loop, struct resume *resume,
				      const struct proxy_child_hooks *hooks);
/* Let this one outlive the keeper, in place of the one before. */
void proxy_child_keep(const struct proxy_child *c, struct resume *resume);
/* No proxy outlives the keeper from now on. */
void proxy_child_forget(struct resume *resume);
/* Somebody else decides from now on. */
void proxy_child_set_hooks(struct proxy_child *c, const struct proxy_child_hooks *hooks);

/* 0: not known yet, with one that was adopted. */
pid_t proxy_child_pid(const struct proxy_child *c);
/* NULL once it was closed. */
struct ipc *proxy_child_ipc(const struct proxy_child *c);
/* The page's descriptor for IPC_HELLO. */
int proxy_child_page_fd(const struct proxy_child *c);
const struct ipc_page *proxy_child_page(const struct proxy_child *c);

/* SIGKILL; ended follows from the loop. */
void proxy_child_kill(const struct proxy_child *c);
/* Kill it where it still runs, and forget it without a word. NULL is fine. */
void proxy_child_free(struct proxy_child *c);

#endif
