#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/log.h>
#include <lb/view.h>

#include "daemon/proxy/control/access.h"
#include "daemon/proxy/control/api_route.h"
#include "daemon/proxy/control/must.h"

struct route {
	const char *method, *path; /* '*' stands for one part */
	api_handler *handler;
	bool changes; /* needs membership of the admin group */
};

static const struct route admin_routes[] = {
    {"GET",    "/v1/status",	  api_read_status,	   false},
    {"GET",    "/v1/services",	    api_read_services,       false},
    {"GET",    "/v1/connections",   api_sessions_list,	  false},
    {"GET",    "/v1/events",	  api_events,	      false},
    {"GET",    "/v1/config",	  api_read_config,	   false},
    {"GET",    "/v1/why",	       api_why,			false},
    {"GET",    "/metrics",		api_read_metrics,	  false},
    {"GET",    "/healthz",		api_read_health,	 false},
    {"POST",   "/v1/check",	  api_judge_check,	   false},
    {"POST",   "/v1/diff",		 api_judge_diff,		 false},
    {"POST",   "/v1/servers/*/*",	api_change_server,	   true },
    {"POST",   "/v1/failover",	     api_change_owner,	       true },
    {"POST",   "/v1/standby",	    api_change_standby,	true },
    {"POST",   "/v1/reload",	   api_change_reload,	      true },
    {"POST",   "/v1/upgrade",	    api_change_upgrade,	true },
    {"DELETE", "/v1/connections/*", api_sessions_end_one,	  true },
    {"DELETE", "/v1/connections",	  api_sessions_end_server, true },
    {"DELETE", "/v1/counters",      api_change_counters,	    true },
    {NULL,	   NULL,		 NULL,		       false},
};

static const struct route metrics_routes[] = {
    {"GET", "/metrics",	api_read_metrics,  false},
    {"GET", "/healthz",	api_read_health,	 false},
    {"GET", "/",		 api_read_page,	false},
    {"GET", "/status.json", api_read_status,   false},
    {"GET", "/events.json", api_events_recent, false},
    {NULL,  NULL,		 NULL,	       false},
};

/* ---- answers ---- */

void api_route_refuse(struct http_request *r, unsigned status, const char *code, const char *fmt, ...)
{
	struct lb_text message = {0};
	char *line = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) < 0)
		line = NULL;
	va_end(args);
	lb_text_add(&message, must(line));
	http_request_reply(r, status, API_JSON, view_error_json(code, lb_text_str(&message)));
	lb_text_free(&message);
	free(line);
}

void api_route_json(struct http_request *r, unsigned status, json_t *value)
{
	http_request_reply(r, status, API_JSON, value ? json_dumps(value, JSON_COMPACT) : NULL);
	json_decref(value);
}

void api_route_done(struct http_request *r, const char *fmt, ...)
{
	char *line = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&line, fmt, args) < 0)
		line = NULL;
	va_end(args);
	api_route_json(r, 200, json_pack("{s:b, s:s}", "ok", true, "message", must(line)));
	free(line);
}

struct server *api_route_server(struct api_call *call, const char *service, const char *server)
{
	const struct roster *roster = call->api->params.roster;
	struct server *found = roster_server(roster, service, server);

	if (!roster_service(roster, service))
		api_route_refuse(call->http, 404, "unknown-service", "there is no service \"%s\"", service);
	else if (!found)
		api_route_refuse(call->http, 404, "unknown-server", "service %s has no server \"%s\"", service, server);
	return found;
}

struct server *api_route_subject(struct api_call *call, const char *subject)
{
	const char *slash = strchr(subject, '/');
	char service[API_ARG_TEXT];

	if (!slash || (size_t)(slash - subject) >= sizeof(service)) {
		api_route_refuse(call->http, 400, "bad-request", "\"%.100s\" is not SERVICE/SERVER", subject);
		return NULL;
	}
	memcpy(service, subject, (size_t)(slash - subject));
	service[slash - subject] = '\0';
	return api_route_server(call, service, slash + 1);
}

bool api_route_number(struct api_call *call, const char *name, uint64_t def, uint64_t *out)
{
	const char *text = http_request_query(call->http, name);
	char *end;

	*out = def;
	if (!text)
		return true;
	*out = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0')
		return true;
	api_route_refuse(call->http, 400, "bad-request", "%s must be a whole number", name);
	return false;
}

