#include "daemon/proxy/control/publish.h"

#include <stdlib.h>
#include <string.h>

#include <lb/list.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/retire.h"
#include "daemon/sys/clock.h"

#define RAMP_INTERVAL  1. /* seconds between weights of a slow start */
#define SWEEP_INTERVAL 1.
/* Making views of thousands of servers takes time, so what changes meanwhile goes into the same ones. */
#define AT_ONCE_MAX	 256u
#define DELAY_PER_SERVER 5e-6

/* A view that a worker has, with all it points to in one piece of memory. */
struct issued {
	struct lb_list node;
	struct conf_set *set;
	struct pool_view view;
};

struct publisher {
	struct publisher_params params;
	struct conf_set *set;
	uint64_t generation;
	struct lb_list issued;
	struct retired retired;
	ev_timer round, ramp, sweep;
};

/* ---- making a view ---- */

static size_t servers_in(const struct roster *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->service_count; i++)
		n += r->services[i]->server_count;
	return n;
}

static size_t list_servers(const struct service *service, struct pool_server *out, lb_time now)
{
	enum service_use use = service_use(service);

	for (size_t i = 0; i < service->server_count; i++) {
		const struct server *server = service->servers[i];
		bool usable = server_usable(server, use);

		out[i] = (struct pool_server){
		    .block = server->block,
		    .usable = usable,
		    .weight = usable ? server_weight(server, now) : 0,
		    .backup = server->conf->backup,
		    .max_connections = server_max_connections(server),
		};
	}
	return service->server_count;
}

static size_t list_listeners(const struct listen_set *set, const char *service, uint32_t worker,
			     struct pool_listener *out)
{
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct ipc_listener *what = &set->list[i].what;

		if (what->worker == worker && strcmp(what->service, service) == 0)
			out[n++] = (struct pool_listener){
			    .fd = set->list[i].fd, .endpoint = what->endpoint, .on_vip = what->on_vip};
	}
	return n;
}

static size_t listeners_of(const struct listen_set *set, uint32_t worker)
{
	size_t n = 0;

	for (size_t i = 0; i < set->count; i++)
		n += set->list[i].what.worker == worker;
	return n;
}

/* Its share of max_connections, rounded up so that no worker is left without. */
static uint32_t share_of(uint32_t all, uint32_t workers)
{
	return all == 0 ? 0 : (all + workers - 1) / workers;
}

static struct issued *make_view(struct publisher *p, uint32_t worker, lb_time now)
{
	const struct roster *r = p->params.roster;
	struct pool_service *services;
	struct pool_server *servers;
	struct pool_listener *listeners;
	size_t services_size = r->service_count * sizeof(*services);
	size_t servers_size = servers_in(r) * sizeof(*servers);
	struct issued *out = must(calloc(1, sizeof(*out) + services_size + servers_size +
						listeners_of(p->params.listeners, worker) * sizeof(*listeners)));

	services = (void *)(out + 1);
	servers = (void *)((char *)services + services_size);
	listeners = (void *)((char *)servers + servers_size);
	out->set = conf_set_hold(p->set);
	out->view = (struct pool_view){
	    .generation = p->generation,
	    .worker = worker,
	    .conf = p->set->conf,
	    .max_connections = share_of(p->set->conf->max_connections, crew_size(p->params.crew)),
	    .services = services,
	    .service_count = r->service_count,
	};
	for (size_t i = 0; i < r->service_count; i++) {
		const struct service *service = r->services[i];

		const struct conf_set_networks *networks = conf_set_networks(p->set, service->conf);

		services[i] = (struct pool_service){
		    .block = service->block,
		    .conf = service->conf,
		    .clients = networks->clients,
		    .proxies = networks->proxies,
		    .servers = servers,
		    .listeners = listeners,
		};
		services[i].server_count = list_servers(service, servers, now);
		services[i].listener_count =
		    list_listeners(p->params.listeners, service->conf->name, worker, listeners);
		servers += services[i].server_count;
		listeners += services[i].listener_count;
	}
	return out;
}

/* ---- sending and taking back ---- */

