/*
 * lbd-proxy: started by lbd, never by hand. Privileges are given up before the first byte from outside is read; the
 * control thread is this one, worker threads follow when the keeper says how many.
 */
#include <ev.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/ipc/ipc.h"
#include "daemon/proxy/control/control.h"
#include "daemon/proxy/share/reserve.h"
#include "daemon/proxy/share/source_table.h"
#include "daemon/proxy/worker/worker.h"
#include "daemon/sys/caps.h"
#include "daemon/sys/logsink.h"
#include "daemon/sys/sandbox.h"

/* Client addresses counted at a time for max_connections_per_source; half a megabyte. */
#define SOURCES 65536
/* Address space alone until it is used. */
#define MEMORY_AHEAD   (2 * 1024 * 1024)
#define REFILL_SECONDS 1.

/* Shared by all workers, so that a limit per client holds for the node. NULL: each worker counts for itself. */
static struct source_table *sources;

/* Control may not know the data path; here the two meet. */
static struct worker *start_worker(const struct crew_start *start, struct lb_err *err)
{
	return worker_start(&(struct worker_params){.index = start->index,
						    .control = start->control,
						    .tick = start->tick,
						    .stall_max = start->stall_max,
						    .sources = sources},
			    err);
}

/* Workers may take all the memory there is, and control cannot go on without: it has some ahead, and its own reserve.
 */
static void have_memory_ahead(void)
{
	mallopt(M_TOP_PAD, MEMORY_AHEAD);
	mallopt(M_TRIM_THRESHOLD, MEMORY_AHEAD + MEMORY_AHEAD / 2);
	ev_set_allocator(reserve_realloc);
}

static void on_refill(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct reserve *reserve = timer->data;

	(void)loop;
	(void)revents;
	if (reserve->spent)
		reserve_fill(reserve);
}

/* The keeper decides when the proxy ends; a signal to the whole process group must not anticipate that. */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
}

/*
 * Die with the keeper, unless another one may come. The kernel forgets this wish when the user changes, so it comes
 * after the privileges.
 */
static bool tie_to_keeper(pid_t keeper, bool outlives)
{
	return outlives || (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == keeper);
}

int main(int argc, char **argv)
{
	bool outlives = argc == 2 && strcmp(argv[1], IPC_OUTLIVES) == 0;
	pid_t keeper = getppid();
	struct control *control;
	struct reserve reserve = {0};
	ev_timer refill;
	struct lb_err err;

	logsink_init("lbd-proxy", LB_LOG_INFO);
	if (fcntl(IPC_PROXY_FD, F_SETFD, FD_CLOEXEC) != 0 || fcntl(IPC_LINK_FD, F_SETFD, FD_CLOEXEC) != 0) {
		fputs("lbd-proxy: it is started by lbd; see lbd(8)\n", stderr);
		return 2;
	}
	ignore_signals();
	have_memory_ahead();
	if (!caps_drop_all(&err)) {
		lb_error("%s", err.text);
		return EXIT_FAILURE;
	}
	if (!tie_to_keeper(keeper, outlives))
		return EXIT_FAILURE;
	sandbox_enter_proxy();
	sources = source_table_new(SOURCES);
	control = control_new(&(struct control_params){
	    .loop = ev_default_loop(0),
	    .channel_fd = IPC_PROXY_FD,
	    .link_fd = IPC_LINK_FD,
	    .workers = {.start = start_worker, .mailbox = worker_mailbox, .join = worker_join},
	});
	reserve_fill(&reserve);
	ev_timer_init(&refill, on_refill, REFILL_SECONDS, REFILL_SECONDS);
	refill.data = &reserve;
	ev_timer_start(ev_default_loop(0), &refill);
	control_run(control);
	ev_timer_stop(ev_default_loop(0), &refill);
	reserve_close(&reserve);
	control_free(control);
	source_table_free(sources);
	return EXIT_SUCCESS;
}
