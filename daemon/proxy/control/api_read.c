/* Routes that show the present: status, services, configuration, metrics, health. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/view.h>

#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/status_page.h"

/* A keeper that has not spoken for so long does not watch over this proxy any more. */
#define KEEPER_SILENT LB_SEC(2)

/* ?detail=full|brief|node; false: refused already. */
static bool wanted_detail(struct api_call *call, enum view_detail *out)
{
	static const char *const names[] = {[VIEW_FULL] = "full", [VIEW_BRIEF] = "brief", [VIEW_NODE] = "node"};
	const char *wanted = http_request_query(call->http, "detail");

	*out = VIEW_FULL;
	if (!wanted)
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(wanted, names[i]) == 0) {
			*out = (enum view_detail)i;
			return true;
		}
	}
	api_route_refuse(call->http, 400, "bad-request", "detail is \"full\", \"brief\" or \"node\", not \"%.40s\"",
			 wanted);
	return false;
}

void api_read_status(struct api_call *call)
{
	enum view_detail detail;
	struct lb_snapshot s;

	if (!wanted_detail(call, &detail))
		return;
	collect_fill(call->api->params.picture, &s);
	http_request_reply(call->http, 200, API_JSON, view_status_json(&s, detail));
	collect_clear(&s);
}

void api_read_services(struct api_call *call)
{
	struct lb_snapshot s;

	collect_fill(call->api->params.picture, &s);
	http_request_reply(call->http, 200, API_JSON, view_services_json(&s));
	collect_clear(&s);
}

void api_read_config(struct api_call *call)
{
	const struct lb_conf *conf = call->api->params.picture->set->conf;
	struct lb_text yaml = {0};
	char hash[16];

	lb_conf_dump(conf, &yaml);
	snprintf(hash, sizeof(hash), "%08" PRIx32, conf->hash);
	api_route_json(call->http, 200,
		       yaml.failed
			   ? NULL
			   : json_pack("{s:s, s:s, s:i, s:s}", "hash", hash, "file", call->api->params.conf_path,
				       "peer_port", (int)conf->peer_port, "yaml", lb_text_str(&yaml)));
	lb_text_free(&yaml);
}

void api_read_metrics(struct api_call *call)
{
	struct lb_text text = {0};
	struct lb_snapshot s;

	collect_fill(call->api->params.picture, &s);
	view_metrics(&s, &text);
	http_request_reply(call->http, 200, "text/plain; version=0.0.4; charset=utf-8", text.failed ? NULL : text.data);
	if (text.failed)
		lb_text_free(&text);
	collect_clear(&s);
}

/* NULL when this node does its part: its keeper speaks, and it serves or is kept out on purpose. */
static const char *complaint(const struct lb_snapshot *s)
{
	if (s->keeper_age > KEEPER_SILENT)
		return "the keeper does not speak";
	if (s->keeper.role == VRRP_FAULT && !s->keeper.standby)
		return ownership_obstacle_name(s->keeper.obstacle);
	return NULL;
}

void api_read_health(struct api_call *call)
{
	struct lb_snapshot s;
	const char *wrong;

	collect_fill(call->api->params.picture, &s);
	wrong = complaint(&s);
	if (wrong)
		api_route_refuse(call->http, 503, "unhealthy", "%s", wrong);
	else
		api_route_json(call->http, 200,
			       json_pack("{s:b, s:s}", "ok", true, "role", vrrp_state_name(s.keeper.role)));
	collect_clear(&s);
}

/* The page for a person with a browser; it asks for the rest itself. */
void api_read_page(struct api_call *call)
{
	http_request_reply(call->http, 200, "text/html; charset=utf-8", strdup(status_page()));
}