/* ---- dispatch ---- */

/* Compare part by part; what stands for '*' goes to args. */
static bool path_matches(const char *pattern, const char *path, char args[API_ARGS_MAX][API_ARG_TEXT])
{
	size_t n = 0;

	while (*pattern && *path) {
		if (*pattern == '*') {
			size_t len = strcspn(path, "/");

			if (len == 0 || len >= API_ARG_TEXT || n == API_ARGS_MAX)
				return false;
			memcpy(args[n], path, len);
			args[n++][len] = '\0';
			path += len;
			pattern++;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *pattern == *path;
}

/* HEAD is GET whose body stays here. */
static bool method_matches(const char *wanted, const char *method)
{
	return strcmp(wanted, method) == 0 || (strcmp(wanted, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static const struct route *find_route(const struct route *routes, const char *method, const char *path,
				      struct api_call *call, const char **allowed)
{
	for (const struct route *route = routes; route->path; route++) {
		if (!path_matches(route->path, path, call->args))
			continue;
		if (method_matches(route->method, method))
			return route;
		*allowed = route->method;
	}
	return NULL;
}

static bool may_change(struct api_call *call)
{
	int fd = http_request_fd(call->http);
	struct access_peer peer;

	if (!access_peer(fd, &peer)) {
		api_route_refuse(call->http, 403, "forbidden", "only on the admin socket");
		return false;
	}
	snprintf(call->who, sizeof(call->who), "by uid %u", (unsigned)peer.uid);
	if (access_may_change(fd, &peer, call->api->params.admin_gid))
		return true;
	lb_warning("api refused method=%s path=%.64s uid=%u gid=%u pid=%d", http_request_method(call->http),
		   http_request_path(call->http), (unsigned)peer.uid, (unsigned)peer.gid, (int)peer.pid);
	api_route_refuse(call->http, 403, "forbidden", "uid %u is neither root nor in the admin group",
			 (unsigned)peer.uid);
	return false;
}

static void dispatch(const struct route *routes, struct api *a, struct http_request *r)
{
	struct api_call call = {.api = a, .http = r};
	const char *allowed = NULL;
	const struct route *route = find_route(routes, http_request_method(r), http_request_path(r), &call, &allowed);

	if (!route && allowed) {
		http_request_allow(r, allowed);
		api_route_refuse(r, 405, "method-not-allowed", "%s takes %s", http_request_path(r), allowed);
	} else if (!route) {
		api_route_refuse(r, 404, "not-found", "there is no %.200s", http_request_path(r));
	} else if (route->changes && succession_under_way(a->params.succession)) {
		api_route_refuse(r, 409, "busy", "an upgrade is under way; try again");
	} else if (!route->changes || may_change(&call)) {
		route->handler(&call);
	}
}

static void on_admin_request(void *ctx, struct http_request *r)
{
	dispatch(admin_routes, ctx, r);
}

static void on_metrics_request(void *ctx, struct http_request *r)
{
	dispatch(metrics_routes, ctx, r);
}

/* ---- life ---- */

static void on_event(void *ctx)
{
	struct api *a = ctx;

	http_server_wake(a->http);
}

struct api *api_new(const struct api_params *params, struct lb_err *err)
{
	struct api *a = must(calloc(1, sizeof(*a)));

	a->params = *params;
	a->http = http_server_new(params->loop, params->listen_fd, on_admin_request, a, err);
	if (!a->http)
		goto close_metrics;
	if (params->metrics_fd >= 0 &&
	    !(a->metrics = http_server_new(params->loop, params->metrics_fd, on_metrics_request, a, err)))
		goto free_http;
	recorder_watch(params->recorder, on_event, a);
	return a;

close_metrics:
	if (params->metrics_fd >= 0)
		close(params->metrics_fd);
free_http:
	http_server_free(a->http);
	free(a);
	return NULL;
}

void api_quiesce(struct api *a)
{
	if (a->metrics)
		http_server_quiesce(a->metrics);
	http_server_quiesce(a->http);
}

void api_free(struct api *a)
{
	if (!a)
		return;
	recorder_watch(a->params.recorder, NULL, NULL);
	http_server_free(a->metrics);
	http_server_free(a->http);
	free(a);
}
