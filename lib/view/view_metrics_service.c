/* Services and their servers. */
#include <stddef.h>

#include "lib/view/metric_text.h"
#include "lib/view/view_metrics.h"

/* One family over all services: name, type, help and which number. */
struct service_family {
	const char *name, *type, *help;
	uint64_t (*value)(const struct lb_snapshot_service *s);
};

#define SERVICE_VALUE(field)                                                 \
	static uint64_t service_##field(const struct lb_snapshot_service *s) \
	{                                                                    \
		return s->field;                                             \
	}
SERVICE_VALUE(sessions)
SERVICE_VALUE(sessions_total)
SERVICE_VALUE(bytes_in)
SERVICE_VALUE(bytes_out)
SERVICE_VALUE(refused)
SERVICE_VALUE(queue_dropped)
SERVICE_VALUE(failed)

static uint64_t service_ready(const struct lb_snapshot_service *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->server_count; i++)
		n += s->servers[i].state == HEALTH_UP && s->servers[i].admin == LB_ADMIN_READY;
	return n;
}

static uint64_t service_servers(const struct lb_snapshot_service *s)
{
	return s->server_count;
}

static const struct service_family service_families[] = {
    {"lbd_service_servers",		    "gauge",   "Servers of the service.",					service_servers       },
    {"lbd_service_ready_servers",	  "gauge",   "Servers that are up and not drained or in maint.",	       service_ready	    },
    {"lbd_service_current_sessions",    "gauge",   "Sessions now.",					       service_sessions      },
    {"lbd_service_sessions_total",	   "counter", "Sessions accepted.",					    service_sessions_total},
    {"lbd_service_bytes_in_total",	   "counter", "Bytes from clients.",					     service_bytes_in	     },
    {"lbd_service_bytes_out_total",	    "counter", "Bytes to clients.",					    service_bytes_out     },
    {"lbd_service_refused_total",	  "counter", "Connections refused by a list or a limit.",			  service_refused	 },
    {"lbd_service_queue_dropped_total", "counter", "Connections that the kernel dropped at a full accept queue.",
     service_queue_dropped													      },
    {"lbd_service_failed_total",	 "counter", "Connections for which no server could be connected.",	   service_failed	 },
};

void view_metrics_services(struct lb_text *t, const struct lb_snapshot *s)
{
	for (size_t f = 0; f < sizeof(service_families) / sizeof(service_families[0]); f++) {
		const struct service_family *sf = &service_families[f];

		metric_family(t, sf->name, sf->type, sf->help);
		for (size_t i = 0; i < s->service_count; i++)
			metric_labelled(t, sf->name, "service", s->services[i].name, sf->value(&s->services[i]));
	}
}

struct server_family {
	const char *name, *type, *help;
	uint64_t (*value)(const struct lb_snapshot_server *s);
	lb_duration (*duration)(const struct lb_snapshot_server *s); /* instead of value */
};

#define SERVER_VALUE(field)                                                \
	static uint64_t server_##field(const struct lb_snapshot_server *s) \
	{                                                                  \
		return s->field;                                           \
	}
SERVER_VALUE(sessions)
SERVER_VALUE(sessions_total)
SERVER_VALUE(bytes_in)
SERVER_VALUE(bytes_out)
SERVER_VALUE(connect_errors)
SERVER_VALUE(hedged)
SERVER_VALUE(effective_weight)
SERVER_VALUE(check_failures)
SERVER_VALUE(alive_warning)
SERVER_VALUE(max_connections)

static uint64_t server_up(const struct lb_snapshot_server *s)
{
	return s->state == HEALTH_UP;
}

static uint64_t server_state(const struct lb_snapshot_server *s)
{
	return (uint64_t)s->state;
}

static uint64_t server_admin(const struct lb_snapshot_server *s)
{
	return (uint64_t)s->admin;
}

static lb_duration server_check_duration(const struct lb_snapshot_server *s)
{
	return s->check_duration;
}

static lb_duration server_connect_time(const struct lb_snapshot_server *s)
{
	return s->connect_time;
}

