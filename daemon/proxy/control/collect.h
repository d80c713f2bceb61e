/*
 * The picture that API, metrics and `why` are made from. Control thread only.
 */
#ifndef CONTROL_COLLECT_H
#define CONTROL_COLLECT_H

#include "daemon/proxy/control/checker.h"
#include "daemon/proxy/control/crew.h"
#include "daemon/proxy/control/recorder.h"
#include "daemon/proxy/control/roster.h"
#include "daemon/proxy/control/wake.h"

/* Where the picture comes from; everything borrowed, kept up to date by control. */
struct collect_source {
	const struct roster *roster;
	const struct recorder *recorder;
	struct crew *crew;
	struct checker *checker;
	const struct wake *wake;
	const struct conf_set *set;	  /* in force */
	struct lb_snapshot_keeper keeper; /* what it said last */
	lb_time keeper_at, started;
	lb_duration stall_max;	  /* of the control loop */
	lb_wall counters_cleared; /* 0 never */
};

/* Fill *out; it borrows from source until collect_clear, which frees what was allocated. */
void collect_fill(const struct collect_source *source, struct lb_snapshot *out);
void collect_clear(struct lb_snapshot *s);

/*
 * What people count begins at zero now: the totals of services and servers, the longest stall of each thread and the
 * longest that a check was late. The totals themselves go on, since Prometheus takes one that falls for a restart.
 */
void collect_clear_counters(struct collect_source *source);

/* One server alone. */
void collect_server(const struct server *server, struct lb_snapshot_server *out);

#endif
