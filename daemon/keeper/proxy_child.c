#include "daemon/keeper/proxy_child.h"

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

struct proxy_child {
	struct ev_loop *loop;
	struct proxy_child_hooks hooks;
	struct ipc_page *page;
	int page_fd;
	struct ipc *ipc;
	pid_t pid; /* 0 once it was reaped */
	ev_child watcher;
};

bool proxy_child_program(char path[static PROXY_CHILD_PATH_MAX], struct lb_err *err)
{
	char self[2048];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash) {
			*slash = '\0';
			snprintf(path, PROXY_CHILD_PATH_MAX, "%s/lbd-proxy", self);
			if (access(path, X_OK) == 0)
				return true;
		}
	}
	snprintf(path, PROXY_CHILD_PATH_MAX, "%s/lbd-proxy", LB_LIBEXEC);
	if (access(path, X_OK) == 0)
		return true;
	return lb_err_errno(err, errno, "cannot run the proxy program %s", path);
}

/* ---- start ---- */

static bool make_page(struct proxy_child *c, struct lb_err *err)
{
	c->page_fd = memfd_create("lbd-ticks", MFD_CLOEXEC);
	if (c->page_fd < 0 || ftruncate(c->page_fd, sizeof(*c->page)) != 0)
		return lb_err_errno(err, errno, "cannot make the shared page");
	c->page = mmap(NULL, sizeof(*c->page), PROT_READ | PROT_WRITE, MAP_SHARED, c->page_fd, 0);
	if (c->page == MAP_FAILED) {
		c->page = NULL;
		return lb_err_errno(err, errno, "cannot map the shared page");
	}
	return true;
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

static void close_channel(struct proxy_child *c)
{
	ipc_free(c->ipc);
	c->ipc = NULL;
}

static void on_channel_closed(void *ctx, const char *why)
{
	struct proxy_child *c = ctx;

	close_channel(c);
	c->hooks.closed(c->hooks.ctx, why);
}

static void on_channel_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds,
			       size_t nfds)
{
	struct proxy_child *c = ctx;

	c->hooks.message(c->hooks.ctx, type, body, size, fds, nfds);
}

static void describe_end(int status, char out[static 64])
{
	if (WIFSIGNALED(status))
		snprintf(out, 64, "killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127)
		snprintf(out, 64, "its program could not be run");
	else if (WEXITSTATUS(status) == IPC_EXIT_FOREIGN)
		snprintf(out, 64, "it does not understand this keeper: restart lbd");
	else
		snprintf(out, 64, "exit code %d", WEXITSTATUS(status));
}

static void on_ended(struct ev_loop *loop, ev_child *w, int revents)
{
	struct proxy_child *c = w->data;
	char why[64];

	(void)revents;
	ev_child_stop(loop, w);
	describe_end(w->rstatus, why);
	close_channel(c);
	c->pid = 0;
	c->hooks.ended(c->hooks.ctx, why);
}

struct proxy_child *proxy_child_start(struct ev_loop *loop, const char *program, const struct proxy_child_hooks *hooks,
				      struct lb_err *err)
{
	struct proxy_child *c = calloc(1, sizeof(*c));
	int pair[2];

	if (!c) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	c->loop = loop;
	c->hooks = *hooks;
	c->page_fd = -1;
	ev_init(&c->watcher, on_ended);
	if (!make_page(c, err))
		goto free_child;
	if (!ipc_pair(pair)) {
		lb_err_errno(err, errno, "cannot make the channel to the proxy");
		goto free_child;
	}
	c->ipc = ipc_new(loop, pair[0], on_channel_message, on_channel_closed, c);
	if (!c->ipc) {
		lb_err_set(err, "out of memory");
		close(pair[0]);
		goto close_theirs;
	}
	c->pid = fork();
	if (c->pid < 0) {
		lb_err_errno(err, errno, "cannot fork the proxy");
		c->pid = 0;
		goto close_theirs;
	}
	if (c->pid == 0)
		become_proxy(program, pair[1]);
	close(pair[1]);
	ev_child_init(&c->watcher, on_ended, c->pid, 0);
	c->watcher.data = c;
	ev_child_start(loop, &c->watcher);
	return c;

close_theirs:
	close(pair[1]);
free_child:
	proxy_child_free(c);
	return NULL;
}

/* ---- life ---- */

void proxy_child_set_hooks(struct proxy_child *c, const struct proxy_child_hooks *hooks)
{
	c->hooks = *hooks;
}

pid_t proxy_child_pid(const struct proxy_child *c)
{
	return c->pid;
}

struct ipc *proxy_child_ipc(const struct proxy_child *c)
{
	return c->ipc;
}

int proxy_child_page_fd(const struct proxy_child *c)
{
	return c->page_fd;
}

const struct ipc_page *proxy_child_page(const struct proxy_child *c)
{
	return c->page;
}

/* ---- end ---- */

void proxy_child_kill(const struct proxy_child *c)
{
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
}

void proxy_child_free(struct proxy_child *c)
{
	if (!c)
		return;
	proxy_child_kill(c);
	ev_child_stop(c->loop, &c->watcher);
	close_channel(c);
	if (c->page)
		munmap(c->page, sizeof(*c->page));
	if (c->page_fd >= 0)
		close(c->page_fd);
	free(c);
}
