#include "daemon/proxy/control/collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ipc/ipc.h"
#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/order_book.h"
#include "daemon/proxy/share/capacity.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/logsink.h"
#include "daemon/sys/process_use.h"

/* Sums over the workers; the smoothed connect time is the mean of those that have one. */
static void add_server_slots(const struct server_block *block, struct lb_snapshot_server *out)
{
	lb_duration sum = 0;
	unsigned known = 0;

	for (uint32_t i = 0; i < block->workers; i++) {
		const struct server_slot *slot = &block->slot[i];
		lb_duration connect = atomic_load_explicit(&slot->connect_time, memory_order_relaxed);

		out->sessions += counter_get(&slot->sessions);
		out->sessions_total += counter_get(&slot->sessions_total);
		out->bytes_in += counter_get(&slot->bytes_in);
		out->bytes_out += counter_get(&slot->bytes_out);
		out->connect_errors += counter_get(&slot->connect_errors);
		out->hedged += counter_get(&slot->hedged);
		sum += connect;
		known += connect > 0;
	}
	out->connect_time = known ? sum / known : 0;
}

static void fill_server(const struct server *server, enum service_use use, lb_time now, struct lb_snapshot_server *out)
{
	*out = (struct lb_snapshot_server){
	    .address = server->conf->address,
	    .state = server->health.state,
	    .admin = server->admin,
	    .weight = server->weight,
	    .effective_weight = server_usable(server, use) ? server_weight(server, now) : 0,
	    .backup = server->conf->backup,
	    .since = server->since,
	    .reason = server->health.reason,
	    .check_duration = server->report.duration,
	    .check_failures = server->report.failures,
	    .check_last = server->report.at,
	    .alive_warning = server->health.alive_warning,
	    .check_warning = server->report.warning,
	    .certificate_ends = server->report.certificate_ends,
	    .client_certificate_ends = server->report.client_certificate_ends,
	    .max_connections = server_max_connections(server),
	};
	struct lb_order order;

	out->cleared = server->block->cleared;
	out->ordered = order_book_order(server, &order);
	memcpy(out->name, server->conf->name, sizeof(out->name));
	memcpy(out->check_result, server->report.result, sizeof(out->check_result));
	add_server_slots(server->block, out);
}

void collect_server(const struct server *server, struct lb_snapshot_server *out)
{
	fill_server(server, service_use(server->service), clock_now(), out);
}

static void add_service_slots(const struct service_block *block, struct lb_snapshot_service *out,
			      struct lb_snapshot *all)
{
	for (uint32_t i = 0; i < block->workers; i++) {
		const struct service_slot *slot = &block->slot[i];

		out->sessions += counter_get(&slot->sessions);
		out->sessions_total += counter_get(&slot->sessions_total);
		out->bytes_in += counter_get(&slot->bytes_in);
		out->bytes_out += counter_get(&slot->bytes_out);
		out->refused += counter_get(&slot->refused);
		out->failed += counter_get(&slot->failed);
		out->queue_dropped += counter_get(&slot->queue_dropped);
		all->hedged_won += counter_get(&slot->hedge_won);
		all->hedged_lost += counter_get(&slot->hedge_lost);
		all->hedged_denied += counter_get(&slot->hedge_denied);
	}
}

static void fill_service(const struct service *service, const struct lb_conf *conf, lb_time now,
			 struct lb_snapshot_service *out, struct lb_snapshot *all)
{
	size_t listen_max = service->conf->listen_count * (conf->vip_count ? conf->vip_count : 1);
	enum service_use use = service_use(service);

	memcpy(out->name, service->conf->name, sizeof(out->name));
	out->balance = service->conf->balance;
	out->listen = must(calloc(listen_max + 1, sizeof(*out->listen)));
	out->listen_count = lb_conf_service_endpoints(conf, service->conf, out->listen, listen_max);
	out->servers = must(calloc(service->server_count + 1, sizeof(*out->servers)));
	out->server_count = service->server_count;
	out->cleared = service->block->cleared;
	add_service_slots(service->block, out, all);
	for (size_t i = 0; i < service->server_count; i++)
		fill_server(service->servers[i], use, now, &out->servers[i]);
}

