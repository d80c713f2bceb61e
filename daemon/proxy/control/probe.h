/*
 * One check of one server: connect, TLS, ask, judge, within one budget of time. start -> on_done at most once -> cancel
 * is silent. Nothing blocks. What an HTTP server was asked over may stay open for the next checks, as making a
 * connection costs far more than asking; after PROBE_USES of them a new one is made, so that accepting, the TLS
 * handshake and the certificate are tried again and again.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include <ev.h>
#include <stdint.h>

#include <lb/agent_line.h>
#include <lb/snapshot.h>

#include "daemon/proxy/control/check_plan.h"
#include "daemon/proxy/control/knock.h"

#define PROBE_USES 8

struct probe;

struct probe_outcome {
	enum health_result result;
	char text[64]; /* for people: "200", "refused", "timeout", "tls: certificate has expired" */
	lb_duration duration;
	uint16_t code;		    /* of an HTTP answer, 0 otherwise */
	bool told;		    /* an agent's order, not an observation */
	struct agent_orders orders; /* what the agent has ordered by now */
	lb_wall certificate_ends;   /* the server's certificate is valid until then; 0 it showed none */
	struct probe *open;	    /* its connection takes another question: the callee's, see probe_rest; else NULL */
};

/* The probe is over, and freed unless the outcome has it as open; never called before probe_start has returned. */
typedef void probe_on_done(void *ctx, const struct probe_outcome *outcome);
/*
 * The server has closed a connection that rested; the probe is freed. proven: it had kept the connection from one check
 * to another before, so that this tells of the server more than that it keeps none.
 */
typedef void probe_on_closed(void *ctx, bool proven);

struct probe_params {
	struct ev_loop *loop;
	struct knock_set *knocks;      /* for checks that only connect; must live until the end */
	const struct check_plan *plan; /* must live until the end */
	struct lb_endpoint address;    /* where to connect to, the check's own port already put in */
	enum lb_proxy_header send_proxy;
	struct agent_orders orders; /* what the agent has ordered so far */
	bool keep;		    /* leave the connection open for another question, where the server does */
	probe_on_done *on_done;
	void *ctx;
};

/* Never NULL: what fails at once is told through on_done. */
struct probe *probe_start(const struct probe_params *params);
/*
 * Ask over the connection of a probe that rests. False, and it rests on: it has been used up, or it leads elsewhere or
 * was made with other certificates than params say. An answer that does not come over it because the server has closed
 * it is asked for again over a new connection, within the same budget.
 */
bool probe_again(struct probe *p, const struct probe_params *params);
/* Leave the connection of a finished probe (outcome->open) as it is until probe_again or probe_cancel. */
void probe_rest(struct probe *p, probe_on_closed *on_closed, void *ctx);
/* Ends a probe that is under way or rests. NULL is fine. */
void probe_cancel(struct probe *p);

#endif
