#include "daemon/proxy/worker/connect.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/proxy/worker/session.h"
#include "daemon/sys/clock.h"

/* A server towards which no local port was free is left alone so long; looking for one is expensive. */
#define NO_PORT_PAUSE LB_MSEC(100)
/* Failures of one server are reported to control at most so often. */
#define REPORT_EACH LB_MSEC(10)
/* A server that was silent while another one answered is not the first choice for so long. */
#define SILENT_PAUSE LB_SEC(1)
/* A second attempt for which there was no budget is thought of again after so long. */
#define HEDGE_AGAIN LB_MSEC(10)

/* Records of finished attempts kept for the next ones. */
#define SPARE_MAX 256

struct attempt {
	struct poll_io io;
	struct session *session;
	struct worker_server *server; /* NULL: free */
	lb_time started, deadline;
};

struct connecting {
	struct connecting *next; /* in the list of spare ones */
	struct attempt attempt[2];
	struct session *session;
	struct wheel_entry timer;
	lb_time hedge_at; /* when a second attempt may start beside the first; NEVER: not, or not again */
	int hedge;	  /* which attempt is the second; -1 none was started */
	bool tried_any;
	bool denied;	/* a second attempt was denied by the budget, and counted */
	bool timed_out; /* the last attempt that failed was silent */
	struct pool_tried tried;
};

/* --- reports to control --- */

static void report(struct worker *w, struct worker_server *server, enum message_kind kind)
{
	struct message *m = message_new(kind);

	m->worker = w->params.index;
	m->server = server->block;
	mailbox_post(w->params.control, m);
}

static void report_failure(struct worker *w, struct worker_server *server)
{
	counter_add_own(&server->slot->connect_errors, 1);
	if (server->failing && w->now - server->reported_at < REPORT_EACH)
		return;
	server->failing = true;
	server->reported_at = w->now;
	report(w, server, MESSAGE_CONNECT_FAILED);
}

/* It may only be slow, so this is no failure: new sessions go elsewhere and its checker looks. */
static void report_silence(struct worker *w, struct worker_server *server)
{
	bool known = server->silent_until > w->now;

	server->silent_until = w->now + SILENT_PAUSE;
	if (!known)
		report(w, server, MESSAGE_CONNECT_SILENT);
}

static void report_success(struct worker *w, struct worker_server *server, lb_duration connect_time)
{
	server->silent_until = 0;
	hedge_rtt_sample(&server->rtt, connect_time);
	atomic_store_explicit(&server->slot->connect_time, server->rtt.smoothed, memory_order_relaxed);
	if (!server->failing)
		return;
	server->failing = false;
	report(w, server, MESSAGE_CONNECT_OK);
}

/* --- one attempt --- */

static void on_answer(struct poll_io *io, unsigned ready);

enum start { STARTED, NEXT, SHORTAGE };

/* What a connect that failed at once means; errno says why. */
static enum start start_failed(struct worker *w, struct worker_server *server)
{
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return SHORTAGE;
	case EADDRNOTAVAIL:
	case EAGAIN:
		/* Not the server's fault, so control is not told. */
		server->no_port_until = w->now + NO_PORT_PAUSE;
		counter_add_own(&server->slot->connect_errors, 1);
		return NEXT;
	default:
		report_failure(w, server);
		return NEXT;
	}
}

/* Close an attempt that did not win. */
static void attempt_drop(struct attempt *a)
{
	if (a->server == NULL)
		return;
	poller_forget(&a->session->worker->poller, &a->io);
	tcp_sock_reset(a->io.fd);
	pool_leave(a->server);
	a->server = NULL;
}

static enum start attempt_start(struct session *s, struct attempt *a, struct worker_server *server)
{
	const struct lb_conf_service *conf = s->service->conf;
	const struct lb_addr *source = conf->source == LB_SOURCE_VIP && s->on_vip ? &s->local.addr : NULL;
	lb_time now = clock_now();
	int fd = tcp_sock_connect(&server->block->address, source);

