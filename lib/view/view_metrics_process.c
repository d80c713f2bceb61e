/* Threads, checks, and the two processes. */
#include "lib/view/metric_text.h"
#include "lib/view/view_metrics.h"

static void add_threads(struct lb_text *t, const struct lb_snapshot *s)
{
	metric_family(t, "lbd_loop_stall_seconds_max", "gauge", "Longest time a thread's loop stood still.");
	lb_text_add(t, "lbd_loop_stall_seconds_max{thread=\"keeper\"}");
	metric_seconds(t, s->keeper.loop_stall_max);
	for (size_t i = 0; i < s->thread_count; i++) {
		lb_text_add(t, "lbd_loop_stall_seconds_max");
		metric_label(t, "thread", s->threads[i].name, true);
		lb_text_add(t, "}");
		metric_seconds(t, s->threads[i].stall_max);
	}
}

static void add_events(struct lb_text *t, const struct lb_snapshot *s)
{
	metric_family(t, "lbd_hedged_connects_total", "counter",
		      "Second connection attempts beside a silent first one.");
	metric_labelled(t, "lbd_hedged_connects_total", "outcome", "won", s->hedged_won);
	metric_labelled(t, "lbd_hedged_connects_total", "outcome", "lost", s->hedged_lost);
	metric_labelled(t, "lbd_hedged_connects_total", "outcome", "denied", s->hedged_denied);
	metric_single(t, "lbd_proxy_restarts_total", "counter", "Times the keeper started another proxy.",
		      s->keeper.proxy_restarts);
	metric_single(t, "lbd_log_dropped_total", "counter", "Log lines that could not be written at once.",
		      s->log_dropped);
	metric_family(t, "lbd_reloads_total", "counter", "Reloads by outcome.");
	metric_labelled(t, "lbd_reloads_total", "outcome", "ok", s->reloads_ok);
	metric_labelled(t, "lbd_reloads_total", "outcome", "refused", s->reloads_refused);
}

/* The keeper and its proxy, each with what the kernel counts for it. */
static void add_usage(struct lb_text *t, const struct lb_snapshot_process *keeper,
		      const struct lb_snapshot_process *proxy)
{
	metric_family(t, "lbd_process_cpu_seconds_total", "counter", "Processor time used.");
	metric_labelled_seconds(t, "lbd_process_cpu_seconds_total", "process", "keeper", keeper->cpu);
	metric_labelled_seconds(t, "lbd_process_cpu_seconds_total", "process", "proxy", proxy->cpu);
	metric_family(t, "lbd_process_resident_memory_peak_bytes", "gauge", "Most memory that was resident.");
	metric_labelled(t, "lbd_process_resident_memory_peak_bytes", "process", "keeper", keeper->resident_peak);
	metric_labelled(t, "lbd_process_resident_memory_peak_bytes", "process", "proxy", proxy->resident_peak);
	metric_family(t, "lbd_process_max_fds", "gauge", "Limit of open files.");
	metric_labelled(t, "lbd_process_max_fds", "process", "keeper", keeper->max_files);
	metric_labelled(t, "lbd_process_max_fds", "process", "proxy", proxy->max_files);
	metric_family(t, "lbd_process_open_fds", "gauge", "Open files; absent where the kernel does not count them.");
	if (keeper->open_files > 0)
		metric_labelled(t, "lbd_process_open_fds", "process", "keeper", keeper->open_files);
	if (proxy->open_files > 0)
		metric_labelled(t, "lbd_process_open_fds", "process", "proxy", proxy->open_files);
}

static void add_checks(struct lb_text *t, const struct lb_snapshot *s)
{
	metric_family(t, "lbd_checks_total", "counter", "Health checks that ended, by result.");
	for (int r = 0; r < HEALTH_RESULT_COUNT_; r++)
		metric_labelled(t, "lbd_checks_total", "result", health_result_name((enum health_result)r),
				s->check_results[r]);
	metric_single_seconds(t, "lbd_check_delay_seconds_max", "Longest that a check began after it was due.",
			      s->check_delay_max);
}

/* What other nodes know of this one's connections and this one of theirs, and what came of it. */
static void add_wake(struct lb_text *t, const struct lb_snapshot_wake *w)
{
	metric_single(t, "lbd_wake_nodes", "gauge", "Other nodes that are told of this owner's connections.",
		      w->listeners);
	metric_family(t, "lbd_wake_connections", "gauge",
		      "Connections to be woken should their owner die: told to other nodes, held of another.");
	metric_labelled(t, "lbd_wake_connections", "kind", "told", w->told);
	metric_labelled(t, "lbd_wake_connections", "kind", "held", w->held);
	metric_single(t, "lbd_wake_dropped_total", "counter", "Connections that found no room among those to be woken.",
		      w->dropped);
	metric_family(t, "lbd_wake_woken_total", "counter", "Connections of dead owners that were woken here, by end.");
	metric_labelled(t, "lbd_wake_woken_total", "end", "client", w->woken_clients);
	metric_labelled(t, "lbd_wake_woken_total", "end", "server", w->woken_servers);
	metric_family(t, "lbd_wake_segments_total", "counter", "Segments to wake connections, by outcome.");
	metric_labelled(t, "lbd_wake_segments_total", "outcome", "sent", w->segments);
	metric_labelled(t, "lbd_wake_segments_total", "outcome", "failed", w->failed);
}

void view_metrics_process(struct lb_text *t, const struct lb_snapshot *s)
{
	add_checks(t, s);
	add_threads(t, s);
	add_events(t, s);
	add_wake(t, &s->wake);
	add_usage(t, &s->keeper.process, &s->process);
	metric_single_seconds(t, "lbd_keeper_age_seconds", "Time since the keeper last spoke to the proxy.",
			      s->keeper_age);
}
