#include "daemon/keeper/supervise.h"

#include <stdlib.h>

#include <lb/log.h>
#include <lb/ratelimit.h>

#include "daemon/sys/clock.h"

#define TICK_CHECK     LB_MSEC(100)
#define TICK_STILL     LB_MSEC(500) /* a thread that stands still longer cannot serve (contract) */
#define TICK_HOPELESS  LB_SEC(3)    /* and longer than this it will not come back */
#define STOP_PATIENCE  1.0	    /* seconds between IPC_STOP and SIGKILL */
#define ADOPT_PATIENCE 1.0	    /* seconds in which a former keeper's proxy must answer */
#define RESTART_FIRST  LB_MSEC(20)
#define RESTART_MAX    LB_SEC(2)
#define STEADY_AFTER   LB_SEC(10) /* a proxy that lived so long was not broken from the start */

struct supervise {
	struct ev_loop *loop;
	uint32_t workers;
	struct supervise_hooks hooks;
	char program[PROXY_CHILD_PATH_MAX];
	struct resume *resume;
	struct proxy_child *child; /* NULL: none runs */
	ev_timer restart, ticks, patience;
	lb_time started_at;
	unsigned quick_deaths;
	uint64_t restarts;
	bool stopping, lost_told;
	bool adopting; /* the child is a former keeper's and has not answered yet */
	/* What the page showed last, per thread (control first), and since when it has not changed. */
	uint64_t seen[IPC_WORKERS_MAX + 1];
	lb_time moved_at[IPC_WORKERS_MAX + 1];
	lb_time checked_at;
	bool ticking;
};

static struct proxy_child_hooks child_hooks(struct supervise *s);

static void on_patience_over(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct supervise *s = w->data;

	(void)loop;
	(void)revents;
	if (s->adopting)
		lb_error("the former proxy does not answer: ending it");
	proxy_child_kill(s->child);
}

struct supervise *supervise_new(const struct supervise_params *params, struct lb_err *err)
{
	struct proxy_child_hooks hooks;

	struct supervise *s = calloc(1, sizeof(*s));

	if (!s) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	s->loop = params->loop;
	s->workers = params->workers;
	s->hooks = params->hooks;
	s->resume = params->resume;
	ev_timer_init(&s->patience, on_patience_over, 0., 0.);
	s->patience.data = s;
	if (!proxy_child_program(s->program, err)) {
		free(s);
		return NULL;
	}
	hooks = child_hooks(s);
	s->child = proxy_child_adopt(s->loop, s->resume, &hooks);
	s->adopting = s->child != NULL;
	return s;
}

int supervise_page_fd(const struct supervise *s)
{
	return s->child ? proxy_child_page_fd(s->child) : -1;
}

struct ipc *supervise_ipc(const struct supervise *s)
{
	return s->child && !s->adopting ? proxy_child_ipc(s->child) : NULL;
}

uint64_t supervise_restarts(const struct supervise *s)
{
	return s->restarts;
}

/*
 * The channel ended before the process did: it cannot be used any more, so make sure that it dies. One that was told to
 * stop closes it on its way out and may finish.
 */
static void on_channel_closed(void *ctx, const char *why)
{
	struct supervise *s = ctx;

	ev_timer_stop(s->loop, &s->ticks);
	if (s->stopping)
		return;
	proxy_child_kill(s->child);
	s->lost_told = true;
	s->hooks.lost(s->hooks.ctx, why);
}

static void on_channel_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds,
			       size_t nfds)
{
	struct supervise *s = ctx;

	if (type != IPC_ADOPTED || !s->adopting) {
		s->hooks.message(s->hooks.ctx, type, body, size, fds, nfds);
		return;
	}
	s->adopting = false;
	ev_timer_stop(s->loop, &s->patience);
	lb_notice("proxy adopted pid=%d: its sessions go on", (int)proxy_child_pid(s->child));
	s->hooks.started(s->hooks.ctx, proxy_child_ipc(s->child), true);
}

static void on_restart_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct supervise *s = w->data;
	struct lb_err err;

	(void)loop;
	(void)revents;
	if (!supervise_start(s, &err)) {
		lb_error("proxy cannot be started: %s", err.text);
		ev_timer_set(&s->restart, lb_duration_seconds(RESTART_MAX), 0.);
		ev_timer_start(s->loop, &s->restart);
	}
}

static void on_ended(void *ctx, const char *why)
{
	struct supervise *s = ctx;
	lb_duration delay;

	ev_timer_stop(s->loop, &s->patience);
	ev_timer_stop(s->loop, &s->ticks);
	proxy_child_free(s->child);
	s->child = NULL;
	s->adopting = false;
	proxy_child_forget(s->resume);
	if (s->stopping) {
		s->hooks.stopped(s->hooks.ctx);
		return;
	}
	/* The first restart is immediate; a program that dies again and again is given more and more time. */
	s->quick_deaths = clock_now() - s->started_at < STEADY_AFTER ? s->quick_deaths + 1 : 0;
	delay = s->quick_deaths <= 1 ? 0 : backoff_delay(RESTART_FIRST, RESTART_MAX, s->quick_deaths - 2);
	s->restarts++;
	lb_error("proxy ended why=\"%s\" restart_in_ms=%.0f", why, lb_duration_ms(delay));
	if (!s->lost_told)
		s->hooks.lost(s->hooks.ctx, why);
	ev_timer_init(&s->restart, on_restart_timer, lb_duration_seconds(delay), 0.);
	s->restart.data = s;
	ev_timer_start(s->loop, &s->restart);
}