	if (fd < 0) {
		enum start why = start_failed(s->worker, server);

		pool_leave(server);
		return why;
	}
	a->server = server;
	a->started = now;
	a->deadline = conf->connect_timeout > 0 ? now + conf->connect_timeout : LB_TIME_NEVER;
	/* Only a failure makes the socket readable and writable at once, which spares asking for its error. */
	poll_io_init(&a->io, on_answer, fd);
	if (!poller_add(&s->worker->poller, &a->io, POLLER_READ | POLLER_WRITE)) {
		attempt_drop(a);
		return SHORTAGE;
	}
	return STARTED;
}

static void attempt_failed(struct attempt *a, bool timed_out)
{
	struct connecting *c = a->session->connecting;

	c->timed_out = timed_out;
	report_failure(a->session->worker, a->server);
	attempt_drop(a);
}

/* --- all attempts of a session --- */

static struct connecting *connecting_new(struct session *s)
{
	struct session_set *set = &s->worker->sessions;
	struct connecting *c = set->spare_connecting;

	if (c != NULL) {
		set->spare_connecting = c->next;
		set->spare_connecting_count--;
	} else {
		c = malloc(sizeof(*c));
	}
	if (c == NULL)
		return NULL;
	*c = (struct connecting){.hedge = -1, .hedge_at = LB_TIME_NEVER};
	c->attempt[0].session = c->attempt[1].session = s;
	c->session = s;
	wheel_entry_init(&c->timer);
	return c;
}

void connect_cancel(struct session *s)
{
	struct connecting *c = s->connecting;
	struct session_set *set = &s->worker->sessions;

	if (c == NULL)
		return;
	wheel_remove(&s->worker->attempts, &c->timer);
	attempt_drop(&c->attempt[1]);
	attempt_drop(&c->attempt[0]);
	pool_tried_clear(&c->tried);
	s->connecting = NULL;
	if (set->spare_connecting_count >= SPARE_MAX) {
		free(c);
		return;
	}
	c->next = set->spare_connecting;
	set->spare_connecting = c;
	set->spare_connecting_count++;
}

void connect_free_spare(struct worker *w)
{
	while (w->sessions.spare_connecting != NULL) {
		struct connecting *c = w->sessions.spare_connecting;

		w->sessions.spare_connecting = c->next;
		free(c);
	}
}

static void arm_timer(struct session *s)
{
	struct connecting *c = s->connecting;
	lb_time next = c->hedge_at;

	for (int i = 0; i < 2; i++)
		if (c->attempt[i].server != NULL)
			next = lb_time_min(next, c->attempt[i].deadline);
	/* An earlier visit that is planned already looks again. */
	wheel_need(&s->worker->attempts, &c->timer, next);
}

/* An attempt is alone now: when may another one start beside it? */
static void plan_hedge(struct session *s, const struct attempt *a)
{
	const struct lb_conf_service *conf = s->service->conf;

	if (conf->hedge)
		s->connecting->hedge_at =
		    a->started + (conf->hedge_auto ? hedge_delay(&a->server->rtt) : conf->hedge_after);
}

static bool in_flight(const struct connecting *c)
{
	return c->attempt[0].server != NULL || c->attempt[1].server != NULL;
}

/* No server is left. */
static void give_up(struct session *s)
{
	struct connecting *c = s->connecting;

	if (!c->tried_any)
		session_end(s, FLOW_END_NO_SERVER);
	else
		session_end(s, c->timed_out ? FLOW_END_CONNECT_TIMEOUT : FLOW_END_CONNECT_FAILED);
}

static void out_of_descriptors(struct session *s)
{
	listener_pause(s->worker, false, "out of descriptors or memory");
	session_end(s, FLOW_END_RESOURCE);
}

/* See to it that an attempt is under way, or end the session. */
static void go_on(struct session *s)
{
	struct connecting *c = s->connecting;

	while (!in_flight(c)) {
		struct worker_server *server = pool_choose(s->worker, s->service, &s->client.addr, &c->tried);

		if (server == NULL) {
			give_up(s);
			return;
		}
		c->tried_any = true;
		pool_tried_add(&c->tried, server);
		hedge_earn(&s->service->block->hedging);
		switch (attempt_start(s, &c->attempt[0], server)) {
		case STARTED:
			c->hedge = -1;
			plan_hedge(s, &c->attempt[0]);
			break;
		case NEXT:
			break;
		case SHORTAGE:
			out_of_descriptors(s);
			return;
		}
	}
	arm_timer(s);
}

