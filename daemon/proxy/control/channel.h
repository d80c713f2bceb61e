/*
 * The proxy's end of the channel to the keeper: the conversation about configurations, and requests with their answers.
 * Control thread only.
 */
#ifndef CONTROL_CHANNEL_H
#define CONTROL_CHANNEL_H

#include <ev.h>

#include "daemon/ipc/ipc.h"
#include "daemon/proxy/control/conf_set.h"
#include "daemon/proxy/control/listen_set.h"

struct channel;

/* What the keeper says. Descriptors belong to the callee. */
struct channel_hooks {
	/* First message of a keeper; metrics_fd is -1 without a metrics listener. */
	void (*hello)(void *ctx, const struct ipc_hello *hello, int page_fd, int admin_fd, int metrics_fd);
	/* Files that outlive the proxy (lb/state_file.h); not called where there are none. */
	void (*state)(void *ctx, int events_fd, int orders_fd);
	/* Apply now; set is borrowed, what is left in listeners afterwards is closed. Cannot fail. */
	void (*commit)(void *ctx, struct conf_set *set, struct listen_set *listeners);
	void (*keeper_status)(void *ctx, const struct lb_snapshot_keeper *keeper);
	void (*event)(void *ctx, const struct lb_event *event);
	/* The VIP leaves: end its sessions, then channel_sessions_ended. */
	void (*end_sessions)(void *ctx, uint32_t id);
	void (*stop)(void *ctx);
	/* Sessions that move; listener -1: there are no keys. */
	void (*move_setup)(void *ctx, const struct ipc_move_setup *setup, int listener);
	void (*move)(void *ctx, const struct ipc_move *what);
	void (*repaired)(void *ctx, const struct ipc_repair *answer);
	void (*sockets)(void *ctx, const struct ipc_sockets *answer, const int *fds);
	void (*woken)(void *ctx, const struct ipc_woken *woken);
	/* Another proxy takes over from this one, or this one from another; fd -1: none comes with that step. */
	void (*succession)(void *ctx, enum ipc_succession_step step, int fd);
	/* The keeper is gone. */
	void (*closed)(void *ctx, const char *why);
	void *ctx;
};

/* Takes fd. NULL when memory is short. */
struct channel *channel_new(struct ev_loop *loop, int fd, const struct channel_hooks *hooks);

void channel_health(struct channel *c, const struct ipc_health *health);
void channel_sessions_ended(struct channel *c, uint32_t id, uint32_t count);
void channel_moved(struct channel *c, const struct ipc_moved *moved);
/* fds stay the caller's. */
void channel_repair(struct channel *c, const struct ipc_repair *question, const int *fds);
void channel_need_sockets(struct channel *c, const struct ipc_sockets *question);

/* What goes beyond the keeper's rate is not sent. */
void channel_wake(struct channel *c, const struct ipc_wake *what);
void channel_succeeded(struct channel *c, const struct ipc_succeeded *outcome);

/* code and text are borrowed; called once. */
typedef void channel_on_reply(void *ctx, bool ok, const char *code, const char *text);

/* Ask the keeper; request->id is filled in. False (and on_reply is never called) when the channel is closed. */
bool channel_request(struct channel *c, const struct ipc_request *request, channel_on_reply *on_reply, void *ctx);

/*
 * Another keeper is there: fd (taken) in place of the channel, whatever state that was in. What the former one was
 * asked is refused, what it had begun is forgotten. Not from inside a hook.
 */
void channel_replace(struct channel *c, int fd);

/* Waiting requests are forgotten. */
void channel_free(struct channel *c);

#endif
