#include "daemon/keeper/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lb/log.h>
#include <lb/ratelimit.h>

#include "daemon/sys/clock.h"

#define TICK_CHECK    LB_MSEC(100)
#define TICK_STILL    LB_MSEC(500) /* a thread that stands still longer cannot serve (contract) */
#define TICK_HOPELESS LB_SEC(3)	   /* and longer than this it will not come back */
#define STOP_PATIENCE 1.0	   /* seconds between IPC_STOP and SIGKILL */
#define RESTART_FIRST LB_MSEC(20)
#define RESTART_MAX   LB_SEC(2)
#define STEADY_AFTER  LB_SEC(10) /* a proxy that lived so long was not broken from the start */

struct supervise {
	struct ev_loop *loop;
	uint32_t workers;
	struct supervise_hooks hooks;
	char program[4096];
	struct ipc_page *page;
	int page_fd;
	struct ipc *ipc;
	pid_t pid;
	ev_child child;
	ev_timer restart, ticks, patience;
	lb_time started_at;
	unsigned quick_deaths;
	uint64_t restarts;
	bool stopping;
	/* What the page showed last, per thread (control first), and since when it has not changed. */
	uint64_t seen[IPC_WORKERS_MAX + 1];
	lb_time moved_at[IPC_WORKERS_MAX + 1];
	lb_time checked_at;
	bool ticking;
};

/* Beside our own executable in a build tree, else in the libexec directory of the installation. */
static bool find_program(char *out, size_t cap, struct lb_err *err)
{
	char self[2048];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			snprintf(out, cap, "%s/lbd-proxy", self);
			if (access(out, X_OK) == 0)
				return true;
		}
	}
	snprintf(out, cap, "%s/lbd-proxy", LB_LIBEXEC);
	if (access(out, X_OK) == 0)
		return true;
	return lb_err_errno(err, errno, "cannot run the proxy program %s", out);
}

struct supervise *supervise_new(const struct supervise_params *params, struct lb_err *err)
{
	struct supervise *s = calloc(1, sizeof(*s));

	if (!s) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	s->loop = params->loop;
	s->workers = params->workers;
	s->hooks = params->hooks;
	s->page_fd = -1;
	if (!find_program(s->program, sizeof(s->program), err))
		goto free_supervise;
	s->page_fd = memfd_create("lbd-ticks", MFD_CLOEXEC);
	if (s->page_fd < 0 || ftruncate(s->page_fd, sizeof(*s->page)) != 0) {
		lb_err_errno(err, errno, "cannot make the shared page");
		goto close_page;
	}
	s->page = mmap(NULL, sizeof(*s->page), PROT_READ | PROT_WRITE, MAP_SHARED, s->page_fd, 0);
	if (s->page == MAP_FAILED) {
		lb_err_errno(err, errno, "cannot map the shared page");
		goto close_page;
	}
	return s;

close_page:
	if (s->page_fd >= 0)
		close(s->page_fd);
free_supervise:
	free(s);
	return NULL;
}

int supervise_page_fd(const struct supervise *s)
{
	return s->page_fd;
}

struct ipc *supervise_ipc(const struct supervise *s)
{
	return s->ipc;
}

uint64_t supervise_restarts(const struct supervise *s)
{
	return s->restarts;
}

/* In the child: the channel on its descriptor, ordinary priority, and out. Only async-signal-safe calls. */
static _Noreturn void become_proxy(const char *program, int channel)
{
	char *const argv[] = {(char *)(uintptr_t) "lbd-proxy", NULL};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (channel == IPC_PROXY_FD)
		fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, IPC_PROXY_FD) < 0)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(program, argv);
	_exit(127);
}

static void stop_watching(struct supervise *s)
{
	ev_timer_stop(s->loop, &s->ticks);
	ipc_free(s->ipc);
	s->ipc = NULL;
}

/*
 * The channel ended before the process did: it cannot be used any more, so make sure that it dies. One that was told to
 * stop closes it on its way out and may finish.
 */
static void on_channel_closed(void *ctx, const char *why)
{
	struct supervise *s = ctx;

	stop_watching(s);
	if (s->stopping)
		return;
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	s->hooks.lost(s->hooks.ctx, why);
}

