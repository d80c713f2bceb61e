#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/proxy/control/control_state.h"
#include "daemon/proxy/control/must.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/sock_same.h"

/* Nothing works without the page, a worker or the API: end, the keeper tries again. Threads may run already. */
static _Noreturn void give_up(const char *why)
{
	lb_error("proxy cannot start: %s", why);
	_exit(EXIT_FAILURE);
}

static uint32_t wanted_workers(const struct ipc_hello *hello)
{
	uint32_t n = hello->workers < IPC_WORKERS_MAX ? hello->workers : IPC_WORKERS_MAX;

	return n ? n : 1;
}

/* Is what cannot change in a running proxy what it was with the former keeper? */
static bool is_same(const struct control *c, const struct ipc_hello *hello, int admin_fd, int metrics_fd)
{
	bool metrics = c->metrics_fd < 0 ? metrics_fd < 0 : metrics_fd >= 0 && sock_same(c->metrics_fd, metrics_fd);

	return wanted_workers(hello) == crew_size(c->crew) && hello->own_node == c->own_node &&
	       hello->admin_gid == c->admin_gid && metrics && sock_same(c->admin_fd, admin_fd);
}

/* Another keeper: everything goes on with what there is, which is the same as what it brings. */
static void go_on(struct control *c, const struct ipc_hello *hello, const int *fds, size_t count)
{
	if (!is_same(c, hello, fds[1], fds[2]))
		give_up("another keeper brings another node, socket or number of workers");
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	lb_notice("proxy goes on under another keeper");
}

