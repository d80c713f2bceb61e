/*
 * A data-plane thread with a loop of its own around an epoll set (poller.h). It owns what struct worker holds, takes
 * orders from its mailbox and reports to control's; it shares counters (relaxed atomics, a slot of its own) and the
 * table of client addresses.
 */
#include "daemon/proxy/worker/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/proxy/share/capacity.h"
#include "daemon/proxy/worker/connect.h"
#include "daemon/proxy/worker/ghost.h"
#include "daemon/proxy/worker/move.h"
#include "daemon/proxy/worker/session.h"
#include "daemon/proxy/worker/succession.h"
#include "daemon/proxy/worker/thread.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/processor.h"

/* Client addresses counted at a time where no table is shared. */
#define OWN_SOURCES 65536
/* Of the thread: reporting that it runs, deadlines of sessions. */
#define TICK LB_MSEC(50)
/* A processor on which the thread waited so long is left, and taken again after a while. */
#define LATE	    LB_MSEC(20)
#define PLACE_AGAIN LB_SEC(10)

static uint32_t workers_of(const struct pool_view *view)
{
	return view->service_count > 0 ? view->services[0].block->workers : 1;
}

static uint32_t session_limit(const struct worker *w, const struct pool_view *view)
{
	uint32_t workers = workers_of(view);

	if (view->max_connections > 0)
		return view->max_connections;
	return capacity_sessions(workers, w->pipes.max, capacity_resting(view->conf));
}

/* --- orders --- */

static struct message *answer(const struct worker *w, enum message_kind kind, const struct message *to)
{
	struct message *m = message_new(kind);

	m->worker = w->params.index;
	m->token = to->token;
	return m;
}

static void retire(struct worker *w, struct pool_view *view, const struct message *order)
{
	struct message *m;

	if (view == NULL)
		return;
	m = answer(w, MESSAGE_VIEW_RETIRED, order);
	m->view = view;
	mailbox_post(w->params.control, m);
}

static void publish(struct worker *w, const struct message *order)
{
	struct pool_view *unused = w->stopped ? order->view : pool_publish(w, order->view);

	if (unused != order->view) {
		w->sessions.max = session_limit(w, order->view);
		w->count = workers_of(order->view);
		session_log_set(&w->log, order->view->conf->log_connections, workers_of(order->view));
		listener_room(w);
	}
	retire(w, unused, order);
}

/* Do what was ordered and answer it. */
static void reply(struct worker *w, enum message_kind kind, const struct message *order,
		  void (*act)(struct worker *w, const struct message *order, struct message *answer))
{
	struct message *m = answer(w, kind, order);

	act(w, order, m);
	mailbox_post(w->params.control, m);
}

/* Sessions that come and go with the VIP. */
static void move(struct worker *w, const struct message *order)
{
	switch (order->kind) {
	case MESSAGE_PREVIEW:
		reply(w, MESSAGE_PREVIEWED, order, move_preview);
		break;
	case MESSAGE_NARROW:
		reply(w, MESSAGE_NARROWED, order, move_narrow);
		break;
	case MESSAGE_FREEZE:
		reply(w, MESSAGE_FROZEN, order, move_freeze);
		break;
	case MESSAGE_DUMP:
		reply(w, MESSAGE_DUMPED, order, move_dump);
		break;
	case MESSAGE_THAW:
		reply(w, MESSAGE_THAWED, order, move_thaw);
		break;
	case MESSAGE_ADOPT:
		reply(w, MESSAGE_ADOPTED, order, move_adopt);
		break;
	case MESSAGE_LIST_RESTING:
		reply(w, MESSAGE_FROZEN, order, move_list);
		break;
	default:
		reply(w, MESSAGE_REVIVED, order, move_revive);
		break;
	}
}

