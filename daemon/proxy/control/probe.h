/*
 * One check of one server: connect, TLS, ask, judge, within one budget of time. start -> on_done at most once -> cancel
 * is silent. Nothing blocks and nothing is kept beyond the end of the check.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include <ev.h>
#include <stdint.h>

#include <lb/agent_line.h>
#include <lb/snapshot.h>

#include "daemon/proxy/control/check_plan.h"
#include "daemon/proxy/control/knock.h"

struct probe_outcome {
	enum health_result result;
	char text[64]; /* for people: "200", "refused", "timeout", "tls: certificate has expired" */
	lb_duration duration;
	uint16_t code;		    /* of an HTTP answer, 0 otherwise */
	bool told;		    /* an agent's order, not an observation */
	struct agent_orders orders; /* what the agent has ordered by now */
	lb_wall certificate_ends;   /* the server's certificate is valid until then; 0 it showed none */
};

struct probe;

/* The probe is over and freed when this is called; never called before probe_start has returned. */
typedef void probe_on_done(void *ctx, const struct probe_outcome *outcome);

struct probe_params {
	struct ev_loop *loop;
	struct knock_set *knocks;      /* for checks that only connect; must live until the end */
	const struct check_plan *plan; /* must live until the end */
	struct lb_endpoint address;    /* where to connect to, the check's own port already put in */
	enum lb_proxy_header send_proxy;
	struct agent_orders orders; /* what the agent has ordered so far */
	probe_on_done *on_done;
	void *ctx;
};

/* Never NULL: what fails at once is told through on_done. */
struct probe *probe_start(const struct probe_params *params);
/* NULL is fine. */
void probe_cancel(struct probe *p);

#endif
