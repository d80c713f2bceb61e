#include "daemon/keeper/keeper.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/admin.h"
#include "daemon/keeper/bulletin.h"
#include "daemon/keeper/conf_push.h"
#include "daemon/keeper/election.h"
#include "daemon/keeper/greeting.h"
#include "daemon/keeper/listeners.h"
#include "daemon/keeper/reload.h"
#include "daemon/keeper/requests.h"
#include "daemon/keeper/retreat.h"
#include "daemon/keeper/session_desk.h"
#include "daemon/keeper/state_files.h"
#include "daemon/keeper/succession.h"
#include "daemon/keeper/supervise.h"
#include "daemon/keeper/upgrade.h"
#include "daemon/sys/notify.h"

struct keeper {
	struct ev_loop *loop;
	const char *conf_path;
	struct conf_file conf;
	size_t own_node;
	uint32_t workers;

	struct admin admin;
	struct resume *resume;
	struct state_files state;
	struct listeners listeners;
	struct session_desk sessions;
	struct election *election;
	struct supervise *supervise;
	struct succession succession;
	struct upgrade upgrade;
	struct requests requests;
	struct conf_push push;
	struct reload reload;

	/* Facts about the proxy that the election judges. */
	bool applied, ticking;
	struct ipc_health health;
	bool has_health;

	struct bulletin bulletin;
	ev_timer watchdog;
	ev_signal sighup, sigterm, sigint;

	bool ready, stopping;
	enum keeper_exit exit_code;
};

static void tell_election(struct keeper *k)
{
	election_proxy_facts(k->election, &(struct election_proxy_facts){
					      .connected = k->applied,
					      .ticking = k->ticking,
					      .health = k->has_health ? &k->health : NULL,
					  });
}

/* ---- what the election tells ---- */

static void on_changed(void *ctx)
{
	struct keeper *k = ctx;

	bulletin_changed(&k->bulletin);
}

static void on_event(void *ctx, const struct lb_event *event)
{
	struct keeper *k = ctx;

	bulletin_event(&k->bulletin, event);
}

/* ---- requests of the API ---- */

static void on_reload_done(void *ctx, uint32_t request, bool ok, const char *code, const char *text)
{
	struct keeper *k = ctx;
	const char *how = !ok ? "refused" : reload_changes(&k->reload) ? "applied" : "unchanged";

	if (ok && supervise_ipc(k->supervise))
		session_desk_equip(&k->sessions, supervise_ipc(k->supervise), k->election);
	if (ok)
		lb_notice("reload %s config=%08" PRIx32, how, k->conf.conf->hash);
	bulletin_record(&k->bulletin, "config", "", how, ok ? "reload" : text);
	notify_ready(ok ? "configuration reloaded" : "reload refused, running on; see the log");
	if (request != REQUEST_NONE)
		requests_reply(supervise_ipc(k->supervise), request, ok, code, text);
	tell_election(k);
}

static void on_upgraded(void *ctx, bool ok, const char *text, struct ipc *asker)
{
	struct keeper *k = ctx;

	requests_upgraded(&k->requests, ok, text, asker);
	tell_election(k);
}

/* ---- the proxy ---- */

/* heir: it will take over from the running one. */
static bool greet(struct keeper *k, struct ipc *ipc, int page_fd, bool heir)
{
	return greeting_send(ipc, &(struct greeting){.conf_path = k->conf_path,
						     .conf = k->conf.conf,
						     .own_node = k->own_node,
						     .workers = k->workers,
						     .page_fd = page_fd,
						     .admin = &k->admin,
						     .heir = heir});
}

/* What one proxy at a time may have; files: it does not have them yet. */
static void equip(struct keeper *k, struct ipc *ipc, bool files)
{
	if (files && k->state.fds[0] >= 0)
		ipc_send(ipc, IPC_STATE, NULL, 0, k->state.fds, 2);
	session_desk_equip(&k->sessions, ipc, k->election);
	bulletin_repeat(&k->bulletin, ipc);
}

