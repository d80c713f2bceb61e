#include "daemon/proxy/control/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/list.h>
#include <lb/log.h>

#include "daemon/proxy/control/must.h"

/* A configuration that the keeper is telling or has told and not yet decided about. */
struct staged {
	bool active;
	uint32_t generation;
	int memfd; /* -1 once it was read */
	struct listen_set listeners;
	struct conf_set *set; /* NULL until prepared, or refused */
};

struct waiting {
	struct lb_list node;
	uint32_t id;
	channel_on_reply *on_reply;
	void *ctx;
};

struct channel {
	struct ev_loop *loop;
	struct ipc *ipc;
	struct channel_hooks hooks;
	struct staged staged;
	struct lb_list waiting;
	uint32_t own_node, last_id;
	bool greeted;
};

/* ---- the conversation about a configuration ---- */

static void drop_staged(struct channel *c)
{
	if (c->staged.memfd >= 0)
		close(c->staged.memfd);
	listen_set_close(&c->staged.listeners);
	conf_set_release(c->staged.set);
	c->staged = (struct staged){.memfd = -1};
}

static void on_begin(struct channel *c, const struct ipc_conf *what, int memfd)
{
	drop_staged(c);
	c->staged.active = true;
	c->staged.generation = what->generation;
	c->staged.memfd = memfd;
}

static void on_listener(struct channel *c, const struct ipc_listener *what, int fd)
{
	if (c->staged.active && what->generation == c->staged.generation)
		listen_set_add(&c->staged.listeners, what, fd);
	else
		close(fd);
}

static void on_end(struct channel *c, const struct ipc_conf *what)
{
	struct ipc_conf_result result = {.generation = what->generation};
	struct lb_text refusal = {0};

	if (!c->staged.active || what->generation != c->staged.generation)
		return;
	c->staged.set = conf_set_load(c->staged.memfd, c->own_node, &refusal);
	result.ok = c->staged.set != NULL;
	snprintf(result.text, sizeof(result.text), "%s", lb_text_str(&refusal));
	lb_text_free(&refusal);
	if (!result.ok)
		drop_staged(c);
	ipc_post(c->ipc, IPC_CONF_PREPARED, &result, sizeof(result));
}

static void on_commit(struct channel *c, const struct ipc_conf *what)
{
	if (!c->staged.set || what->generation != c->staged.generation) {
		lb_error("keeper commits configuration generation=%u that was not prepared", what->generation);
		return;
	}
	c->hooks.commit(c->hooks.ctx, c->staged.set, &c->staged.listeners);
	drop_staged(c);
	ipc_post(c->ipc, IPC_CONF_APPLIED, what, sizeof(*what));
}

static void on_abort(struct channel *c, const struct ipc_conf *what)
{
	if (what->generation == c->staged.generation)
		drop_staged(c);
}

/* ---- everything else ---- */

static void on_hello(struct channel *c, const struct ipc_hello *hello, const int *fds)
{
	c->own_node = hello->own_node;
	c->greeted = true;
	c->hooks.hello(c->hooks.ctx, hello, fds[0], fds[1], hello->has_metrics ? fds[2] : -1);
}

static void on_reply(struct channel *c, const struct ipc_reply *reply)
{
	lb_list_foreach (node, &c->waiting) {
		struct waiting *w = lb_container_of(node, struct waiting, node);

		if (w->id != reply->id)
			continue;
		lb_list_del(&w->node);
		w->on_reply(w->ctx, reply->ok, reply->code, reply->text);
		free(w);
		return;
	}
}

/* How many descriptors come with a message. */
static size_t fds_of(enum ipc_type type, const void *body)
{
	switch (type) {
	case IPC_HELLO:
		return ((const struct ipc_hello *)body)->has_metrics ? 3 : 2;
	case IPC_STATE:
		return 2;
	case IPC_CONF_BEGIN:
	case IPC_LISTENER:
		return 1;
	case IPC_MOVE_SETUP:
		return ((const struct ipc_move_setup *)body)->key_count > 0 ? 1 : 0;
	case IPC_SOCKETS:
		return (size_t)__builtin_popcountll(((const struct ipc_sockets *)body)->made);
	case IPC_SUCCESSION:
		return ((const struct ipc_succession *)body)->step <= IPC_SUCCESSION_TAKE ? 1 : 0;
	default:
		return 0;
	}
}