static struct proxy_child_hooks child_hooks(struct supervise *s)
{
	return (struct proxy_child_hooks){
	    .message = on_channel_message, .closed = on_channel_closed, .ended = on_ended, .ctx = s};
}

static void expect(struct supervise *s, double seconds)
{
	ev_timer_stop(s->loop, &s->patience);
	ev_timer_set(&s->patience, seconds, 0.);
	ev_timer_start(s->loop, &s->patience);
}

/* What is known of a proxy that has just become the present one. */
static void take_over(struct supervise *s)
{
	s->started_at = clock_now();
	s->lost_told = false;
	proxy_child_keep(s->child, s->resume);
}

bool supervise_start(struct supervise *s, struct lb_err *err)
{
	struct proxy_child_hooks hooks = child_hooks(s);

	s->started_at = clock_now();
	s->lost_told = false;
	/* What its answer is depends on it: the rest follows then. */
	if (s->adopting) {
		expect(s, ADOPT_PATIENCE);
		return true;
	}
	s->child = proxy_child_start(s->loop, s->program, &hooks, err);
	if (!s->child)
		return false;
	take_over(s);
	lb_info("proxy started pid=%d", (int)proxy_child_pid(s->child));
	s->hooks.started(s->hooks.ctx, proxy_child_ipc(s->child), false);
	return true;
}

const char *supervise_program(const struct supervise *s)
{
	return s->program;
}

struct proxy_child *supervise_replace(struct supervise *s, struct proxy_child *heir)
{
	struct proxy_child *former = s->child;
	struct proxy_child_hooks hooks = child_hooks(s);

	s->child = heir;
	proxy_child_set_hooks(heir, &hooks);
	take_over(s);
	s->quick_deaths = 0;
	for (uint32_t i = 0; i <= s->workers; i++)
		s->moved_at[i] = s->started_at;
	return former;
}

/* How long the slowest thread has stood still. */
static lb_duration longest_still(struct supervise *s, lb_time now)
{
	const struct ipc_page *page = proxy_child_page(s->child);
	lb_duration longest = 0;

	for (uint32_t i = 0; i <= s->workers; i++) {
		const _Atomic uint64_t *tick = i == 0 ? &page->control_tick : &page->worker_tick[i - 1];
		uint64_t value = atomic_load_explicit(tick, memory_order_relaxed);

		if (value != s->seen[i]) {
			s->seen[i] = value;
			s->moved_at[i] = now;
		}
		if (now - s->moved_at[i] > longest)
			longest = now - s->moved_at[i];
	}
	return longest;
}

static void on_ticks(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct supervise *s = w->data;
	lb_time now = clock_now();
	lb_duration gap = now - s->checked_at;
	lb_duration still;

	(void)loop;
	(void)revents;
	s->checked_at = now;
	/* After a pause of our own (stopped, frozen) the proxy gets the same time again before it is judged. */
	if (gap > TICK_STILL)
		for (uint32_t i = 0; i <= s->workers; i++)
			s->moved_at[i] = now;
	still = longest_still(s, now);
	if ((still <= TICK_STILL) != s->ticking) {
		s->ticking = still <= TICK_STILL;
		s->hooks.ticking(s->hooks.ctx, s->ticking);
	}
	if (still > TICK_HOPELESS) {
		lb_error("proxy stands still for %.0f ms: ending it", lb_duration_ms(still));
		proxy_child_kill(s->child);
	}
}

void supervise_watch_ticks(struct supervise *s)
{
	if (ev_is_active(&s->ticks))
		return;
	s->checked_at = clock_now();
	for (uint32_t i = 0; i <= s->workers; i++)
		s->moved_at[i] = s->checked_at;
	s->ticking = true;
	ev_timer_init(&s->ticks, on_ticks, lb_duration_seconds(TICK_CHECK), lb_duration_seconds(TICK_CHECK));
	s->ticks.data = s;
	ev_timer_start(s->loop, &s->ticks);
}

void supervise_stop(struct supervise *s)
{
	s->stopping = true;
	ev_timer_stop(s->loop, &s->restart);
	ev_timer_stop(s->loop, &s->ticks);
	if (!s->child) {
		s->hooks.stopped(s->hooks.ctx);
		return;
	}
	if (!supervise_ipc(s) || !ipc_post(supervise_ipc(s), IPC_STOP, NULL, 0))
		proxy_child_kill(s->child);
	expect(s, STOP_PATIENCE);
}

void supervise_free(struct supervise *s)
{
	if (!s)
		return;
	ev_timer_stop(s->loop, &s->restart);
	ev_timer_stop(s->loop, &s->ticks);
	ev_timer_stop(s->loop, &s->patience);
	proxy_child_free(s->child);
	free(s);
}
