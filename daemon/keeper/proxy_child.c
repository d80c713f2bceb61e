#include "daemon/keeper/proxy_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/ipc/ipc_link.h"
#include "daemon/keeper/reaper.h"
#include "daemon/sys/fdstore.h"

struct proxy_child {
	struct ev_loop *loop;
	struct proxy_child_hooks hooks;
	struct ipc_page *page;
	int page_fd;
	struct ipc *ipc;
	pid_t pid;	   /* 0 once it ended, or not known */
	int process, link; /* process: -1 once it ended */
	ev_io watcher;	   /* of process */
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

/* In the child: both descriptors in their places, ordinary priority, and out. Only async-signal-safe calls. */
static _Noreturn void become_proxy(const char *program, int channel, int link, bool outlives)
{
	char *const argv[] = {(char *)(uintptr_t) "lbd-proxy", outlives ? (char *)(uintptr_t)IPC_OUTLIVES : NULL, NULL};
	sigset_t none;

	if (!outlives)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* One may stand where the other is to go. */
	channel = fcntl(channel, F_DUPFD_CLOEXEC, IPC_LINK_FD + 1);
	link = fcntl(link, F_DUPFD_CLOEXEC, IPC_LINK_FD + 1);
	if (channel < 0 || link < 0 || dup2(channel, IPC_PROXY_FD) < 0 || dup2(link, IPC_LINK_FD) < 0)
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

	if (type == IPC_ADOPTED)
		c->pid = ((const struct ipc_adopted *)body)->pid;
	c->hooks.message(c->hooks.ctx, type, body, size, fds, nfds);
}

/* How it ended stays with whoever reaps it where it is no child of ours. */
static void describe_end(int process, char out[static 64])
{
	siginfo_t end = {0};

	if (waitid(P_PIDFD, (id_t)process, &end, WEXITED | WNOHANG | WNOWAIT) != 0 || end.si_pid == 0)
		snprintf(out, 64, "it ended");
	else if (end.si_code != CLD_EXITED)
		snprintf(out, 64, "killed by signal %d", end.si_status);
	else if (end.si_status == 127)
		snprintf(out, 64, "its program could not be run");
	else if (end.si_status == IPC_EXIT_FOREIGN)
		snprintf(out, 64, "it does not understand this keeper: restart lbd");
	else
		snprintf(out, 64, "exit code %d", end.si_status);
}

/* The reaper has it from here on. */
static void let_go(struct proxy_child *c)
{
	ev_io_stop(c->loop, &c->watcher);
	reaper_take(c->process);
	c->process = -1;
	c->pid = 0;
}

static void on_ended(struct ev_loop *loop, ev_io *w, int revents)
{
	struct proxy_child *c = w->data;
	char why[64];

	(void)loop;
	(void)revents;
	describe_end(c->process, why);
	close_channel(c);
	let_go(c);
	c->hooks.ended(c->hooks.ctx, why);
}

static struct proxy_child *make(struct ev_loop *loop, const struct proxy_child_hooks *hooks)
{
	struct proxy_child *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->loop = loop;
	c->hooks = *hooks;
	c->page_fd = c->process = c->link = -1;
	ev_init(&c->watcher, on_ended);
	c->watcher.data = c;
	return c;
}

struct proxy_child *proxy_child_start(struct ev_loop *loop, const char *program, const struct proxy_child_hooks *hooks,
				      struct lb_err *err)
{
	struct proxy_child *c = make(loop, hooks);
	int pair[2], link[2];

	if (!c) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	if (!make_page(c, err))
		goto free_child;
	if (!ipc_link_pair(link)) {
		lb_err_errno(err, errno, "cannot make the link to the proxy");
		goto free_child;
	}
	c->link = link[0];
	if (!ipc_pair(pair)) {
		lb_err_errno(err, errno, "cannot make the channel to the proxy");
		goto close_link;
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
		become_proxy(program, pair[1], link[1], fdstore_offered());
	close(pair[1]);
	close(link[1]);
	c->process = pidfd_open(c->pid, 0);
	if (c->process < 0) {
		lb_err_errno(err, errno, "cannot watch the proxy (Linux 5.4 or newer is needed)");
		kill(c->pid, SIGKILL);
		goto free_child;
	}
	ev_io_set(&c->watcher, c->process, EV_READ);
	ev_io_start(loop, &c->watcher);
	return c;

close_theirs:
	close(pair[1]);
close_link:
	close(link[1]);
free_child:
	proxy_child_free(c);
	return NULL;
}

/* ---- one that outlives its keeper ---- */

/* A page of another layout is that of another version. */
static bool map_kept_page(struct proxy_child *c, int fd)
{
	struct stat st;

	c->page_fd = fd;
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size != sizeof(*c->page))
		return false;
	c->page = mmap(NULL, sizeof(*c->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c->page == MAP_FAILED)
		c->page = NULL;
	return c->page != NULL;
}

/* Bring it a channel; false: nobody is there to take it. */
static bool bring_channel(struct proxy_child *c)
{
	int pair[2];
	bool offered;

	if (c->link < 0 || !ipc_pair(pair))
		return false;
	offered = ipc_link_offer(c->link, pair[1]);
	close(pair[1]);
	c->ipc = offered ? ipc_new(c->loop, pair[0], on_channel_message, on_channel_closed, c) : NULL;
	if (!c->ipc)
		close(pair[0]);
	return c->ipc != NULL;
}

struct proxy_child *proxy_child_adopt(struct ev_loop *loop, struct resume *resume,
				      const struct proxy_child_hooks *hooks)
{
	struct proxy_child *c = make(loop, hooks);
	bool page;

	if (!c)
		return NULL;
	c->link = resume_take(resume, RESUME_LINK);
	c->process = resume_take(resume, RESUME_PROCESS);
	page = map_kept_page(c, resume_take(resume, RESUME_PAGE));
	/* Without its process nobody could end it, or would hear of its end. */
	if (c->process >= 0 && page && bring_channel(c)) {
		ev_io_set(&c->watcher, c->process, EV_READ);
		ev_io_start(loop, &c->watcher);
		return c;
	}
	proxy_child_free(c);
	proxy_child_forget(resume);
	return NULL;
}

void proxy_child_keep(const struct proxy_child *c, struct resume *resume)
{
	proxy_child_forget(resume);
	if (c->process < 0)
		return;
	resume_put(resume, RESUME_LINK, c->link);
	resume_put(resume, RESUME_PROCESS, c->process);
	resume_put(resume, RESUME_PAGE, c->page_fd);
}

void proxy_child_forget(struct resume *resume)
{
	static const char *const names[] = {RESUME_LINK, RESUME_PROCESS, RESUME_PAGE};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!resume_discard(resume, names[i]))
			resume_drop(resume, names[i]);
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
	if (c->process >= 0)
		pidfd_send_signal(c->process, SIGKILL, NULL, 0);
}

void proxy_child_free(struct proxy_child *c)
{
	if (!c)
		return;
	proxy_child_kill(c);
	let_go(c);
	close_channel(c);
	if (c->link >= 0)
		close(c->link);
	if (c->page)
		munmap(c->page, sizeof(*c->page));
	if (c->page_fd >= 0)
		close(c->page_fd);
	free(c);
}