static void on_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds)
{
	struct channel *c = ctx;

	(void)size;
	if (nfds != fds_of(type, body) || (type == IPC_HELLO) == c->greeted) {
		lb_error("keeper sent message type=%d out of order", (int)type);
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		return;
	}
	switch (type) {
	case IPC_HELLO:
		on_hello(c, body, fds);
		break;
	case IPC_STATE:
		c->hooks.state(c->hooks.ctx, fds[0], fds[1]);
		break;
	case IPC_CONF_BEGIN:
		on_begin(c, body, fds[0]);
		break;
	case IPC_LISTENER:
		on_listener(c, body, fds[0]);
		break;
	case IPC_CONF_END:
		on_end(c, body);
		break;
	case IPC_CONF_COMMIT:
		on_commit(c, body);
		break;
	case IPC_CONF_ABORT:
		on_abort(c, body);
		break;
	case IPC_KEEPER_STATUS:
		c->hooks.keeper_status(c->hooks.ctx, body);
		break;
	case IPC_EVENT:
		c->hooks.event(c->hooks.ctx, body);
		break;
	case IPC_END_SESSIONS:
		c->hooks.end_sessions(c->hooks.ctx, ((const struct ipc_end_sessions *)body)->id);
		break;
	case IPC_REPLY:
		on_reply(c, body);
		break;
	case IPC_STOP:
		c->hooks.stop(c->hooks.ctx);
		break;
	case IPC_MOVE_SETUP:
		c->hooks.move_setup(c->hooks.ctx, body, nfds > 0 ? fds[0] : -1);
		break;
	case IPC_MOVE:
		c->hooks.move(c->hooks.ctx, body);
		break;
	case IPC_REPAIRED:
		c->hooks.repaired(c->hooks.ctx, body);
		break;
	case IPC_SUCCESSION:
		c->hooks.succession(c->hooks.ctx, ((const struct ipc_succession *)body)->step, nfds > 0 ? fds[0] : -1);
		break;
	case IPC_SOCKETS:
		c->hooks.sockets(c->hooks.ctx, body, fds);
		break;
	case IPC_WOKEN:
		c->hooks.woken(c->hooks.ctx, body);
		break;
	default:
		lb_error("keeper sent message type=%d that only the proxy sends", (int)type);
	}
}

static void on_closed(void *ctx, const char *why)
{
	struct channel *c = ctx;

	c->hooks.closed(c->hooks.ctx, why);
}

struct channel *channel_new(struct ev_loop *loop, int fd, const struct channel_hooks *hooks)
{
	struct channel *c = must(calloc(1, sizeof(*c)));

	c->loop = loop;
	c->hooks = *hooks;
	c->staged.memfd = -1;
	lb_list_init(&c->waiting);
	c->ipc = ipc_new(loop, fd, on_message, on_closed, c);
	if (!c->ipc) {
		free(c);
		return NULL;
	}
	return c;
}

void channel_health(struct channel *c, const struct ipc_health *health)
{
	ipc_post(c->ipc, IPC_HEALTH, health, sizeof(*health));
}

void channel_sessions_ended(struct channel *c, uint32_t id, uint32_t count)
{
	struct ipc_sessions_ended ended = {.id = id, .count = count};

	ipc_post(c->ipc, IPC_SESSIONS_ENDED, &ended, sizeof(ended));
}

void channel_moved(struct channel *c, const struct ipc_moved *moved)
{
	ipc_post(c->ipc, IPC_MOVED, moved, sizeof(*moved));
}

void channel_repair(struct channel *c, const struct ipc_repair *question, const int *fds)
{
	ipc_send(c->ipc, IPC_REPAIR, question, sizeof(*question), fds, question->count);
}

void channel_need_sockets(struct channel *c, const struct ipc_sockets *question)
{
	ipc_post(c->ipc, IPC_NEED_SOCKETS, question, sizeof(*question));
}

void channel_wake(struct channel *c, const struct ipc_wake *what)
{
	ipc_post(c->ipc, IPC_WAKE, what, sizeof(*what));
}

void channel_succeeded(struct channel *c, const struct ipc_succeeded *outcome)
{
	ipc_post(c->ipc, IPC_SUCCEEDED, outcome, sizeof(*outcome));
}

bool channel_request(struct channel *c, const struct ipc_request *request, channel_on_reply *on_reply_, void *ctx)
{
	struct ipc_request numbered = *request;
	struct waiting *w = must(calloc(1, sizeof(*w)));

	numbered.id = w->id = ++c->last_id;
	w->on_reply = on_reply_;
	w->ctx = ctx;
	if (!ipc_post(c->ipc, IPC_REQUEST, &numbered, sizeof(numbered))) {
		free(w);
		return false;
	}
	lb_list_add_tail(&c->waiting, &w->node);
	return true;
}

static void refuse_waiting(struct channel *c)
{
	lb_list_foreach (node, &c->waiting) {
		struct waiting *w = lb_container_of(node, struct waiting, node);

		lb_list_del(&w->node);
		w->on_reply(w->ctx, false, "keeper-restarted", "the keeper was restarted; see: lbctl status");
		free(w);
	}
}

void channel_replace(struct channel *c, int fd)
{
	struct ipc_adopted adopted = {.pid = getpid()};

	drop_staged(c);
	refuse_waiting(c);
	ipc_free(c->ipc);
	c->greeted = false;
	c->ipc = must(ipc_new(c->loop, fd, on_message, on_closed, c));
	ipc_post(c->ipc, IPC_ADOPTED, &adopted, sizeof(adopted));
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	lb_list_foreach (node, &c->waiting)
		free(lb_container_of(node, struct waiting, node));
	drop_staged(c);
	ipc_free(c->ipc);
	free(c);
}
