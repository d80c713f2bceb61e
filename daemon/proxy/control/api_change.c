/*
 * Routes that change something: a server here, or, by asking the keeper, who owns the VIP and which configuration runs.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/control/api_route.h"

#define WEIGHT_MAX 256
#define LIMIT_MAX  1000000

/* The body as an object; an empty one counts as {}. NULL: refused. */
static json_t *body_object(struct api_call *call)
{
	size_t len;
	const char *body = http_request_body(call->http, &len);
	json_error_t error;
	json_t *value = len == 0 ? json_object() : json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(value))
		return value;
	api_route_refuse(call->http, 400, "bad-request", "the body must be a JSON object%s%s", value ? "" : ": ",
			 value ? "" : error.text);
	json_decref(value);
	return NULL;
}

/* Every key must be one of known (ended by NULL), so that a misspelt one is not taken for nothing. */
static bool keys_known(struct api_call *call, json_t *object, const char *const *known)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i]) {
			api_route_refuse(call->http, 400, "bad-request", "unknown key \"%.64s\"", key);
			return false;
		}
	}
	return true;
}

/* ---- a server ---- */

struct order {
	bool has_admin;
	enum lb_admin_state admin;
	uint16_t weight; /* 0: as it is */
	bool has_limit;
	uint32_t limit; /* 0: none */
};

static bool parse_admin(const char *text, enum lb_admin_state *out)
{
	for (int i = LB_ADMIN_READY; text && i <= LB_ADMIN_MAINT; i++)
		if (strcmp(lb_admin_name((enum lb_admin_state)i), text) == 0) {
			*out = (enum lb_admin_state)i;
			return true;
		}
	return false;
}

/* Nothing is touched before all of the body has been judged. */
static bool parse_order(struct api_call *call, json_t *body, struct order *out)
{
	static const char *const keys[] = {"admin", "weight", "max_connections", NULL};
	const json_t *admin = json_object_get(body, "admin"), *weight = json_object_get(body, "weight");
	const json_t *limit = json_object_get(body, "max_connections");
	json_int_t number = json_integer_value(weight), most = json_integer_value(limit);

	*out = (struct order){.has_admin = admin != NULL, .has_limit = limit != NULL};
	if (!keys_known(call, body, keys))
		return false;
	if (!admin && !weight && !limit)
		api_route_refuse(call->http, 400, "bad-request",
				 "the body needs \"admin\", \"weight\" or \"max_connections\"");
	else if (admin && !parse_admin(json_string_value(admin), &out->admin))
		api_route_refuse(call->http, 400, "bad-request", "admin must be \"ready\", \"drain\" or \"maint\"");
	else if (weight && (!json_is_integer(weight) || number < 1 || number > WEIGHT_MAX))
		api_route_refuse(call->http, 400, "bad-request", "weight must be a whole number from 1 to %d",
				 WEIGHT_MAX);
	else if (limit && (!json_is_integer(limit) || most < 0 || most > LIMIT_MAX))
		api_route_refuse(call->http, 400, "bad-request",
				 "max_connections must be a whole number up to %d, 0 for none", LIMIT_MAX);
	else {
		out->limit = (uint32_t)most;
		out->weight = weight ? (uint16_t)number : 0;
		return true;
	}
	return false;
}

void api_change_server(struct api_call *call)
{
	struct server *server = api_route_server(call, call->args[0], call->args[1]);
	struct transition *t = call->api->params.transition;
	struct order order;
	json_t *body;

	if (!server || !(body = body_object(call)))
		return;
	if (parse_order(call, body, &order)) {
		if (order.has_admin)
			transition_admin(t, server, order.admin, call->who);
		if (order.weight)
			transition_weight(t, server, order.weight, call->who);
		if (order.has_limit)
			transition_limit(t, server, order.limit, call->who);
		api_route_json(call->http, 200,
			       json_pack("{s:b, s:s, s:s, s:s, s:i, s:I}", "ok", true, "service",
					 server->service->conf->name, "server", server->conf->name, "admin",
					 lb_admin_name(server->admin), "weight", (int)server->weight, "max_connections",
					 (json_int_t)server->limit));
	}
	json_decref(body);
}

/* ---- what is counted ---- */

void api_change_counters(struct api_call *call)
{
	struct lb_event event = {.kind = "admin", .subject = "counters", .to = "cleared"};

	memcpy(event.reason, call->who, sizeof(call->who));
	collect_clear_counters(call->api->params.picture);
	recorder_note(call->api->params.recorder, LB_LOG_NOTICE, &event);
	api_route_done(call->http, "TOTAL, IN and OUT of status count from now on; metrics and --json go on");
}

/* ---- what the keeper does ---- */

static unsigned status_of(const char *code)
{
	if (strcmp(code, "bad-configuration") == 0)
		return 422;
	if (strcmp(code, "unknown-node") == 0)
		return 404;
	return strcmp(code, "stopping") == 0 ? 503 : 409;
}

static void on_keeper_reply(void *ctx, bool ok, const char *code, const char *text)
{
	if (ok)
		api_route_done(ctx, "%s", text);
	else
		api_route_refuse(ctx, status_of(code), *code ? code : "refused", "%s", text);
}

static void ask_keeper(struct api_call *call, const struct ipc_request *request)
{
	if (!channel_request(call->api->params.channel, request, on_keeper_reply, call->http))
		api_route_refuse(call->http, 503, "no-keeper", "the keeper cannot be asked");
}

void api_change_owner(struct api_call *call)
{
	static const char *const keys[] = {"to", NULL};
	struct ipc_request request = {.kind = IPC_REQUEST_FAILOVER};
	json_t *body = body_object(call);
	const json_t *to = json_object_get(body, "to");
	const char *name = to && !json_is_null(to) ? json_string_value(to) : "";

	if (!body)
		return;
	if (!keys_known(call, body, keys)) {
		json_decref(body);
		return;
	}
	if (!name || strlen(name) >= sizeof(request.node)) {
		api_route_refuse(call->http, 400, "bad-request", "to must be the name of a node");
	} else {
		memcpy(request.node, name, strlen(name));
		ask_keeper(call, &request);
	}
	json_decref(body);
}

void api_change_standby(struct api_call *call)
{
	static const char *const keys[] = {"on", "standby", NULL};
	json_t *body = body_object(call);
	const json_t *on = json_object_get(body, "on");

	if (!body)
		return;
	if (!on)
		on = json_object_get(body, "standby");
	if (keys_known(call, body, keys)) {
		if (!json_is_boolean(on))
			api_route_refuse(call->http, 400, "bad-request", "on must be true or false");
		else
			ask_keeper(call, &(struct ipc_request){.kind = IPC_REQUEST_STANDBY, .on = json_is_true(on)});
	}
	json_decref(body);
}

void api_change_reload(struct api_call *call)
{
	ask_keeper(call, &(struct ipc_request){.kind = IPC_REQUEST_RELOAD});
}

void api_change_upgrade(struct api_call *call)
{
	ask_keeper(call, &(struct ipc_request){.kind = IPC_REQUEST_UPGRADE});
}
