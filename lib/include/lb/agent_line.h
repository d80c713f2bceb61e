/*
 * HAProxy's agent protocol (its manual, "agent-check"): an agent beside a server tells one line of words about it. What
 * a line does not mention stays as an earlier line left it, so an agent may speak of weight alone, or of drain alone.
 */
#ifndef LB_AGENT_LINE_H
#define LB_AGENT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/health_fsm.h>

/* HAProxy takes percentages up to 256 times the weight. */
#define AGENT_PERCENT_MAX 25600

enum agent_admin { AGENT_READY, AGENT_DRAIN, AGENT_MAINT };

/* All that an agent has ordered so far. */
struct agent_orders {
	enum agent_admin admin; /* ready, drain, maint */
	bool down;		/* down, fail, failed, stopped; up ends it */
	uint16_t percent;	/* of the configured weight, 0..AGENT_PERCENT_MAX */
	uint32_t maxconn;	/* 0: none told */
};

/* Before the first line: ready, up, 100 %, no limit. */
struct agent_orders agent_orders_none(void);

/*
 * Apply one line (need not end with NUL or a line end; what follows '#' or a line end is for people) to *orders. Words
 * are separated by blanks or commas and in any case; unknown ones are passed over. False when no word was understood:
 * *orders is as it was.
 */
bool agent_line_apply(struct agent_orders *orders, const char *line, size_t len);

/* What the orders say of the server: OK, WRONG (drain, maint: no new sessions) or REFUSED (down: does not serve). */
enum health_result agent_orders_result(const struct agent_orders *orders);

#endif