static void equip_heir(void *ctx, struct ipc *ipc)
{
	equip(ctx, ipc, true);
}

static bool greet_heir(void *ctx, struct ipc *ipc, int page_fd, struct conf_push *push)
{
	struct keeper *k = ctx;

	return greet(k, ipc, page_fd, true) && conf_push_begin(push, ipc, k->conf.memfd, &k->listeners);
}

static void on_proxy_started(void *ctx, struct ipc *ipc, bool adopted)
{
	struct keeper *k = ctx;

	greet(k, ipc, supervise_page_fd(k->supervise), false);
	if (adopted)
		greeting_end_orphans(ipc, k->election);
	equip(k, ipc, !adopted);
	if (!conf_push_begin(&k->push, ipc, k->conf.memfd, &k->listeners))
		lb_error("proxy did not take the configuration");
}

static void on_proxy_lost(void *ctx, const char *why)
{
	struct keeper *k = ctx;

	k->applied = k->ticking = k->has_health = false;
	succession_abort(&k->succession, "the running proxy ended");
	conf_push_on_lost(&k->push, why);
	if (!k->stopping) {
		bulletin_record(&k->bulletin, "proxy", "running", "lost", why);
		tell_election(k);
	}
}

static void on_proxy_ticking(void *ctx, bool ticking)
{
	struct keeper *k = ctx;

	k->ticking = ticking;
	if (ticking)
		lb_notice("proxy moves again");
	else
		lb_error("proxy stands still: a thread did not move for 500 ms");
	bulletin_record(&k->bulletin, "proxy", ticking ? "stalled" : "running", ticking ? "running" : "stalled",
			"thread ticks");
	tell_election(k);
}

/* The keeper cannot go on: leave the VIP in order, then the loop ends with this code. */
static void give_up(struct keeper *k, enum keeper_exit code);

/* A proxy was given the running configuration (at start or restart), as opposed to a reload. */
static void on_first_push(struct keeper *k, enum conf_push_result result, const char *text)
{
	switch (result) {
	case CONF_PUSH_PREPARED:
		conf_push_commit(&k->push);
		break;
	case CONF_PUSH_REFUSED:
		lb_error("proxy refuses the configuration: %s", text);
		if (!k->ready)
			give_up(k, KEEPER_EXIT_CONFIG);
		break;
	case CONF_PUSH_LOST:
		lb_error("proxy did not take the configuration: %s", text);
		break;
	case CONF_PUSH_APPLIED:
		k->applied = k->ticking = true;
		supervise_watch_ticks(k->supervise);
		bulletin_record(&k->bulletin, "proxy", "", "running", k->ready ? "restarted" : "started");
		tell_election(k);
		if (!k->ready) {
			k->ready = true;
			notify_ready("running");
			lb_notice("ready cluster=%s node=%s config=%08" PRIx32, k->conf.conf->cluster,
				  k->conf.conf->nodes[k->own_node].name, k->conf.conf->hash);
		}
		break;
	}
}

static void on_push(void *ctx, enum conf_push_result result, const char *text)
{
	struct keeper *k = ctx;

	if (reload_active(&k->reload))
		reload_on_push(&k->reload, result, text);
	else
		on_first_push(k, result, text);
}

static void on_health(struct keeper *k, const struct ipc_health *health)
{
	k->health = *health;
	k->has_health = true;
	tell_election(k);
}