static const struct server_family server_families[] = {
    {"lbd_server_up",		      "gauge",   "1 while the server is up.",						    server_up,	       NULL		   },
    {"lbd_server_state",			 "gauge",	  "0 unknown, 1 up, 2 not-ready, 3 down.",					   server_state,		 NULL		     },
    {"lbd_server_admin_state",	       "gauge",	"0 ready, 1 drain, 2 maint.",						      server_admin,	    NULL			},
    {"lbd_server_weight",		  "gauge",   "Effective weight.",							  server_effective_weight, NULL		     },
    {"lbd_server_current_sessions",	    "gauge",   "Sessions now.",							      server_sessions,	       NULL		   },
    {"lbd_server_sessions_total",	  "counter", "Sessions given to the server.",					      server_sessions_total,   NULL		 },
    {"lbd_server_bytes_in_total",	  "counter", "Bytes from clients.",							    server_bytes_in,	     NULL		 },
    {"lbd_server_bytes_out_total",	   "counter", "Bytes to clients.",							   server_bytes_out,	     NULL		 },
    {"lbd_server_connection_errors_total", "counter", "Connection attempts that failed.",						  server_connect_errors,	 NULL		     },
    {"lbd_server_hedged_total",		"counter", "Attempts beside a silent server that were given to this one.",
     server_hedged,																	  NULL			},
    {"lbd_server_limit_sessions",	  "gauge",   "The most sessions it may have; 0 is no limit.",				    server_max_connections,
     NULL																					 },
    {"lbd_server_check_warning",		 "gauge",	  "1 while it answers checks without saying that it is ready (401, 403, 429).",
     server_alive_warning,																   NULL		       },
    {"lbd_server_check_failures",	  "gauge",   "Checks failed in a row.",						      server_check_failures,   NULL		 },
    {"lbd_server_check_duration_seconds",  "gauge",   "Duration of the last check.",						  NULL,			server_check_duration},
    {"lbd_server_connect_time_seconds",	"gauge",	 "Smoothed time to connect.",						      NULL,		    server_connect_time  },
};

static void add_server_labels(struct lb_text *t, const char *name, const struct lb_snapshot_service *service,
			      const struct lb_snapshot_server *server)
{
	lb_text_add(t, name);
	metric_label(t, "service", service->name, true);
	metric_label(t, "server", server->name, false);
	lb_text_add(t, "}");
}

static void add_server_family(struct lb_text *t, const struct lb_snapshot *s, const struct server_family *sf)
{
	metric_family(t, sf->name, sf->type, sf->help);
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t j = 0; j < s->services[i].server_count; j++) {
			const struct lb_snapshot_server *server = &s->services[i].servers[j];

			add_server_labels(t, sf->name, &s->services[i], server);
			if (sf->value)
				metric_integer(t, sf->value(server));
			else
				metric_seconds(t, sf->duration(server));
		}
}

/* Only for servers whose certificate, or the one that their check shows, is known. */
static void add_certificates(struct lb_text *t, const struct lb_snapshot *s, const char *name, const char *help,
			     size_t offset)
{
	metric_family(t, name, "gauge", help);
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t j = 0; j < s->services[i].server_count; j++) {
			const struct lb_snapshot_server *server = &s->services[i].servers[j];
			const lb_wall *ends = (const void *)((const char *)server + offset);

			if (*ends <= 0)
				continue;
			add_server_labels(t, name, &s->services[i], server);
			metric_integer(t, (uint64_t)(*ends / LB_SEC(1)));
		}
}

void view_metrics_servers(struct lb_text *t, const struct lb_snapshot *s)
{
	for (size_t f = 0; f < sizeof(server_families) / sizeof(server_families[0]); f++)
		add_server_family(t, s, &server_families[f]);
	add_certificates(t, s, "lbd_server_certificate_expiry_timestamp_seconds",
			 "When the certificate that the server shows to checks ends; seconds since 1970.",
			 offsetof(struct lb_snapshot_server, certificate_ends));
	add_certificates(t, s, "lbd_server_client_certificate_expiry_timestamp_seconds",
			 "When the certificate that checks show to the server ends; seconds since 1970.",
			 offsetof(struct lb_snapshot_server, client_certificate_ends));
}
