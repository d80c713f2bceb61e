/*
 * GET /v1/why?subject=vip|SERVICE/SERVER: the present state in sentences ("text") and the last decisions behind it
 * ("events"). Without a subject: the VIP and every server that is not up.
 */
#include <stdlib.h>
#include <string.h>

#include <lb/view.h>

#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"
#include "daemon/sys/clock.h"

#define DECISIONS 32

static void add_server(struct lb_text *out, const struct server *server)
{
	struct lb_snapshot_server s;
	char subject[SERVER_SUBJECT], since[VIEW_TIME_TEXT];

	collect_server(server, &s);
	lb_text_addf(out, "%s is %s since %s (%s), %s, weight %u of %u, %u sessions\n", server_subject(server, subject),
		     health_state_name(s.state), view_time_text(s.since, since), health_reason_name(s.reason),
		     lb_admin_name(s.admin), (unsigned)s.effective_weight, (unsigned)s.weight, (unsigned)s.sessions);
	if (s.admin == LB_ADMIN_MAINT)
		lb_text_add(out, "  it is not checked in maint\n");
	else if (s.check_last == 0)
		lb_text_add(out, "  its first check has not ended yet\n");
	else
		lb_text_addf(out, "  the last check said \"%s\" after %.1f ms at %s; failed in a row: %u\n",
			     s.check_result, lb_duration_ms(s.check_duration), view_time_text(s.check_last, since),
			     (unsigned)s.check_failures);
	if (s.alive_warning)
		lb_text_addf(out, "  it is alive but did not say that it is ready: %s\n",
			     s.check_warning ? s.check_warning : "the check's answer is listed in alive");
	if (s.certificate_ends)
		lb_text_addf(out, "  its certificate ends at %s\n", view_time_text(s.certificate_ends, since));
	if (s.client_certificate_ends)
		lb_text_addf(out, "  the certificate of its check ends at %s\n",
			     view_time_text(s.client_certificate_ends, since));
	if (s.state == HEALTH_UP && server_ramping(server, clock_now()))
		lb_text_add(out, "  its weight grows after it came back\n");
}

static void add_node(struct lb_text *out, const struct lb_snapshot_node *node)
{
	if (node->self)
		return;
	if (!node->heard && node->version[0] && node->role == VRRP_INIT)
		lb_text_addf(out, "  %s was stopped\n", node->name);
	else if (!node->heard)
		lb_text_addf(out, "  %s is not heard\n", node->name);
	else
		lb_text_addf(out, "  %s is %s, %s, %s, %u of %u servers ready there\n", node->name,
			     vrrp_state_name(node->role), node->can_serve ? "can serve" : "cannot serve",
			     node->hears_us ? "hears this node" : "does not hear this node",
			     (unsigned)node->ready_servers, (unsigned)node->total_servers);
}

/* What becomes of clients if the owner dies, and what became of those of the last one. */
static void add_wake(struct lb_text *out, const struct wake *wake, bool active)
{
	struct lb_snapshot_wake w;

	wake_fill(wake, &w);
	if (!w.possible)
		lb_text_add(out, "  without key_file no node can wake the clients of an owner that dies\n");
	else if (active)
		lb_text_addf(out, "  %u other %s %u of its connections to wake if it dies\n", (unsigned)w.listeners,
			     w.listeners == 1 ? "node knows" : "nodes know", (unsigned)w.told);
	else
		lb_text_addf(out, "  it knows %u connections of the owner and wakes them if that dies\n",
			     (unsigned)w.held);
	if (w.woken_clients > 0)
		lb_text_addf(out, "  it has woken %llu clients and %llu connections to servers of owners that died\n",
			     (unsigned long long)w.woken_clients, (unsigned long long)w.woken_servers);
	if (w.dropped > 0)
		lb_text_addf(out, "  %llu connections found no room: nobody can wake them\n",
			     (unsigned long long)w.dropped);
}

static void add_vip(struct lb_text *out, const struct collect_source *picture)
{
	const struct lb_snapshot_keeper *k = &picture->keeper;
	char since[VIEW_TIME_TEXT];

	lb_text_addf(out, "%s is %s since %s (%s), owner %s\n", picture->set->conf->nodes[picture->set->own_node].name,
		     vrrp_state_name(k->role), view_time_text(k->since, since), vrrp_reason_name(k->reason),
		     k->owner[0] ? k->owner : "unknown");
	if (k->obstacle != OWNERSHIP_CAN)
		lb_text_addf(out, "  it cannot serve: %s\n", ownership_obstacle_name(k->obstacle));
	if (k->foreign_owner)
		lb_text_addf(out, "  another host answers for the VIP: %02x:%02x:%02x:%02x:%02x:%02x\n",
			     k->foreign_mac[0], k->foreign_mac[1], k->foreign_mac[2], k->foreign_mac[3],
			     k->foreign_mac[4], k->foreign_mac[5]);
	for (uint32_t i = 0; i < k->node_count && i < LB_NODES_MAX; i++)
		add_node(out, &k->nodes[i]);
	add_wake(out, picture->wake, k->role == VRRP_ACTIVE);
}

static void add_overview(struct lb_text *out, const struct api *a)
{
	add_vip(out, a->params.picture);
	for (size_t s = 0; s < a->params.roster->service_count; s++) {
		const struct service *service = a->params.roster->services[s];

		for (size_t i = 0; i < service->server_count; i++)
			if (!server_ready(service->servers[i]))
				add_server(out, service->servers[i]);
	}
}

/* What decides who owns the VIP; without a subject the same, because servers tell their own state. */
static bool concerns(const struct lb_event *event, const char *subject)
{
	if (!subject || strcmp(subject, "vip") == 0)
		return strcmp(event->kind, "vip") == 0 || strcmp(event->kind, "peer") == 0 ||
		       strcmp(event->kind, "alarm") == 0;
	return strcmp(event->subject, subject) == 0;
}

/* The last of them, oldest first. */
static char *decisions(const struct recorder *r, const char *subject)
{
	struct lb_event *list = must(calloc(DECISIONS, sizeof(*list)));
	const struct lb_event *event;
	size_t n = 0;
	char *json;

	for (uint64_t since = 0; (event = recorder_next(r, since)) != NULL; since = event->id) {
		if (!concerns(event, subject))
			continue;
		if (n == DECISIONS)
			memmove(list, list + 1, --n * sizeof(*list));
		list[n++] = *event;
	}
	json = must(view_events_json(list, n));
	free(list);
	return json;
}

void api_why(struct api_call *call)
{
	const char *subject = http_request_query(call->http, "subject");
	struct lb_text text = {0};
	json_t *answer;
	char *events;

	if (!subject) {
		add_overview(&text, call->api);
	} else if (strcmp(subject, "vip") == 0) {
		add_vip(&text, call->api->params.picture);
	} else {
		const struct server *server = api_route_subject(call, subject);

		if (!server)
			return;
		add_server(&text, server);
	}
	events = decisions(call->api->params.recorder, subject);
	answer = json_loads(events, 0, NULL);
	json_object_set_new(answer, "subject", subject ? json_string(subject) : json_null());
	json_object_set_new(answer, "text", json_string(lb_text_str(&text)));
	api_route_json(call->http, 200, answer);
	free(events);
	lb_text_free(&text);
}
