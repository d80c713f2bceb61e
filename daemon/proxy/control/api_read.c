/* Routes that show the present: status, services, configuration, metrics, health. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <lb/view.h>

#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"

/* A keeper that has not spoken for so long does not watch over this proxy any more. */
#define KEEPER_SILENT LB_SEC(2)

void api_read_status(struct api_call *call)
{
	struct lb_snapshot s;

	collect_fill(call->api->params.picture, &s);
	http_request_reply(call->http, 200, API_JSON, view_status_json(&s));
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
		       yaml.failed ? NULL : json_pack("{s:s, s:s}", "hash", hash, "yaml", lb_text_str(&yaml)));
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

/* Names come from the configuration, whose rules leave nothing to escape; addresses and numbers are ours. */
static void add_servers(struct lb_text *out, const struct lb_snapshot_service *service)
{
	for (size_t i = 0; i < service->server_count; i++) {
		const struct lb_snapshot_server *server = &service->servers[i];
		char address[LB_ENDPOINT_TEXT];

		lb_text_addf(out, "%-16s %-24s %-24s %-10s %-6s %6" PRIu64 " sessions  %s\n", service->name,
			     server->name, lb_endpoint_text(&server->address, address),
			     health_state_name(server->state), lb_admin_name(server->admin), server->sessions,
			     server->check_result);
	}
}

/* The page for a person with a browser. */
void api_read_page(struct api_call *call)
{
	struct lb_text text = {0};
	struct lb_snapshot s;

	collect_fill(call->api->params.picture, &s);
	lb_text_addf(&text, "lbd %s, cluster %s, node %s: %s, owner %s\n\n", s.version, s.cluster, s.node,
		     vrrp_state_name(s.keeper.role), s.keeper.owner[0] ? s.keeper.owner : "unknown");
	for (size_t i = 0; i < s.service_count; i++)
		add_servers(&text, &s.services[i]);
	lb_text_add(&text, "\n/metrics  /healthz\n");
	http_request_reply(call->http, 200, "text/plain; charset=utf-8", text.failed ? NULL : text.data);
	if (text.failed)
		lb_text_free(&text);
	collect_clear(&s);
}