void connect_start(struct session *s)
{
	s->connecting = connecting_new(s);
	if (s->connecting == NULL) {
		reserve_spend(&s->worker->reserve);
		session_end(s, FLOW_END_RESOURCE);
		return;
	}
	if (session_event(s, FLOW_CHOSEN, FLOW_SERVER, 0))
		go_on(s);
}

/* Others have found the server silent already: a waiting connection goes to the next one, which costs no budget. */
static void change_server(struct session *s, struct attempt *silent, struct worker_server *next)
{
	struct connecting *c = s->connecting;

	pool_tried_add(&c->tried, next);
	attempt_drop(silent);
	c->hedge = -1;
	c->timed_out = true;
	if (attempt_start(s, silent, next) == STARTED)
		plan_hedge(s, silent);
}

/* The first attempt has been silent for long enough: a second one beside it, if the budget allows. */
static void start_hedge(struct session *s)
{
	struct connecting *c = s->connecting;
	int first = c->attempt[0].server != NULL ? 0 : 1;
	struct worker_server *server;

	c->hedge_at = LB_TIME_NEVER;
	if (c->attempt[1 - first].server != NULL)
		return;
	server = pool_choose(s->worker, s->service, &s->client.addr, &c->tried);
	if (server == NULL)
		return;
	/* After a change of the list the silent server may come up again. */
	if (server == c->attempt[first].server) {
		pool_leave(server);
		return;
	}
	if (c->attempt[first].server->silent_until > s->worker->now) {
		change_server(s, &c->attempt[first], server);
		return;
	}
	if (!hedge_spend(&s->service->block->hedging)) {
		if (!c->denied)
			counter_add_own(&s->service->slot->hedge_denied, 1);
		c->denied = true;
		c->hedge_at = s->worker->now + HEDGE_AGAIN;
		pool_leave(server);
		return;
	}
	pool_tried_add(&c->tried, server);
	if (attempt_start(s, &c->attempt[1 - first], server) == STARTED) {
		counter_add_own(&c->attempt[first].server->slot->hedged, 1);
		c->hedge = 1 - first;
	}
}

void connect_on_due(void *ctx, struct wheel_entry *e)
{
	struct connecting *c = lb_container_of(e, struct connecting, timer);
	struct session *s = c->session;
	lb_time now = s->worker->now;

	(void)ctx;
	for (int i = 0; i < 2; i++)
		if (c->attempt[i].server != NULL && c->attempt[i].deadline <= now)
			attempt_failed(&c->attempt[i], true);
	if (c->hedge_at <= now && in_flight(c))
		start_hedge(s);
	go_on(s);
}

static void won(struct attempt *a, unsigned ready)
{
	struct session *s = a->session;
	struct connecting *c = s->connecting;
	struct worker_server *server = a->server;
	struct service_slot *slot = s->service->slot;

	s->connect_time = s->worker->now - a->started;
	report_success(s->worker, server, s->connect_time);
	if (c->hedge >= 0)
		counter_add_own(a == &c->attempt[c->hedge] ? &slot->hedge_won : &slot->hedge_lost, 1);
	if (c->hedge >= 0 && a == &c->attempt[c->hedge] && c->attempt[1 - c->hedge].server != NULL)
		report_silence(s->worker, c->attempt[1 - c->hedge].server);
	/* The winner's socket and place go to the session, the rest is closed. */
	a->server = NULL;
	session_take_server(s, server, &a->io);
	connect_cancel(s);
	session_connected(s, ready);
}

static void on_answer(struct poll_io *io, unsigned ready)
{
	struct attempt *a = lb_container_of(io, struct attempt, io);
	struct session *s = a->session;

	if (ready == POLLER_WRITE || tcp_sock_error(io->fd) == 0) {
		won(a, ready);
		return;
	}
	attempt_failed(a, false);
	go_on(s);
}