static void on_channel_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds,
			       size_t nfds)
{
	struct supervise *s = ctx;

	s->hooks.message(s->hooks.ctx, type, body, size, fds, nfds);
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

static void describe_end(int status, char out[static 64])
{
	if (WIFSIGNALED(status))
		snprintf(out, 64, "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127)
		snprintf(out, 64, "its program could not be run");
	else
		snprintf(out, 64, "exit code %d", WEXITSTATUS(status));
}

static void on_child(struct ev_loop *loop, ev_child *w, int revents)
{
	struct supervise *s = w->data;
	bool had_channel = s->ipc != NULL;
	lb_duration delay;
	char why[64];

	(void)revents;
	describe_end(w->rstatus, why);
	ev_child_stop(loop, w);
	ev_timer_stop(loop, &s->patience);
	stop_watching(s);
	s->pid = 0;
	if (s->stopping) {
		s->hooks.stopped(s->hooks.ctx);
		return;
	}
	/* The first restart is immediate; a program that dies again and again is given more and more time. */
	s->quick_deaths = clock_now() - s->started_at < STEADY_AFTER ? s->quick_deaths + 1 : 0;
	delay = s->quick_deaths <= 1 ? 0 : backoff_delay(RESTART_FIRST, RESTART_MAX, s->quick_deaths - 2);
	s->restarts++;
	lb_error("proxy ended why=\"%s\" restart_in_ms=%.0f", why, lb_duration_ms(delay));
	if (had_channel)
		s->hooks.lost(s->hooks.ctx, why);
	ev_timer_init(&s->restart, on_restart_timer, lb_duration_seconds(delay), 0.);
	s->restart.data = s;
	ev_timer_start(loop, &s->restart);
}

bool supervise_start(struct supervise *s, struct lb_err *err)
{
	int pair[2];

	if (!ipc_pair(pair))
		return lb_err_errno(err, errno, "cannot make the channel to the proxy");
	memset(s->page, 0, sizeof(*s->page));
	s->pid = fork();
	if (s->pid < 0) {
		lb_err_errno(err, errno, "cannot fork the proxy");
		goto close_pair;
	}
	if (s->pid == 0)
		become_proxy(s->program, pair[1]);
	close(pair[1]);
	s->started_at = clock_now();
	ev_child_init(&s->child, on_child, s->pid, 0);
	s->child.data = s;
	ev_child_start(s->loop, &s->child);
	s->ipc = ipc_new(s->loop, pair[0], on_channel_message, on_channel_closed, s);
	if (!s->ipc) {
		close(pair[0]);
		kill(s->pid, SIGKILL);
		return lb_err_set(err, "out of memory");
	}
	lb_info("proxy started pid=%d", (int)s->pid);
	s->hooks.started(s->hooks.ctx, s->ipc);
	return true;

close_pair:
	close(pair[0]);
	close(pair[1]);
	s->pid = 0;
	return false;
}

/* How long the slowest thread has stood still. */
static lb_duration longest_still(struct supervise *s, lb_time now)
{
	lb_duration longest = 0;

	for (uint32_t i = 0; i <= s->workers; i++) {
		const _Atomic uint64_t *tick = i == 0 ? &s->page->control_tick : &s->page->worker_tick[i - 1];
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
		kill(s->pid, SIGKILL);
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

static void on_patience_over(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct supervise *s = w->data;

	(void)loop;
	(void)revents;
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
}

void supervise_stop(struct supervise *s)
{
	s->stopping = true;
	ev_timer_stop(s->loop, &s->restart);
	ev_timer_stop(s->loop, &s->ticks);
	if (s->pid <= 0) {
		s->hooks.stopped(s->hooks.ctx);
		return;
	}
	if (!s->ipc || !ipc_post(s->ipc, IPC_STOP, NULL, 0))
		kill(s->pid, SIGKILL);
	ev_timer_init(&s->patience, on_patience_over, STOP_PATIENCE, 0.);
	s->patience.data = s;
	ev_timer_start(s->loop, &s->patience);
}

void supervise_free(struct supervise *s)
{
	if (!s)
		return;
	if (s->pid > 0)
		kill(s->pid, SIGKILL);
	ev_child_stop(s->loop, &s->child);
	ev_timer_stop(s->loop, &s->restart);
	ev_timer_stop(s->loop, &s->patience);
	stop_watching(s);
	munmap(s->page, sizeof(*s->page));
	close(s->page_fd);
	free(s);
}
