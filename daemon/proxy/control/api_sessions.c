/*
 * Live sessions: GET /v1/connections?service=&server=&client=&limit=, DELETE /v1/connections/ID,
 * DELETE /v1/connections?server=SERVICE/SERVER. The workers are asked; the answer waits for all of them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"
#include "daemon/sys/clock.h"

/* More is no list for a person and would hold the control thread up; "total" tells how many there are. */
#define LIST_MAX 20000

struct listing {
	struct http_request *http;
	const struct roster *roster;
	lb_name service, server; /* "" all */
	struct lb_cidr client;	 /* family 0: all */
	uint64_t limit, total;
	json_t *list;
	lb_time now;
};

static const char *state_name(const struct session_info *s)
{
	switch (s->state) {
	case FLOW_CHOOSING:
		return "choosing";
	case FLOW_CONNECTING:
		return "connecting";
	case FLOW_RELAYING:
		return s->half_closed ? "closing" : "established";
	case FLOW_ENDED:
		break;
	}
	return "ended";
}

static bool wanted(const struct listing *l, const struct session_info *s)
{
	return (!l->service[0] || strcmp(l->service, s->service) == 0) &&
	       (!l->server[0] || strcmp(l->server, s->server) == 0) &&
	       (!l->client.addr.family || lb_cidr_contains(&l->client, &s->client.addr));
}

static json_t *session_json(const struct session_info *s, lb_time now)
{
	char client[LB_ENDPOINT_TEXT], local[LB_ENDPOINT_TEXT];

	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:f, s:I, s:I}", "id", (json_int_t)s->id, "service",
			 s->service, "server", s->server, "client", lb_endpoint_text(&s->client, client), "local",
			 lb_endpoint_text(&s->local, local), "state", state_name(s), "age_seconds",
			 lb_duration_seconds(now - s->started), "bytes_in", (json_int_t)s->bytes_in, "bytes_out",
			 (json_int_t)s->bytes_out);
}

static void on_list(void *ctx, struct message *m)
{
	struct listing *l = ctx;

	for (uint32_t i = 0; i < m->count; i++) {
		if (!wanted(l, &m->sessions[i]))
			continue;
		if (l->total++ < l->limit)
			json_array_append_new(l->list, session_json(&m->sessions[i], l->now));
	}
}

/* "a, b, c" */
static void add_service_names(const struct roster *r, struct lb_text *out)
{
	for (size_t i = 0; i < r->service_count; i++)
		lb_text_addf(out, "%s%s", i ? ", " : "", r->services[i]->conf->name);
}

static void add_server_names(const struct service *service, struct lb_text *out)
{
	for (size_t i = 0; i < service->server_count; i++)
		lb_text_addf(out, "%s%s", i ? ", " : "", service->servers[i]->conf->name);
}

static bool has_server(const struct roster *r, const char *server)
{
	bool found = false;

	for (size_t i = 0; i < r->service_count; i++)
		found |= roster_server(r, r->services[i]->conf->name, server) != NULL;
	return found;
}

/* Of what nobody knows there are not "no sessions": it was misspelt. (Sessions may outlive the names they have.) */
static bool refuse_unknown(struct listing *l)
{
	const struct service *service = roster_service(l->roster, l->service);
	struct lb_text names = {0};
	bool refused = true;

	if (l->service[0] && !service) {
		add_service_names(l->roster, &names);
		api_route_refuse(l->http, 404, "unknown-service", "there is no service \"%s\"; there are %s",
				 l->service, lb_text_str(&names));
	} else if (service && l->server[0] && !roster_server(l->roster, l->service, l->server)) {
		add_server_names(service, &names);
		api_route_refuse(l->http, 404, "unknown-server", "service %s has no server \"%s\"; it has %s",
				 l->service, l->server, lb_text_str(&names));
	} else if (l->server[0] && !has_server(l->roster, l->server)) {
		api_route_refuse(l->http, 404, "unknown-server", "no service has a server \"%s\"", l->server);
	} else {
		refused = false;
	}
	lb_text_free(&names);
	return refused;
}

