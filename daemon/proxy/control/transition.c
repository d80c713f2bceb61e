#include "daemon/proxy/control/transition.h"

#include <stdio.h>
#include <string.h>

#include "daemon/sys/clock.h"

static void follow_up(struct transition *t)
{
	publisher_request(t->publisher);
	t->changed(t->ctx);
}

/* Its sessions learn at once that nobody will answer them. */
static void reset_sessions(struct transition *t, struct server *server)
{
	if (server->service->conf->on_dead != LB_ON_DEAD_RESET)
		return;
	crew_ask(t->crew, &(struct crew_question){.kind = MESSAGE_END_SESSIONS,
						  .scope = END_SERVER,
						  .server = server->block,
						  .reason = FLOW_END_SERVER_DOWN});
}

static struct lb_event new_event(const char *kind, const struct server *server)
{
	struct lb_event event = {0};

	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	server_subject(server, event.subject);
	return event;
}

void transition_health(struct transition *t, struct server *server)
{
	const struct health_fsm *h = &server->health;
	struct lb_event event = new_event("server", server);
	bool came_back = server->returning || h->previous == HEALTH_DOWN || h->previous == HEALTH_NOT_READY;

	snprintf(event.from, sizeof(event.from), "%s", health_state_name(h->previous));
	snprintf(event.to, sizeof(event.to), "%s", health_state_name(h->state));
	if (h->reason == HEALTH_REASON_CONNECT_ERRORS || server->report.at == 0)
		snprintf(event.reason, sizeof(event.reason), "%s", health_reason_name(h->reason));
	else
		snprintf(event.reason, sizeof(event.reason), "%s: %s", health_reason_name(h->reason),
			 server->report.result);
	event.duration = server->report.duration;
	recorder_note(t->recorder, h->state == HEALTH_UP ? LB_LOG_NOTICE : LB_LOG_WARNING, &event);
	server->ramp_from = h->state == HEALTH_UP && came_back ? clock_now() : 0;
	server->returning = server->returning && h->state != HEALTH_UP;
	if (h->state == HEALTH_DOWN)
		reset_sessions(t, server);
	follow_up(t);
}

void transition_admin(struct transition *t, struct server *server, enum lb_admin_state admin, const char *who)
{
	enum lb_admin_state former = server->admin;
	struct lb_event event = new_event("admin", server);

	if (admin == former)
		return;
	server->admin = admin;
	snprintf(event.from, sizeof(event.from), "%s", lb_admin_name(former));
	snprintf(event.to, sizeof(event.to), "%s", lb_admin_name(admin));
	snprintf(event.reason, sizeof(event.reason), "%s", who);
	recorder_note(t->recorder, LB_LOG_NOTICE, &event);
	order_book_write(t->orders);
	if (admin == LB_ADMIN_MAINT) {
		checker_pause(t->checker, server);
		reset_sessions(t, server);
	} else if (former == LB_ADMIN_MAINT) {
		checker_resume(t->checker, server);
	}
	follow_up(t);
}

void transition_weight(struct transition *t, struct server *server, uint16_t weight, const char *who)
{
	struct lb_event event = new_event("admin", server);

	if (weight == server->weight)
		return;
	snprintf(event.from, sizeof(event.from), "weight %u", (unsigned)server->weight);
	snprintf(event.to, sizeof(event.to), "weight %u", (unsigned)weight);
	snprintf(event.reason, sizeof(event.reason), "%s", who);
	server->weight = weight;
	recorder_note(t->recorder, LB_LOG_NOTICE, &event);
	order_book_write(t->orders);
	follow_up(t);
}

void transition_limit(struct transition *t, struct server *server, uint32_t limit, const char *who)
{
	struct lb_event event = new_event("admin", server);

	if (limit == server->limit)
		return;
	snprintf(event.from, sizeof(event.from), "limit %u", (unsigned)server->limit);
	snprintf(event.to, sizeof(event.to), "limit %u", (unsigned)limit);
	snprintf(event.reason, sizeof(event.reason), "%s", who);
	server->limit = limit;
	recorder_note(t->recorder, LB_LOG_NOTICE, &event);
	order_book_write(t->orders);
	follow_up(t);
}

void transition_warning(struct transition *t, struct server *server)
{
	const struct server_report *report = &server->report;
	struct lb_event event = new_event("check", server);

	snprintf(event.from, sizeof(event.from), "%s", report->warning ? "clear" : "warning");
	snprintf(event.to, sizeof(event.to), "%s", report->warning ? "warning" : "clear");
	snprintf(event.reason, sizeof(event.reason), "%s%s%s", report->result, report->warning ? ": " : "",
		 report->warning ? report->warning : "");
	recorder_note(t->recorder, report->warning ? LB_LOG_WARNING : LB_LOG_NOTICE, &event);
}

void transition_agent(struct transition *t, struct server *server)
{
	struct lb_event event = new_event("server", server);

	if (server->agent.maxconn)
		snprintf(event.to, sizeof(event.to), "%u%%, max %u", (unsigned)server->agent.percent,
			 (unsigned)server->agent.maxconn);
	else
		snprintf(event.to, sizeof(event.to), "%u%%", (unsigned)server->agent.percent);
	snprintf(event.reason, sizeof(event.reason), "%s", server->report.result);
	recorder_note(t->recorder, LB_LOG_INFO, &event);
	follow_up(t);
}