static void on_hello(void *ctx, const struct ipc_hello *hello, int page_fd, int admin_fd, int metrics_fd)
{
	struct control *c = ctx;
	const int fds[] = {page_fd, admin_fd, metrics_fd};
	struct lb_err err;

	if (c->page) {
		go_on(c, hello, fds, sizeof(fds) / sizeof(fds[0]));
		return;
	}
	c->own_node = hello->own_node;
	c->admin_fd = admin_fd;
	c->metrics_fd = metrics_fd;
	c->admin_gid = hello->admin_gid;
	snprintf(c->conf_path, sizeof(c->conf_path), "%.*s", (int)sizeof(hello->conf_path) - 1, hello->conf_path);
	c->page = mmap(NULL, sizeof(*c->page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	close(page_fd);
	if (c->page == MAP_FAILED)
		give_up("the shared page cannot be mapped");
	if (!crew_start(c->crew, wanted_workers(hello), c->mailbox, c->page->worker_tick, &err))
		give_up(err.text);
	c->roster.workers = crew_size(c->crew);
	if (hello->heir)
		succession_expect(c->succession);
	c->ticked_at = clock_now();
	ev_timer_start(c->loop, &c->tick);
}

static void on_state(void *ctx, int events_fd, int orders_fd)
{
	struct control *c = ctx;

	recorder_keep(c->recorder, events_fd);
	order_book_keep(c->orders, orders_fd);
}

static void start_api(struct control *c)
{
	struct lb_err err;

	c->api = api_new(&(struct api_params){.loop = c->loop,
					      .listen_fd = c->admin_fd,
					      .metrics_fd = c->metrics_fd,
					      .admin_gid = c->admin_gid,
					      .conf_path = c->conf_path,
					      .roster = &c->roster,
					      .recorder = c->recorder,
					      .crew = c->crew,
					      .channel = c->channel,
					      .transition = &c->transition,
					      .succession = c->succession,
					      .picture = &c->picture},
			 &err);
	if (!c->api)
		give_up(err.text);
}

/* From now on clients are served, as far as the workers are not held. */
static void begin_to_serve(struct control *c)
{
	ev_timer_start(c->loop, &c->health);
	start_api(c);
}

static void on_commit(void *ctx, struct conf_set *set, struct listen_set *listeners)
{
	struct control *c = ctx;
	struct conf_set *former = c->set;
	struct roster_hooks hooks = control_roster_hooks(c);

	c->set = conf_set_hold(set);
	checker_set_conf(c->checker, set);
	roster_apply(&c->roster, set->conf, &hooks);
	order_book_settle(c->orders);
	listen_set_replace(&c->listeners, listeners);
	publisher_set_conf(c->publisher, set);
	c->picture.set = set;
	peer_door_set_conf(c->door, set->conf);
	wake_set_conf(c->wake, set->conf, set->own_node);
	lb_log_set_level((enum lb_log_level)set->conf->log_level);
	conf_set_release(former);
	if (!former && !succession_under_way(c->succession))
		begin_to_serve(c);
	control_tell_health(c);
}

static void on_keeper_status(void *ctx, const struct lb_snapshot_keeper *keeper)
{
	struct control *c = ctx;

	c->picture.keeper = *keeper;
	c->picture.keeper_at = clock_now();
	wake_keeper_status(c->wake, keeper);
}

static void on_keeper_event(void *ctx, const struct lb_event *event)
{
	struct control *c = ctx;

	recorder_import(c->recorder, event);
}

/* An order to end the VIP's sessions and how many have ended so far. */
struct ending {
	struct control *control;
	uint32_t id, count, keeper;
};

static void on_some_ended(void *ctx, struct message *m)
{
	struct ending *e = ctx;

	e->count += m->count;
}

static void on_all_ended(void *ctx)
{
	struct ending *e = ctx;

	move_ended(e->control->move);
	/* Whoever asked may be gone. */
	if (e->keeper == e->control->keepers)
		channel_sessions_ended(e->control->channel, e->id, e->count);
	free(e);
}

static void on_end_sessions(void *ctx, uint32_t id)
{
	struct control *c = ctx;
	struct ending *e = must(calloc(1, sizeof(*e)));

	e->control = c;
	e->id = id;
	e->keeper = c->keepers;
	crew_ask(c->crew, &(struct crew_question){.kind = MESSAGE_END_SESSIONS,
						  .scope = END_VIP,
						  .reason = FLOW_END_HANDOVER,
						  .on_answer = on_some_ended,
						  .on_done = on_all_ended,
						  .ctx = e});
}

static void on_all_stopped(void *ctx)
{
	struct control *c = ctx;

	ev_break(c->loop, EVBREAK_ALL);
}

static void on_stop(void *ctx)
{
	struct control *c = ctx;

	if (crew_size(c->crew) == 0)
		on_all_stopped(c);
	else
		crew_ask(c->crew, &(struct crew_question){.kind = MESSAGE_STOP,
							  .scope = END_ALL,
							  .reason = FLOW_END_SHUTDOWN,
							  .on_done = on_all_stopped,
							  .ctx = c});
}

/* ---- sessions that move with the VIP ---- */

static void on_move_setup(void *ctx, const struct ipc_move_setup *setup, int listener)
{
	struct control *c = ctx;
	bool same = memcmp(&c->setup, setup, sizeof(*setup)) == 0;
	struct move_keys *former = c->keys;

	move_setup(c->move, setup);
	c->setup = *setup;
	if (!same)
		c->keys = setup->key_count > 0 ? move_keys_new(setup) : NULL;
	/* Handshakes under way use the former keys: they end here. */
	peer_door_open(c->door, c->keys, listener);
	if (same)
		return;
	wake_set_keys(c->wake, c->keys);
	move_keys_free(former);
}

static void on_move(void *ctx, const struct ipc_move *what)
{
	move_step(((struct control *)ctx)->move, what);
}

static void on_repaired(void *ctx, const struct ipc_repair *answer)
{
	move_repaired(((struct control *)ctx)->move, answer);
}

static void on_sockets(void *ctx, const struct ipc_sockets *answer, const int *fds)
{
	move_sockets(((struct control *)ctx)->move, answer, fds);
}

static void on_woken(void *ctx, const struct ipc_woken *woken)
{
	wake_woken(((struct control *)ctx)->wake, woken);
}

/* ---- succession ---- */

/* How long answers that are under way may take to leave. */
#define FAREWELL 0.1

static void on_succession(void *ctx, enum ipc_succession_step step, int fd)
{
	succession_step(((struct control *)ctx)->succession, step, fd);
}

static void on_start(void *ctx)
{
	struct control *c = ctx;

	begin_to_serve(c);
	order_book_settle(c->orders);
	control_tell_health(c);
}

/* Sockets and pipes are the heir's as well: only the kernel may let go of them, with this process. */
static void on_farewell(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
	lb_info("another proxy has taken over");
	_exit(EXIT_SUCCESS);
}

static void on_leave(void *ctx)
{
	struct control *c = ctx;

	api_quiesce(c->api);
	ev_timer_start(c->loop, &c->farewell);
}

void control_init_succession(struct control *c)
{
	c->succession = succession_new(&(struct succession_params){.loop = c->loop,
								   .crew = c->crew,
								   .roster = &c->roster,
								   .checker = c->checker,
								   .publisher = c->publisher,
								   .start = on_start,
								   .leave = on_leave,
								   .ctx = c});
	succession_set_channel(c->succession, c->channel);
	ev_timer_init(&c->farewell, on_farewell, FAREWELL, 0.);
}

/* ---- without a keeper ---- */

/* Nobody owns the VIP for us: every connection must end, and the kernel does that best. */
static _Noreturn void end_alone(const char *why)
{
	lb_error("proxy ends: the keeper is gone (%s)", why);
	_exit(EXIT_FAILURE);
}

/* Another keeper would know nothing of what is half done. */
static bool is_settled(const struct control *c)
{
	return c->set && !move_busy(c->move) && !succession_under_way(c->succession);
}

/* The VIP is here for as long as its lease, and another keeper may come within that. */
static void on_closed(void *ctx, const char *why)
{
	struct control *c = ctx;

	if (!c->page) {
		lb_error("proxy ends: what the keeper says at first is not understood (%s)", why);
		_exit(IPC_EXIT_FOREIGN);
	}
	if (!succession_keeper_gone(c->succession))
		_exit(EXIT_SUCCESS);
	if (!is_settled(c) || !keeper_link_wait(&c->link))
		end_alone(why);
	lb_warning("the keeper is gone (%s): going on until another one comes", why);
}

static void on_alone(void *ctx, const char *why)
{
	(void)ctx;
	end_alone(why);
}

static void on_keeper_come(void *ctx, int channel)
{
	struct control *c = ctx;

	if (!is_settled(c))
		end_alone("another one came in the middle of something");
	c->keepers++;
	channel_replace(c->channel, channel);
}

struct keeper_link control_keeper_link(struct control *c)
{
	return (struct keeper_link){.come = on_keeper_come, .alone = on_alone, .ctx = c};
}

struct channel_hooks control_keeper_hooks(struct control *c)
{
	return (struct channel_hooks){.hello = on_hello,
				      .state = on_state,
				      .commit = on_commit,
				      .keeper_status = on_keeper_status,
				      .event = on_keeper_event,
				      .end_sessions = on_end_sessions,
				      .stop = on_stop,
				      .move_setup = on_move_setup,
				      .move = on_move,
				      .repaired = on_repaired,
				      .sockets = on_sockets,
				      .woken = on_woken,
				      .succession = on_succession,
				      .closed = on_closed,
				      .ctx = c};
}