static void on_proxy_message(void *ctx, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds)
{
	struct keeper *k = ctx;
	struct session_desk_message said = {
	    supervise_ipc(k->supervise), k->conf.conf, k->election, type, body, fds, nfds};
	bool served = session_desk_on_message(&k->sessions, &said);

	(void)size;
	/* The proxy has no descriptor to give for good. */
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (served)
		return;
	switch (type) {
	case IPC_CONF_PREPARED:
		conf_push_on_prepared(&k->push, body);
		break;
	case IPC_CONF_APPLIED:
		conf_push_on_applied(&k->push, body);
		break;
	case IPC_SESSIONS_ENDED:
		election_sessions_ended(k->election, body);
		break;
	case IPC_HEALTH:
		on_health(k, body);
		break;
	case IPC_REQUEST:
		requests_serve(&k->requests, body);
		break;
	case IPC_SUCCEEDED:
		succession_on_succeeded(&k->succession, body);
		break;
	case IPC_MOVED:
		election_moved(k->election, body);
		break;
	default:
		lb_warning("proxy sent message type=%d that only the keeper sends", (int)type);
	}
}

static void on_end_sessions(void *ctx, uint32_t id)
{
	struct keeper *k = ctx;
	struct ipc *ipc = supervise_ipc(k->supervise);
	struct ipc_end_sessions what = {.id = id};

	succession_abort(&k->succession, "the VIP leaves this node");
	/* Without a proxy there are no sessions; the answer is not given from inside the question. */
	if (ipc)
		ipc_post(ipc, IPC_END_SESSIONS, &what, sizeof(what));
}

static void on_move(void *ctx, const struct ipc_move *what)
{
	struct keeper *k = ctx;
	struct ipc *ipc = supervise_ipc(k->supervise);

	succession_abort(&k->succession, "sessions are being handed to or from another node");
	if (ipc)
		ipc_post(ipc, IPC_MOVE, what, sizeof(*what));
}

/* ---- stop ---- */

static void on_proxy_stopped(void *ctx)
{
	struct keeper *k = ctx;

	ev_break(k->loop, EVBREAK_ALL);
}

static void on_election_stopped(void *ctx, bool ok, const char *code, const char *text)
{
	struct keeper *k = ctx;

	(void)code;
	lb_notice("election left: %s%s", ok ? "" : "not handed over: ", text);
	supervise_stop(k->supervise);
}

static void give_up(struct keeper *k, enum keeper_exit code)
{
	if (k->stopping)
		return;
	k->stopping = k->requests.stopping = true;
	k->exit_code = code;
	notify_stopping();
	reload_cancel(&k->reload);
	upgrade_close(&k->upgrade);
	succession_abort(&k->succession, "the daemon stops");
	conf_push_cancel(&k->push);
	election_stop(k->election, on_election_stopped, k);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct keeper *k = w->data;

	(void)loop;
	(void)revents;
	if (w->signum == SIGHUP) {
		requests_reload(&k->requests, REQUEST_NONE);
		return;
	}
	lb_notice("stopping signal=%d", w->signum);
	give_up(k, KEEPER_EXIT_OK);
}

static void on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	notify_watchdog();
}

/* ---- life ---- */

static void init_signal(struct keeper *k, ev_signal *w, int signum)
{
	ev_signal_init(w, on_signal, signum);
	w->data = k;
	ev_signal_start(k->loop, w);
}

static void init_watchers(struct keeper *k)
{
	double watchdog = lb_duration_seconds(notify_watchdog_interval());

	ev_timer_init(&k->watchdog, on_watchdog, watchdog, watchdog);
	k->watchdog.data = k;
	bulletin_start(&k->bulletin, k->election, k->supervise);
	if (watchdog > 0)
		ev_timer_start(k->loop, &k->watchdog);
	init_signal(k, &k->sighup, SIGHUP);
	init_signal(k, &k->sigterm, SIGTERM);
	init_signal(k, &k->sigint, SIGINT);
	signal(SIGPIPE, SIG_IGN);
}