/* Sessions that go on in another process. */
static void succeed(struct worker *w, const struct message *order)
{
	switch (order->kind) {
	case MESSAGE_HOLD:
		reply(w, MESSAGE_HELD, order, succession_hold);
		break;
	case MESSAGE_TELL:
		reply(w, MESSAGE_TOLD, order, succession_tell);
		break;
	case MESSAGE_TAKE:
		reply(w, MESSAGE_TAKEN, order, succession_take);
		break;
	default:
		reply(w, MESSAGE_RESUMED, order, succession_resume);
		break;
	}
}

static void stop(struct worker *w, const struct message *order)
{
	struct message all = {.scope = END_ALL, .reason = FLOW_END_SHUTDOWN}, ended = {0};

	w->stopped = true;
	listener_set_close(w);
	session_set_end(w, &all, &ended);
	retire(w, pool_close(w), order);
}

static void on_order(void *ctx, struct message *m)
{
	struct worker *w = ctx;

	if (w->left) {
		message_free(m);
		return;
	}
	switch (m->kind) {
	case MESSAGE_PUBLISH:
		publish(w, m);
		break;
	case MESSAGE_END_SESSIONS:
		reply(w, MESSAGE_SESSIONS_ENDED, m, session_set_end);
		break;
	case MESSAGE_LIST_SESSIONS:
		reply(w, MESSAGE_SESSION_LIST, m, session_set_describe);
		break;
	case MESSAGE_STOP:
		stop(w, m);
		break;
	case MESSAGE_TELL_TUPLES:
		tuples_order(w, m);
		break;
	case MESSAGE_PREVIEW:
	case MESSAGE_NARROW:
	case MESSAGE_FREEZE:
	case MESSAGE_DUMP:
	case MESSAGE_THAW:
	case MESSAGE_ADOPT:
	case MESSAGE_LIST_RESTING:
	case MESSAGE_REVIVE:
		move(w, m);
		break;
	case MESSAGE_LEAVE:
		w->left = true;
		break;
	case MESSAGE_HOLD:
	case MESSAGE_TELL:
	case MESSAGE_TAKE:
	case MESSAGE_RESUME:
		succeed(w, m);
		break;
	default:
		break;
	}
	/* What comes with an order is used up by it. */
	free(m->bytes);
	free(m->fds);
	message_free(m);
}

/* --- time --- */

static void on_session_due(void *ctx, struct wheel_entry *e)
{
	(void)ctx;
	session_on_timer(lb_container_of(e, struct session, timer));
}

/* Longer between two ticks than a tick means that a round took so long, or that the thread did not run. */
static void measure_stall(struct worker *w)
{
	lb_duration late = w->now - w->ticked_at - TICK;

	if (late > atomic_load_explicit(w->params.stall_max, memory_order_relaxed))
		atomic_store_explicit(w->params.stall_max, late, memory_order_relaxed);
	w->ticked_at = w->now;
}

/*
 * Workers that shared a processor would starve each other while another processor idles or serves their peers: each
 * takes its own. One that is busy with something else, so that the thread waits there, is left for a while.
 */
static void place(struct worker *w, lb_duration late)
{
	if (w->placed && late > LATE) {
		processor_leave();
		w->placed = false;
		w->place_at = w->now + PLACE_AGAIN;
	} else if (!w->placed && w->count > 1 && w->now >= w->place_at) {
		w->placed = processor_take(w->params.index, w->count);
		w->place_at = w->placed ? w->now : LB_TIME_NEVER;
	}
}

static void tick(struct worker *w)
{
	atomic_fetch_add_explicit(w->params.tick, 1, memory_order_relaxed);
	place(w, w->now - w->ticked_at - TICK);
	measure_stall(w);
	if (w->now - w->drops_counted_at >= LB_SEC(1)) {
		w->drops_counted_at = w->now;
		listener_count_drops(w);
	}
	listener_try_resume(w);
	pool_refresh(w);
	tuples_tick(w);
	wheel_advance(&w->wheel, w->now, on_session_due, w);
	w->next_tick = w->now + TICK;
}

