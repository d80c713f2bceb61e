#include "daemon/keeper/succession.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/sys/clock.h"

/* Seconds that a program has to come up, to take everything, and that the former one has to exit. */
#define START_LIMIT 2.0
#define MOVE_LIMIT  2.0
#define LEAVE_LIMIT 1.0
/* So long after it broke off, the end of a new process may still say why. */
#define FAIL_LIMIT 0.05

static void limit(struct succession *s, double seconds)
{
	ev_timer_stop(s->loop, &s->limit);
	ev_timer_set(&s->limit, seconds, 0.);
	ev_timer_start(s->loop, &s->limit);
}

static bool tell(struct ipc *ipc, enum ipc_succession_step step, int fd)
{
	struct ipc_succession what = {.step = step};

	return ipc && ipc_send(ipc, IPC_SUCCESSION, &what, sizeof(what), &fd, fd >= 0 ? 1 : 0);
}

/* ---- give up ---- */

/* Two processes never hold the sessions at work: the heir has touched nothing, and dies before the running one moves.
 */
static void give_up(struct succession *s, const char *why)
{
	bool moving = s->phase == SUCCESSION_MOVING;
	struct ipc *ipc = supervise_ipc(s->supervise);

	lb_error("upgrade given up, the running proxy goes on: %s", why);
	ev_timer_stop(s->loop, &s->limit);
	conf_push_cancel(&s->push);
	s->phase = s->other ? SUCCESSION_ENDING : SUCCESSION_IDLE;
	if (s->other)
		proxy_child_kill(s->other);
	if (moving)
		tell(ipc, IPC_SUCCESSION_RESUME, -1);
	s->hooks.done(s->hooks.ctx, false, why, ipc);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct succession *s = timer->data;

	(void)loop;
	(void)revents;
	if (s->phase == SUCCESSION_STARTING)
		give_up(s, "the new proxy was not ready within 2 s");
	else if (s->phase == SUCCESSION_MOVING)
		give_up(s, "the sessions did not reach the new proxy within 2 s");
	else if (s->phase == SUCCESSION_FAILING)
		give_up(s, s->reason);
	else if (s->phase == SUCCESSION_LEAVING)
		proxy_child_kill(s->other);
}

/* ---- the other process ---- */

static void on_ended(void *ctx, const char *why)
{
	struct succession *s = ctx;
	bool given_up = succession_busy(s);
	char text[160];
	const char *when = s->phase == SUCCESSION_STARTING ? "before it was ready" : "while it took over";

	ev_timer_stop(s->loop, &s->limit);
	proxy_child_free(s->other);
	s->other = NULL;
	snprintf(text, sizeof(text), "the new proxy ended %s: %s", when, why);
	if (given_up)
		give_up(s, text);
	else
		s->phase = SUCCESSION_IDLE;
}

/* Its end follows at once, and says more. */
static void on_closed(void *ctx, const char *why)
{
	struct succession *s = ctx;

	(void)why;
	if (s->phase != SUCCESSION_LEAVING)
		proxy_child_kill(s->other);
}

static void on_push(void *ctx, enum conf_push_result result, const char *text)
{
	struct succession *s = ctx;
	char why[256];
	int pair[2];

	switch (result) {
	case CONF_PUSH_PREPARED:
		conf_push_commit(&s->push);
		return;
	case CONF_PUSH_REFUSED:
	case CONF_PUSH_LOST:
		snprintf(why, sizeof(why), "the new proxy does not take the running configuration: %.200s", text);
		give_up(s, why);
		return;
	case CONF_PUSH_APPLIED:
		break;
	}
	if (!ipc_pair(pair)) {
		snprintf(why, sizeof(why), "no channel between the proxies: %s", strerror(errno));
		give_up(s, why);
		return;
	}
	s->phase = SUCCESSION_MOVING;
	s->moving_since = clock_now();
	limit(s, MOVE_LIMIT);
	if (!tell(proxy_child_ipc(s->other), IPC_SUCCESSION_TAKE, pair[0]) ||
	    !tell(supervise_ipc(s->supervise), IPC_SUCCESSION_GIVE, pair[1]))
		give_up(s, "the proxies cannot be told");
	close(pair[0]);
	close(pair[1]);
}

