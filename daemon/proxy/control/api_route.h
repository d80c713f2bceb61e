/*
 * What the routes of the API share.
 */
#ifndef CONTROL_API_ROUTE_H
#define CONTROL_API_ROUTE_H

#include <jansson.h>

#include "daemon/proxy/control/api.h"
#include "daemon/proxy/control/http_server.h"

#define API_ARGS_MAX 2
#define API_ARG_TEXT 128
#define API_JSON     "application/json"

struct api {
	struct api_params params;
	struct http_server *http, *metrics; /* metrics NULL: none */
};

/* A request on its way through its route; valid during the call only, the http request until it is answered. */
struct api_call {
	struct api *api;
	struct http_request *http;
	char args[API_ARGS_MAX][API_ARG_TEXT]; /* what stood for each '*' of the route */
	char who[48];			       /* "uid 1000", for the record */
};

typedef void api_handler(struct api_call *call);

/* {"error": {"code", "message"}} */
void api_route_refuse(struct http_request *r, unsigned status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Answer with a JSON value (taken; NULL: out of memory). */
void api_route_json(struct http_request *r, unsigned status, json_t *value);
/* {"ok": true, "message": "..."} */
void api_route_done(struct http_request *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "SERVICE/SERVER" or two names to a server; NULL: refused already. */
struct server *api_route_server(struct api_call *call, const char *service, const char *server);
struct server *api_route_subject(struct api_call *call, const char *subject);

/* A whole number of the query; def when it is not there. False: refused already. */
bool api_route_number(struct api_call *call, const char *name, uint64_t def, uint64_t *out);

api_handler api_read_status, api_read_services, api_read_config, api_read_metrics, api_read_health, api_read_page;
api_handler api_events, api_events_recent, api_why;
api_handler api_sessions_list, api_sessions_end_one, api_sessions_end_server;
api_handler api_change_server, api_change_owner, api_change_standby, api_change_reload, api_change_counters,
    api_change_upgrade;
api_handler api_judge_check, api_judge_diff;

#endif
