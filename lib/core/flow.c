#include <lb/flow.h>

#include <string.h>

/* Reasons with HAProxy's two letters: who ended it (C client, S server, P proxy …; small: by timeout), and when. */
static const struct {
	const char *name, *code;
} ends[FLOW_END_COUNT_] = {
    [FLOW_END_NONE] = {"none",	       "--"},
    [FLOW_END_CLOSED] = {"closed",	   "--"},
    [FLOW_END_CLIENT_RESET] = {"client-reset",     "CD"},
    [FLOW_END_SERVER_RESET] = {"server-reset",     "SD"},
    [FLOW_END_CLIENT_TIMEOUT] = {"client-timeout",   "cD"},
    [FLOW_END_SERVER_TIMEOUT] = {"server-timeout",   "sD"},
    [FLOW_END_FIN_TIMEOUT] = {"fin-timeout",	     "cD"},
    [FLOW_END_CLIENT_GONE] = {"client-gone",	     "CC"},
    [FLOW_END_CONNECT_FAILED] = {"connect-failed",   "SC"},
    [FLOW_END_NO_SERVER] = {"no-server",	 "SC"},
    [FLOW_END_CONNECT_TIMEOUT] = {"connect-timeout",  "sC"},
    [FLOW_END_REFUSED] = {"refused",	     "PR"},
    [FLOW_END_LIMIT] = {"limit",		 "PR"},
    [FLOW_END_BAD_PROXY_HEADER] = {"bad-proxy-header", "PR"},
    [FLOW_END_SERVER_DOWN] = {"server-down",	     "DD"},
    [FLOW_END_KILLED] = {"killed",	   "KK"},
    [FLOW_END_HANDOVER] = {"handover",	       "LH"},
    [FLOW_END_MOVED] = {"moved",		 "HH"},
    [FLOW_END_RESOURCE] = {"resource",	       "RR"},
    [FLOW_END_SHUTDOWN] = {"shutdown",	       "LL"},
};

const char *flow_end_name(enum flow_end end)
{
	return ends[end].name;
}

const char *flow_end_code(enum flow_end end)
{
	return ends[end].code;
}

static enum flow_side other(enum flow_side side)
{
	return side == FLOW_CLIENT ? FLOW_SERVER : FLOW_CLIENT;
}

void flow_init(struct flow *f, lb_time now)
{
	*f = (struct flow){.state = FLOW_CHOOSING, .last_activity = now};
}

/* The only end of a flow. Orderly ends close with FIN, all others with RST on both sides. */
static void finish(struct flow *f, enum flow_end end, struct flow_todo *todo)
{
	f->state = FLOW_ENDED;
	f->end = end;
	todo->ended = true;
	todo->reset[FLOW_CLIENT] = todo->reset[FLOW_SERVER] = end != FLOW_END_CLOSED;
}

/* Pass a FIN on once everything read before it has been written; both ways shut is the orderly end. */
static void forward_fins(struct flow *f, struct flow_todo *todo)
{
	for (int side = FLOW_CLIENT; side <= FLOW_SERVER; side++) {
		struct flow_half *half = &f->half[side];

		if (half->eof && !half->shut && half->pending == 0) {
			half->shut = true;
			todo->shutdown[other((enum flow_side)side)] = true;
		}
	}
	if (f->half[FLOW_CLIENT].shut && f->half[FLOW_SERVER].shut)
		finish(f, FLOW_END_CLOSED, todo);
}

static enum flow_end reset_reason(const struct flow *f, enum flow_side side)
{
	if (side == FLOW_SERVER)
		return FLOW_END_SERVER_RESET;
	return f->state == FLOW_RELAYING ? FLOW_END_CLIENT_RESET : FLOW_END_CLIENT_GONE;
}

static lb_time idle_deadline(const struct flow *f, const struct flow_limits *limits)
{
	return limits->idle_timeout > 0 ? f->last_activity + limits->idle_timeout : LB_TIME_NEVER;
}

/* After one FIN the other side has fin_timeout from the last sign of life, so that a long answer may finish. */
static lb_time fin_deadline(const struct flow *f, const struct flow_limits *limits)
{
	if (limits->fin_timeout <= 0 || f->half_closed_at == 0)
		return LB_TIME_NEVER;
	return f->last_activity + limits->fin_timeout;
}

lb_time flow_deadline(const struct flow *f, const struct flow_limits *limits)
{
	if (f->state != FLOW_RELAYING)
		return LB_TIME_NEVER;
	return lb_time_min(idle_deadline(f, limits), fin_deadline(f, limits));
}

static void on_timer(struct flow *f, const struct flow_limits *limits, lb_time now, struct flow_todo *todo)
{
	lb_time idle = idle_deadline(f, limits), fin = fin_deadline(f, limits);

	if (now >= flow_deadline(f, limits))
		finish(f, fin <= idle ? FLOW_END_FIN_TIMEOUT : FLOW_END_CLIENT_TIMEOUT, todo);
}

static void on_eof(struct flow *f, enum flow_side side, lb_time now, struct flow_todo *todo)
{
	f->half[side].eof = true;
	if (f->half_closed_at == 0)
		f->half_closed_at = now;
	f->last_activity = now;
	/* A client may close its side before the server is connected: the FIN waits like bytes do. */
	if (f->state == FLOW_RELAYING)
		forward_fins(f, todo);
}

/* Which events mean something in which state; others come too late and are ignored. */
static bool is_expected(enum flow_state state, enum flow_event_kind kind)
{
	switch (kind) {
	case FLOW_CHOSEN:
	case FLOW_CONNECTED:
		return state == FLOW_CHOOSING || state == FLOW_CONNECTING;
	default:
		return state != FLOW_ENDED;
	}
}

void flow_step(struct flow *f, const struct flow_limits *limits, const struct flow_event *event, struct flow_todo *todo)
{
	memset(todo, 0, sizeof(*todo));
	if (!is_expected(f->state, event->kind))
		return;
	switch (event->kind) {
	case FLOW_CHOSEN:
		f->state = FLOW_CONNECTING;
		break;
	case FLOW_CONNECTED:
		f->state = FLOW_RELAYING;
		f->last_activity = event->now;
		forward_fins(f, todo);
		break;
	case FLOW_READ:
		f->half[event->side].pending += event->n;
		f->last_activity = event->now;
		break;
	case FLOW_WROTE:
		f->half[event->side].pending -= event->n;
		f->half[event->side].bytes += event->n;
		f->last_activity = event->now;
		if (f->state == FLOW_RELAYING)
			forward_fins(f, todo);
		break;
	case FLOW_READ_EOF:
		on_eof(f, event->side, event->now, todo);
		break;
	case FLOW_RESET:
		finish(f, reset_reason(f, event->side), todo);
		break;
	case FLOW_PEER_TIMEOUT:
		finish(f, event->side == FLOW_CLIENT ? FLOW_END_CLIENT_TIMEOUT : FLOW_END_SERVER_TIMEOUT, todo);
		break;
	case FLOW_TIMER:
		on_timer(f, limits, event->now, todo);
		break;
	case FLOW_FAIL:
		finish(f, event->end, todo);
		break;
	}
}

bool flow_wants_read(const struct flow *f, const struct flow_limits *limits, enum flow_side side)
{
	const struct flow_half *half = &f->half[side];

	return f->state == FLOW_RELAYING && !half->eof && half->pending < limits->buffer_max;
}

bool flow_wants_write(const struct flow *f, enum flow_side side)
{
	return f->state == FLOW_RELAYING && f->half[other(side)].pending > 0;
}