static void on_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds)
{
	struct succession *s = ctx;

	(void)size;
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (type == IPC_SUCCEEDED)
		succession_on_succeeded(s, body);
	else if (type == IPC_CONF_PREPARED && s->phase == SUCCESSION_STARTING)
		conf_push_on_prepared(&s->push, body);
	else if (type == IPC_CONF_APPLIED && s->phase == SUCCESSION_STARTING)
		conf_push_on_applied(&s->push, body);
}

/* ---- succeed ---- */

/* Everything is there: from here on the heir is the proxy, whatever becomes of it. */
static void succeed(struct succession *s, uint32_t sessions)
{
	struct proxy_child_hooks hooks = {.message = on_message, .closed = on_closed, .ended = on_ended, .ctx = s};
	struct proxy_child *heir = s->other;
	double moved_ms = lb_duration_ms(clock_now() - s->moving_since);
	char text[128];

	s->hooks.equip(s->hooks.ctx, proxy_child_ipc(heir));
	tell(proxy_child_ipc(heir), IPC_SUCCESSION_START, -1);
	s->other = supervise_replace(s->supervise, heir);
	proxy_child_set_hooks(s->other, &hooks);
	s->phase = SUCCESSION_LEAVING;
	limit(s, LEAVE_LIMIT);
	snprintf(text, sizeof(text), "proxy upgraded pid=%d sessions=%u stood_still_ms=%.1f",
		 (int)proxy_child_pid(heir), sessions, moved_ms);
	lb_notice("%s", text);
	tell(proxy_child_ipc(s->other), IPC_SUCCESSION_LEAVE, -1);
	snprintf(text, sizeof(text), "the proxy was upgraded: %u sessions went on after %.1f ms", sessions, moved_ms);
	s->hooks.done(s->hooks.ctx, true, text, proxy_child_ipc(s->other));
}

void succession_on_succeeded(struct succession *s, const struct ipc_succeeded *outcome)
{
	if (s->phase != SUCCESSION_MOVING)
		return;
	if (outcome->ok && outcome->step == IPC_SUCCESSION_GIVE) {
		succeed(s, outcome->count);
		return;
	}
	if (outcome->ok)
		return;
	/* The heir has touched nothing, and does not before it is told to start. */
	tell(supervise_ipc(s->supervise), IPC_SUCCESSION_RESUME, -1);
	snprintf(s->reason, sizeof(s->reason), "%.*s", (int)sizeof(outcome->text) - 1, outcome->text);
	s->phase = SUCCESSION_FAILING;
	limit(s, FAIL_LIMIT);
}

/* ---- life ---- */

void succession_init(struct succession *s, struct ev_loop *loop, struct supervise *supervise,
		     const struct succession_hooks *hooks)
{
	*s = (struct succession){.loop = loop, .supervise = supervise, .hooks = *hooks};
	conf_push_init(&s->push, loop, on_push, s);
	ev_timer_init(&s->limit, on_limit, START_LIMIT, 0.);
	s->limit.data = s;
}

bool succession_begin(struct succession *s, const char **why)
{
	struct proxy_child_hooks hooks = {.message = on_message, .closed = on_closed, .ended = on_ended, .ctx = s};
	static struct lb_err err;

	*why = "another upgrade is under way; try again";
	if (s->phase != SUCCESSION_IDLE)
		return false;
	*why = "the proxy is being restarted; try again";
	if (!supervise_ipc(s->supervise))
		return false;
	s->other = proxy_child_start(s->loop, supervise_program(s->supervise), &hooks, &err);
	*why = err.text;
	if (!s->other)
		return false;
	lb_info("proxy started beside the running one pid=%d", (int)proxy_child_pid(s->other));
	s->phase = SUCCESSION_STARTING;
	limit(s, START_LIMIT);
	if (!s->hooks.greet(s->hooks.ctx, proxy_child_ipc(s->other), proxy_child_page_fd(s->other), &s->push))
		proxy_child_kill(s->other);
	return true;
}

bool succession_busy(const struct succession *s)
{
	return s->phase == SUCCESSION_STARTING || s->phase == SUCCESSION_MOVING || s->phase == SUCCESSION_FAILING;
}

void succession_abort(struct succession *s, const char *why)
{
	if (succession_busy(s))
		give_up(s, why);
}

void succession_close(struct succession *s)
{
	if (!s->loop)
		return;
	ev_timer_stop(s->loop, &s->limit);
	conf_push_cancel(&s->push);
	proxy_child_free(s->other);
	s->other = NULL;
	s->phase = SUCCESSION_IDLE;
}