static void on_listed(void *ctx)
{
	struct listing *l = ctx;

	if (l->total == 0 && refuse_unknown(l)) {
		json_decref(l->list);
		free(l);
		return;
	}
	api_route_json(l->http, 200, json_pack("{s:I, s:o}", "total", (json_int_t)l->total, "connections", l->list));
	free(l);
}

/* "SERVER" or "SERVICE/SERVER". */
static bool take_server(struct listing *l, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;

	if (len >= sizeof(l->service) || strlen(slash ? slash + 1 : text) >= sizeof(l->server))
		return false;
	if (slash) {
		memcpy(l->service, text, len);
		l->service[len] = '\0';
		text = slash + 1;
	}
	memcpy(l->server, text, strlen(text));
	return true;
}

/* The query; false: refused. */
static bool take_filters(struct api_call *call, struct listing *l)
{
	const char *service = http_request_query(call->http, "service");
	const char *server = http_request_query(call->http, "server");
	const char *client = http_request_query(call->http, "client");
	bool ok = true;

	if (service) {
		ok = strlen(service) < sizeof(l->service);
		if (ok)
			memcpy(l->service, service, strlen(service));
	}
	ok = ok && (!server || take_server(l, server)) && (!client || lb_cidr_parse(client, &l->client));
	if (!ok) {
		api_route_refuse(call->http, 400, "bad-request",
				 "service and server are names, client is an address or a CIDR");
		return false;
	}
	return api_route_number(call, "limit", LIST_MAX, &l->limit);
}

void api_sessions_list(struct api_call *call)
{
	struct listing *l = must(calloc(1, sizeof(*l)));

	l->http = call->http;
	l->roster = call->api->params.roster;
	l->now = clock_now();
	if (!take_filters(call, l)) {
		free(l);
		return;
	}
	l->list = must(json_array());
	crew_ask(call->api->params.crew,
		 &(struct crew_question){
		     .kind = MESSAGE_LIST_SESSIONS, .on_answer = on_list, .on_done = on_listed, .ctx = l});
}

/* ---- ending ---- */

struct ending {
	struct http_request *http;
	uint32_t count;
	uint64_t id; /* 0: those of a server */
};

static void on_ended(void *ctx, struct message *m)
{
	struct ending *e = ctx;

	e->count += m->count;
}

static void on_all_ended(void *ctx)
{
	struct ending *e = ctx;

	if (e->id && e->count == 0)
		api_route_refuse(e->http, 404, "unknown-connection", "there is no connection %" PRIu64, e->id);
	else
		api_route_json(e->http, 200, json_pack("{s:b, s:I}", "ok", true, "ended", (json_int_t)e->count));
	free(e);
}

static void end_sessions(struct api_call *call, struct crew_question question)
{
	struct ending *e = must(calloc(1, sizeof(*e)));

	e->http = call->http;
	e->id = question.session_id;
	question.kind = MESSAGE_END_SESSIONS;
	question.reason = FLOW_END_KILLED;
	question.on_answer = on_ended;
	question.on_done = on_all_ended;
	question.ctx = e;
	crew_ask(call->api->params.crew, &question);
}

void api_sessions_end_one(struct api_call *call)
{
	char *end;
	uint64_t id = strtoull(call->args[0], &end, 10);

	if (call->args[0][0] < '0' || call->args[0][0] > '9' || *end != '\0' || id == 0)
		api_route_refuse(call->http, 400, "bad-request", "a connection is named by its number");
	else
		end_sessions(call, (struct crew_question){.scope = END_SESSION, .session_id = id});
}

void api_sessions_end_server(struct api_call *call)
{
	const char *subject = http_request_query(call->http, "server");
	const struct server *server;

	if (!subject) {
		api_route_refuse(call->http, 400, "bad-request", "which ones? give ?server=SERVICE/SERVER");
		return;
	}
	server = api_route_subject(call, subject);
	if (server)
		end_sessions(call, (struct crew_question){.scope = END_SERVER, .server = server->block});
}
