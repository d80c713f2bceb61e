/*
 * Routes that judge a configuration sent as YAML: POST /v1/check, POST /v1/diff (against the running one). The query
 * `file` names it in messages. A bad one is answered 422 with the error object and the list of errors.
 */
#include <stdlib.h>

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

static json_t *diff_json(const struct lb_diff *diff)
{
	struct lb_text text = {0};
	json_t *changes = json_array(), *answer;

	for (size_t i = 0; i < diff->count; i++)
		json_array_append_new(changes, entry_json(&diff->entries[i]));
	lb_conf_diff_text(diff, &text);
	answer = json_pack("{s:b, s:o, s:s}", "ok", true, "changes", changes, "message",
			   text.len ? lb_text_str(&text) : "nothing would change\n");
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
		api_route_json(call->http, 200, diff_json(&diff));
	else
		api_route_json(call->http, 500, NULL);
	lb_conf_diff_free(&diff);
	lb_conf_free(conf);
}