static bool any_ramping(const struct roster *r, lb_time now)
{
	for (size_t s = 0; s < r->service_count; s++)
		for (size_t i = 0; i < r->services[s]->server_count; i++)
			if (server_ramping(r->services[s]->servers[i], now))
				return true;
	return false;
}

static void publish(struct publisher *p)
{
	lb_time now = clock_now();

	ev_timer_stop(p->params.loop, &p->round);
	if (!p->set)
		return;
	p->generation++;
	for (uint32_t i = 0; i < crew_size(p->params.crew); i++) {
		struct issued *out = make_view(p, i, now);
		struct message *m = message_new(MESSAGE_PUBLISH);

		lb_list_add_tail(&p->issued, &out->node);
		m->view = &out->view;
		crew_post(p->params.crew, i, m);
	}
	if (any_ramping(p->params.roster, now) && !ev_is_active(&p->ramp)) {
		ev_timer_set(&p->ramp, RAMP_INTERVAL, 0.);
		ev_timer_start(p->params.loop, &p->ramp);
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	publish(w->data);
}

static void take_back(struct issued *out)
{
	lb_list_del(&out->node);
	conf_set_release(out->set);
	free(out);
}

/* The oldest view that a worker may still use. */
static uint64_t oldest_generation(const struct publisher *p)
{
	uint64_t oldest = UINT64_MAX;

	lb_list_foreach (node, &p->issued) {
		const struct issued *out = lb_container_of(node, struct issued, node);

		if (out->view.generation < oldest)
			oldest = out->view.generation;
	}
	return oldest;
}

static void on_sweep(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct publisher *p = w->data;

	(void)revents;
	retire_sweep(&p->retired, oldest_generation(p));
	if (retire_empty(&p->retired))
		ev_timer_stop(loop, w);
}

void publisher_on_retired(struct publisher *p, struct pool_view *view)
{
	(void)p;
	take_back(lb_container_of(view, struct issued, view));
}

void publisher_request(struct publisher *p)
{
	size_t servers = servers_in(p->params.roster);

	if (!ev_is_active(&p->round)) {
		ev_timer_set(&p->round, servers > AT_ONCE_MAX ? (double)servers * DELAY_PER_SERVER : 0., 0.);
		ev_timer_start(p->params.loop, &p->round);
	}
}

void publisher_set_conf(struct publisher *p, struct conf_set *set)
{
	conf_set_hold(set);
	conf_set_release(p->set);
	p->set = set;
	publish(p);
}

/* Reloads that follow each other closely must not put the sweep off again and again. */
static void sweep_soon(struct publisher *p)
{
	if (!ev_is_active(&p->sweep))
		ev_timer_again(p->params.loop, &p->sweep);
}

/* Views up to the present generation may name the block. */
void publisher_retire_server(struct publisher *p, struct server_block *block)
{
	retire_server(&p->retired, block, p->generation);
	sweep_soon(p);
}

void publisher_retire_service(struct publisher *p, struct service_block *block)
{
	retire_service(&p->retired, block, p->generation);
	sweep_soon(p);
}

struct publisher *publisher_new(const struct publisher_params *params)
{
	struct publisher *p = must(calloc(1, sizeof(*p)));

	p->params = *params;
	lb_list_init(&p->issued);
	retire_init(&p->retired);
	ev_timer_init(&p->round, on_timer, 0., 0.);
	ev_timer_init(&p->ramp, on_timer, RAMP_INTERVAL, 0.);
	ev_timer_init(&p->sweep, on_sweep, SWEEP_INTERVAL, SWEEP_INTERVAL);
	p->round.data = p->ramp.data = p->sweep.data = p;
	return p;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	ev_timer_stop(p->params.loop, &p->round);
	ev_timer_stop(p->params.loop, &p->ramp);
	ev_timer_stop(p->params.loop, &p->sweep);
	lb_list_foreach (node, &p->issued)
		take_back(lb_container_of(node, struct issued, node));
	retire_free(&p->retired);
	conf_set_release(p->set);
	free(p);
}