static void fill_threads(const struct collect_source *source, struct lb_snapshot *out)
{
	uint32_t workers = crew_size(source->crew);

	out->thread_count = workers + 1;
	out->threads = must(calloc(out->thread_count, sizeof(*out->threads)));
	snprintf(out->threads[0].name, sizeof(out->threads[0].name), "control");
	out->threads[0].stall_max = source->stall_max;
	for (uint32_t i = 0; i < workers; i++) {
		snprintf(out->threads[i + 1].name, sizeof(out->threads[0].name), "worker-%u",
			 (unsigned)i % IPC_WORKERS_MAX);
		out->threads[i + 1].stall_max = crew_stall(source->crew, i);
	}
}

void collect_fill(const struct collect_source *source, struct lb_snapshot *out)
{
	const struct lb_conf *conf = source->set->conf;
	const struct recorder_reloads *told = recorder_reloads(source->recorder);
	uint32_t workers = crew_size(source->crew) ? crew_size(source->crew) : 1;
	lb_time now = clock_now();

	*out = (struct lb_snapshot){
	    .cluster = conf->cluster,
	    .node = conf->nodes[source->set->own_node].name,
	    .version = LB_VERSION,
	    .config_hash = conf->hash,
	    .uptime = now - source->started,
	    .keeper = source->keeper,
	    .keeper_age = now - source->keeper_at,
	    .log_dropped = logsink_dropped(),
	    .reloads_ok = told->applied,
	    .reloads_refused = told->refused,
	    .reload_refused = told->refusal[0] ? told->refusal : NULL,
	    .reload_at = told->refused_at,
	    .counters_cleared = source->counters_cleared,
	};
	out->session_limit = conf->max_connections;
	if (!out->session_limit)
		out->session_limit = capacity_sessions(workers, capacity_pipes(), capacity_resting(conf)) * workers;
	out->service_count = source->roster->service_count;
	out->services = must(calloc(out->service_count + 1, sizeof(*out->services)));
	for (size_t i = 0; i < out->service_count; i++)
		fill_service(source->roster->services[i], conf, now, &out->services[i], out);
	fill_threads(source, out);
	wake_fill(source->wake, &out->wake);
	process_use_fill(&out->process);
	memcpy(out->check_results, checker_stats(source->checker)->results, sizeof(out->check_results));
	out->check_delay_max = checker_stats(source->checker)->delay_max;
}

void collect_clear(struct lb_snapshot *s)
{
	for (size_t i = 0; i < s->service_count; i++) {
		free(s->services[i].listen);
		free(s->services[i].servers);
	}
	free(s->services);
	free(s->threads);
}

static void mark_server(struct server *server, lb_time now)
{
	struct lb_snapshot_server sums;

	fill_server(server, SERVICE_USE_NONE, now, &sums);
	server->block->cleared = (struct lb_totals){sums.sessions_total, sums.bytes_in, sums.bytes_out};
}

static void mark_service(struct service *service, lb_time now)
{
	struct lb_snapshot_service sums = {0};
	struct lb_snapshot unused = {0};

	add_service_slots(service->block, &sums, &unused);
	service->block->cleared = (struct lb_totals){sums.sessions_total, sums.bytes_in, sums.bytes_out};
	for (size_t i = 0; i < service->server_count; i++)
		mark_server(service->servers[i], now);
}

void collect_clear_counters(struct collect_source *source)
{
	for (size_t i = 0; i < source->roster->service_count; i++)
		mark_service(source->roster->services[i], clock_now());
	source->counters_cleared = clock_wall();
	source->stall_max = 0;
	crew_forget_stalls(source->crew);
	checker_forget_delay(source->checker);
}