/* The parts that can fail, in the order in which they are released by keeper_free. */
static bool open_parts(struct keeper *k, const char *runtime_dir, struct lb_err *err)
{
	if (!admin_open(&k->admin, k->conf.conf, runtime_dir, k->resume, err))
		return false;
	state_files_open(&k->state, runtime_dir);
	if (!listeners_prepare(&k->listeners, k->conf.conf, err))
		return false;
	listeners_commit(&k->listeners);
	session_desk_open(&k->sessions, k->conf.conf, k->own_node);
	k->supervise = supervise_new(
	    &(struct supervise_params){
		.loop = k->loop,
		.workers = k->workers,
		.resume = k->resume,
		.hooks = {.started = on_proxy_started,
			  .message = on_proxy_message,
			  .lost = on_proxy_lost,
			  .ticking = on_proxy_ticking,
			  .stopped = on_proxy_stopped,
			  .ctx = k},
	    },
	    err);
	if (!k->supervise)
		return false;
	k->election = election_new(
	    &(struct election_params){
		.loop = k->loop,
		.conf = k->conf.conf,
		.own_node = k->own_node,
		.runtime_dir = runtime_dir,
		.resume = k->resume,
		.hooks = {.end_sessions = on_end_sessions,
			  .move = on_move,
			  .event = on_event,
			  .changed = on_changed,
			  .ctx = k},
	    },
	    err);
	/* What no part of this configuration wanted. */
	if (k->election)
		resume_settle(k->resume);
	return k->election != NULL;
}

struct keeper *keeper_new(const struct keeper_params *params, struct lb_err *err)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	k->loop = params->loop;
	k->conf_path = params->conf_path;
	k->conf = *params->conf;
	k->own_node = params->own_node;
	k->workers = listeners_workers(k->conf.conf);
	k->resume = params->resume;
	k->admin.socket_fd = k->admin.metrics_fd = k->state.fds[0] = k->state.fds[1] = -1;
	listeners_init(&k->listeners, k->workers, k->resume);
	session_desk_init(&k->sessions);
	conf_push_init(&k->push, k->loop, on_push, k);
	bulletin_init(&k->bulletin, k->loop);
	if (!open_parts(k, params->runtime_dir, err)) {
		retreat(k->resume, params->argv, err->text);
		k->conf = (struct conf_file){.memfd = -1}; /* stays the caller's */
		keeper_free(k);
		return NULL;
	}
	*params->conf = (struct conf_file){.memfd = -1};
	succession_init(
	    &k->succession, k->loop, k->supervise,
	    &(struct succession_hooks){.greet = greet_heir, .equip = equip_heir, .done = on_upgraded, .ctx = k});
	reload_init(&k->reload,
		    &(struct reload_parts){.path = k->conf_path,
					   .own_node = k->own_node,
					   .running = &k->conf,
					   .election = k->election,
					   .listeners = &k->listeners,
					   .supervise = k->supervise,
					   .push = &k->push},
		    on_reload_done, k);
	k->requests = (struct requests){.supervise = k->supervise,
					.election = k->election,
					.reload = &k->reload,
					.upgrade = &k->upgrade,
					.bulletin = &k->bulletin};
	upgrade_init(&k->upgrade, k->loop,
		     &(struct upgrade_parts){.argv = params->argv,
					     .resume = k->resume,
					     .election = k->election,
					     .reload = &k->reload,
					     .succession = &k->succession,
					     .refused = requests_upgrade_refused,
					     .stayed = requests_upgrade_stayed,
					     .ctx = &k->requests});
	return k;
}

bool keeper_start(struct keeper *k, struct lb_err *err)
{
	init_watchers(k);
	return election_start(k->election, err) && supervise_start(k->supervise, err);
}

int keeper_run(struct keeper *k)
{
	ev_run(k->loop, 0);
	return (int)k->exit_code;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	election_free(k->election);
	upgrade_close(&k->upgrade);
	succession_close(&k->succession);
	supervise_free(k->supervise);
	session_desk_close(&k->sessions);
	listeners_close(&k->listeners);
	state_files_close(&k->state);
	admin_close(&k->admin);
	conf_file_release(&k->conf);
	free(k);
}
