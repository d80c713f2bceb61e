/*
 * Routes that judge a configuration sent as YAML: POST /v1/check, POST /v1/diff (against the running one). The query
 * `file` names it in messages. A bad one is answered 422 with the error object and the list of errors.
 */
#include <stdlib.h>
#include <string.h>

#include <lb/conf_diff.h>

#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"

static json_t *errors_json(const struct lb_conf_errors *errors)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errors->count; i++)
		json_array_append_new(list,
				      json_pack("{s:i, s:i, s:s}", "line", (int)errors->list[i].mark.line, "column",
						(int)errors->list[i].mark.column, "message", errors->list[i].message));
	return list;
}

static const char *file_of(const struct api_call *call)
{
	const char *file = http_request_query(call->http, "file");

	return file ? file : "lbd.yaml";
}

/* The configuration in the body; NULL: refused with all its errors. */
static struct lb_conf *load_body(struct api_call *call)
{
	struct lb_conf_errors *errors = must(calloc(1, sizeof(*errors)));
	struct lb_text text = {0};
	size_t len;
	const char *body = http_request_body(call->http, &len);
	struct lb_conf *conf = lb_conf_load(body, len, errors);

	if (!conf) {
		lb_conf_errors_text(errors, file_of(call), &text);
		api_route_json(call->http, 422,
			       json_pack("{s:b, s:o, s:{s:s, s:s}}", "ok", false, "errors", errors_json(errors),
					 "error", "code", "bad-configuration", "message", lb_text_str(&text)));
		lb_text_free(&text);
	}
	free(errors);
	return conf;
}

void api_judge_check(struct api_call *call)
{
	struct lb_conf *conf = load_body(call);

	if (!conf)
		return;
	api_route_json(
	    call->http, 200,
	    json_pack("{s:b, s:[], s:o}", "ok", true, "errors", "message", json_sprintf("%s is good", file_of(call))));
	lb_conf_free(conf);
}

static const char *kind_name(enum lb_diff_kind kind)
{
	static const char *const names[] = {
	    [LB_DIFF_GLOBAL] = "global",
	    [LB_DIFF_SERVICE_ADDED] = "service-added",
	    [LB_DIFF_SERVICE_REMOVED] = "service-removed",
	    [LB_DIFF_SERVICE_CHANGED] = "service-changed",
	    [LB_DIFF_SERVER_ADDED] = "server-added",
	    [LB_DIFF_SERVER_REMOVED] = "server-removed",
	    [LB_DIFF_SERVER_CHANGED] = "server-changed",
	};

	return names[kind];
}

static json_t *entry_json(const struct lb_diff_entry *e)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "kind", kind_name(e->kind), "service", e->service,
			 "server", e->server, "key", e->key, "from", e->from, "to", e->to, "needs_restart",
			 e->needs_restart);
}

static const struct lb_conf_server *server_in(const struct lb_conf *conf, const struct lb_order *order)
{
	for (size_t s = 0; s < conf->service_count; s++)
		for (size_t i = 0; i < conf->services[s].server_count; i++)
			if (strcmp(conf->services[s].name, order->service) == 0 &&
			    strcmp(conf->services[s].servers[i].name, order->server) == 0)
				return &conf->services[s].servers[i];
	return NULL;
}

/* What becomes of an order at a reload: it stays unless the file drops the server or says something new itself. */
static json_t *order_json(const struct lb_order *o, const struct lb_conf *next, struct lb_text *text)
{
	const struct lb_conf_server *server = server_in(next, o);
	bool weight_stays = server && server->weight == o->weight_over;
	bool limit_stays = server && server->max_connections == o->limit_over;
	json_t *order = json_pack("{s:s, s:s, s:s, s:b}", "service", o->service, "server", o->server, "admin",
				  lb_admin_name(o->admin), "stays", server != NULL);
	const char *before = "";

	lb_text_addf(text, "! server %s/%s set by lbctl:", o->service, o->server);
	if (o->admin != LB_ADMIN_READY) {
		lb_text_addf(text, " %s%s", lb_admin_name(o->admin), server ? " stays" : " ends");
		before = ",";
	}
	if (o->has_weight) {
		json_object_set_new(order, "weight", json_integer(o->weight));
		json_object_set_new(order, "weight_stays", json_boolean(weight_stays));
		lb_text_addf(text, "%s weight %u %s", before, (unsigned)o->weight, weight_stays ? "stays" : "ends");
		before = ",";
	}
	if (o->has_limit) {
		json_object_set_new(order, "max_connections", json_integer(o->limit));
		json_object_set_new(order, "max_connections_stays", json_boolean(limit_stays));
		lb_text_addf(text, "%s limit %u %s", before, (unsigned)o->limit, limit_stays ? "stays" : "ends");
	}
	lb_text_add(text, "\n");
	return order;
}

static json_t *orders_json(const struct roster *r, const struct lb_conf *next, struct lb_text *text)
{
	json_t *list = json_array();
	struct lb_order order;

	for (size_t s = 0; s < r->service_count; s++)
		for (size_t i = 0; i < r->services[s]->server_count; i++)
			if (order_book_order(r->services[s]->servers[i], &order))
				json_array_append_new(list, order_json(&order, next, text));
	return list;
}

static json_t *diff_json(const struct lb_diff *diff, const struct roster *roster, const struct lb_conf *next)
{
	struct lb_text text = {0};
	json_t *changes = json_array(), *orders, *answer;

	for (size_t i = 0; i < diff->count; i++)
		json_array_append_new(changes, entry_json(&diff->entries[i]));
	lb_conf_diff_text(diff, &text);
	if (text.len == 0)
		lb_text_add(&text, "nothing would change\n");
	orders = orders_json(roster, next, &text);
	answer = json_pack("{s:b, s:o, s:o, s:s}", "ok", true, "changes", changes, "orders", orders, "message",
			   lb_text_str(&text));
	lb_text_free(&text);
	return answer;
}

void api_judge_diff(struct api_call *call)
{
	struct lb_conf *conf = load_body(call);
	struct lb_diff diff = {0};

	if (!conf)
		return;
	if (lb_conf_diff(call->api->params.picture->set->conf, conf, &diff))
		api_route_json(call->http, 200, diff_json(&diff, call->api->params.roster, conf));
	else
		api_route_json(call->http, 500, NULL);
	lb_conf_diff_free(&diff);
	lb_conf_free(conf);
}