/* --- the thread --- */

static void on_orders(struct poll_io *io, unsigned ready)
{
	(void)ready;
	mailbox_deliver(lb_container_of(io, struct worker, orders)->box);
}

/* Milliseconds until somebody's time has come, rounded up so that it really has. */
static int time_left(const struct worker *w)
{
	lb_duration left = lb_time_min(w->next_tick, wheel_next(&w->attempts)) - w->now;

	return left > 0 ? (int)((left + LB_MSEC(1) - 1) / LB_MSEC(1)) : 0;
}

/* What happened comes before what ran out: after a pause of this process an answer that has arrived counts. */
static void loop(struct worker *w)
{
	while (!w->stopped) {
		poller_wait(&w->poller, time_left(w));
		w->now = clock_now();
		poller_dispatch(&w->poller);
		wheel_advance(&w->attempts, w->now, connect_on_due, w);
		if (w->now >= w->next_tick)
			tick(w);
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct message *last;
	char name[16];

	/* The thread itself: to name another one takes a file that the sandbox hides. */
	snprintf(name, sizeof(name), "lbd-worker-%u", (unsigned)(w->params.index % 1000));
	pthread_setname_np(pthread_self(), name);
	w->now = w->ticked_at = clock_now();
	reserve_fill(&w->reserve);
	wheel_init(&w->wheel, TICK, w->now);
	wheel_init(&w->attempts, LB_MSEC(1), w->now);
	w->next_tick = w->now + TICK;
	loop(w);

	poller_remove(&w->poller, &w->orders);
	connect_free_spare(w);
	reserve_close(&w->reserve);
	session_set_free(&w->sessions);
	ghost_free(w);
	tuples_free(&w->tuples);
	buffer_pool_free(&w->buffers);
	splice_pool_free(&w->pipes);
	last = message_new(MESSAGE_STOPPED);
	last->worker = w->params.index;
	mailbox_post(w->params.control, last);
	return NULL;
}

/*
 * Signals are the control thread's; SIGPIPE, too, has no meaning here. The kernel's answer to a call that the sandbox
 * refuses is for the thread that made it.
 */
static int start_thread(struct worker *w)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void free_worker(struct worker *w)
{
	mailbox_free(w->box);
	poller_close(&w->poller);
	source_table_free(w->own_sources);
	free(w->scratch);
	free(w);
}

struct worker *worker_start(const struct worker_params *params, struct lb_err *err)
{
	struct worker *w = calloc(1, sizeof(*w));
	int error = ENOMEM;

	if (w == NULL)
		goto fail;
	w->params = *params;
	w->now = clock_now();
	w->scratch = malloc(WORKER_SCRATCH);
	w->sources = params->sources;
	if (w->sources == NULL)
		w->sources = w->own_sources = source_table_new(OWN_SOURCES);
	if (!poller_init(&w->poller) || w->scratch == NULL || w->sources == NULL)
		goto fail;
	w->box = mailbox_new(NULL, on_order, w);
	if (w->box == NULL)
		goto fail;
	poll_io_init(&w->orders, on_orders, mailbox_fd(w->box));
	if (!poller_add(&w->poller, &w->orders, POLLER_READ | POLLER_LEVEL))
		goto fail;
	splice_pool_init(&w->pipes, capacity_pipes());
	session_set_init(&w->sessions);
	tuples_init(&w->tuples);
	session_log_init(&w->log);
	listener_set_init(w);
	error = start_thread(w);
	if (error == 0)
		return w;
	listener_set_close(w);

fail:
	lb_err_errno(err, error, "cannot start worker thread %u", (unsigned)params->index);
	if (w != NULL)
		free_worker(w);
	return NULL;
}

struct mailbox *worker_mailbox(struct worker *w)
{
	return w->box;
}

void worker_join(struct worker *w)
{
	pthread_join(w->thread, NULL);
	free_worker(w);
}
