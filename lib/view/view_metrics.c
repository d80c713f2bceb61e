#include <lb/view.h>

#include <inttypes.h>
#include <stdarg.h>

#include "lib/view/view_names.h"

/* Prometheus text format 0.0.4: a family opens with HELP and TYPE, its samples follow without a break. */
static void family(struct lb_text *t, const char *name, const char *type, const char *help)
{
	lb_text_addf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label value with the three characters escaped that the format reserves. */
static void label(struct lb_text *t, const char *name, const char *value, bool first)
{
	lb_text_addf(t, "%s%s=\"", first ? "{" : ",", name);
	for (const char *c = value; *c; c++) {
		if (*c == '\\' || *c == '"')
			lb_text_addn(t, "\\", 1);
		if (*c == '\n')
			lb_text_add(t, "\\n");
		else
			lb_text_addn(t, c, 1);
	}
	lb_text_add(t, "\"");
}

static void integer(struct lb_text *t, uint64_t value)
{
	lb_text_addf(t, " %" PRIu64 "\n", value);
}

static void seconds(struct lb_text *t, lb_duration d)
{
	lb_text_addf(t, " %.9g\n", lb_duration_seconds(d));
}

/* A family of one sample without labels. */
static void single(struct lb_text *t, const char *name, const char *type, const char *help, uint64_t value)
{
	family(t, name, type, help);
	lb_text_add(t, name);
	integer(t, value);
}

static void single_seconds(struct lb_text *t, const char *name, const char *help, lb_duration d)
{
	family(t, name, "gauge", help);
	lb_text_add(t, name);
	seconds(t, d);
}

static void labelled(struct lb_text *t, const char *name, const char *key, const char *value, uint64_t n)
{
	lb_text_add(t, name);
	label(t, key, value, true);
	lb_text_add(t, "}");
	integer(t, n);
}

static void labelled_seconds(struct lb_text *t, const char *name, const char *key, const char *value, lb_duration d)
{
	lb_text_add(t, name);
	label(t, key, value, true);
	lb_text_add(t, "}");
	seconds(t, d);
}

static void add_build(struct lb_text *t, const struct lb_snapshot *s)
{
	char hash[VIEW_HASH_TEXT];

	family(t, "lbd_build_info", "gauge", "Version and configuration that run; always 1.");
	lb_text_add(t, "lbd_build_info");
	label(t, "version", s->version, true);
	label(t, "cluster", s->cluster, false);
	label(t, "node", s->node, false);
	label(t, "config", view_hash_text(s->config_hash, hash), false);
	lb_text_add(t, "} 1\n");
	single_seconds(t, "lbd_uptime_seconds", "Time since the proxy started.", s->uptime);
}

static void add_vips(struct lb_text *t, const struct lb_snapshot_keeper *k)
{
	char text[LB_ADDR_TEXT];

	family(t, "lbd_vip_owner", "gauge", "1 while this node owns the VIP.");
	for (uint32_t i = 0; i < k->vip_count; i++)
		labelled(t, "lbd_vip_owner", "vip", lb_addr_text(&k->vips[i].address, text), k->role == VRRP_ACTIVE);
	family(t, "lbd_vip_present", "gauge", "1 while the address is on the interface.");
	for (uint32_t i = 0; i < k->vip_count; i++)
		labelled(t, "lbd_vip_present", "vip", lb_addr_text(&k->vips[i].address, text), k->vips[i].present);
	single(t, "lbd_vip_foreign_owner", "gauge", "1 while a host that is not of this cluster answers for a VIP.",
	       k->foreign_owner);
}

static void add_election(struct lb_text *t, const struct lb_snapshot_keeper *k)
{
	single(t, "lbd_election_state", "gauge", "0 init, 1 backup, 2 active, 3 fault.", (uint64_t)k->role);
	family(t, "lbd_election_transitions_total", "counter", "Changes of the election state by reason.");
	for (int r = VRRP_REASON_NONE + 1; r < VRRP_REASON_COUNT_; r++)
		labelled(t, "lbd_election_transitions_total", "reason", vrrp_reason_name((enum vrrp_reason)r),
			 k->transitions[r]);
	single(t, "lbd_can_serve", "gauge", "1 while this node may own the VIP.", k->can_serve);
	single(t, "lbd_standby", "gauge", "1 while this node is in standby.", k->standby);
	single(t, "lbd_adverts_sent_total", "counter", "VRRP adverts sent.", k->adverts_sent);
	single(t, "lbd_adverts_received_total", "counter", "VRRP datagrams read, dropped ones among them.",
	       k->adverts_received);
	family(t, "lbd_adverts_dropped_total", "counter", "VRRP adverts not accepted, by reason.");
	for (int d = VRRP_OK + 1; d < VRRP_DROP_COUNT_; d++)
		labelled(t, "lbd_adverts_dropped_total", "reason", vrrp_drop_name((enum vrrp_drop)d),
			 k->adverts_dropped[d]);
	family(t, "lbd_socket_overflows_total", "counter", "Datagrams the kernel dropped because a socket was full.");
	labelled(t, "lbd_socket_overflows_total", "socket", "adverts", k->adverts_overflowed);
	labelled(t, "lbd_socket_overflows_total", "socket", "peer-link", k->peer_overflowed);
	single(t, "lbd_announces_sent_total", "counter", "Gratuitous ARP and unsolicited NA frames sent.",
	       k->announces_sent);
	single_seconds(t, "lbd_takeover_gap_seconds", "Last takeover: last advert heard to first announcement.",
		       k->last_gap);
	family(t, "lbd_advert_jitter_seconds_max", "gauge",
	       "Longest delay of an advert: sent after it was due, received later than its interval.");
	labelled_seconds(t, "lbd_advert_jitter_seconds_max", "direction", "sent", k->sent_jitter_max);
	labelled_seconds(t, "lbd_advert_jitter_seconds_max", "direction", "received", k->heard_jitter_max);
}

static void add_peers(struct lb_text *t, const struct lb_snapshot *s)
{
	const struct lb_snapshot_keeper *k = &s->keeper;
	bool mismatch = false;

	family(t, "lbd_peer_heard_age_seconds", "gauge",
	       "Time since the last datagram of a node; absent if never heard.");
	for (uint32_t i = 0; i < k->node_count; i++) {
		const struct lb_snapshot_node *n = &k->nodes[i];

		mismatch = mismatch || (!n->self && n->heard && n->config_hash != s->config_hash);
		if (n->self || n->heard_age < 0)
			continue;
		lb_text_add(t, "lbd_peer_heard_age_seconds");
		label(t, "node", n->name, true);
		lb_text_add(t, "}");
		seconds(t, n->heard_age);
	}
	family(t, "lbd_peer_hears_us", "gauge", "1 while the node confirms that it hears this one.");
	for (uint32_t i = 0; i < k->node_count; i++)
		if (!k->nodes[i].self)
			labelled(t, "lbd_peer_hears_us", "node", k->nodes[i].name, k->nodes[i].hears_us);
	single(t, "lbd_peer_received_total", "counter", "Peer link datagrams read, dropped ones among them.",
	       k->peer_received);
	family(t, "lbd_peer_dropped_total", "counter", "Peer link datagrams not accepted, by reason.");
	for (int d = PEER_OK + 1; d < PEER_DROP_COUNT_; d++)
		labelled(t, "lbd_peer_dropped_total", "reason", peer_drop_name((enum peer_drop)d), k->peer_dropped[d]);
	single(t, "lbd_config_mismatch", "gauge", "1 while a node that is heard runs another configuration.", mismatch);
}

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
SERVICE_VALUE(failed)

static const struct service_family service_families[] = {
    {"lbd_service_current_sessions", "gauge",   "Sessions now.",				       service_sessions      },
    {"lbd_service_sessions_total",   "counter", "Sessions accepted.",				    service_sessions_total},
    {"lbd_service_bytes_in_total",   "counter", "Bytes from clients.",				     service_bytes_in	     },
    {"lbd_service_bytes_out_total",  "counter", "Bytes to clients.",				    service_bytes_out     },
    {"lbd_service_refused_total",	  "counter", "Connections refused by a list or a limit.",		  service_refused	 },
    {"lbd_service_failed_total",	 "counter", "Connections for which no server could be connected.", service_failed	 },
};

static void add_services(struct lb_text *t, const struct lb_snapshot *s)
{
	for (size_t f = 0; f < sizeof(service_families) / sizeof(service_families[0]); f++) {
		const struct service_family *sf = &service_families[f];

		family(t, sf->name, sf->type, sf->help);
		for (size_t i = 0; i < s->service_count; i++)
			labelled(t, sf->name, "service", s->services[i].name, sf->value(&s->services[i]));
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
    {"lbd_server_up",		      "gauge",   "1 while the server is up.",				    server_up,	       NULL		   },
    {"lbd_server_state",			 "gauge",	  "0 unknown, 1 up, 2 not-ready, 3 down.",			   server_state,		 NULL		     },
    {"lbd_server_admin_state",	       "gauge",	"0 ready, 1 drain, 2 maint.",				      server_admin,	    NULL			},
    {"lbd_server_weight",		  "gauge",   "Effective weight.",						server_effective_weight, NULL		     },
    {"lbd_server_current_sessions",	    "gauge",   "Sessions now.",						      server_sessions,	       NULL		   },
    {"lbd_server_sessions_total",	  "counter", "Sessions given to the server.",				      server_sessions_total,   NULL		 },
    {"lbd_server_bytes_in_total",	  "counter", "Bytes from clients.",					    server_bytes_in,	     NULL		 },
    {"lbd_server_bytes_out_total",	   "counter", "Bytes to clients.",						   server_bytes_out,	     NULL		 },
    {"lbd_server_connection_errors_total", "counter", "Connection attempts that failed.",				  server_connect_errors,	 NULL		     },
    {"lbd_server_hedged_total",		"counter", "Attempts beside a silent server that were given to this one.",
     server_hedged,															    NULL			},
    {"lbd_server_check_failures",	  "gauge",   "Checks failed in a row.",				      server_check_failures,   NULL		 },
    {"lbd_server_check_duration_seconds",  "gauge",   "Duration of the last check.",				  NULL,			server_check_duration},
    {"lbd_server_connect_time_seconds",	"gauge",	 "Smoothed time to connect.",				      NULL,		    server_connect_time  },
};

static void add_servers(struct lb_text *t, const struct lb_snapshot *s, const struct server_family *sf)
{
	family(t, sf->name, sf->type, sf->help);
	for (size_t i = 0; i < s->service_count; i++)
		for (size_t j = 0; j < s->services[i].server_count; j++) {
			const struct lb_snapshot_server *server = &s->services[i].servers[j];

			lb_text_add(t, sf->name);
			label(t, "service", s->services[i].name, true);
			label(t, "server", server->name, false);
			lb_text_add(t, "}");
			if (sf->value)
				integer(t, sf->value(server));
			else
				seconds(t, sf->duration(server));
		}
}

static void add_process(struct lb_text *t, const struct lb_snapshot *s)
{
	family(t, "lbd_loop_stall_seconds_max", "gauge", "Longest time a thread's loop stood still.");
	lb_text_add(t, "lbd_loop_stall_seconds_max{thread=\"keeper\"}");
	seconds(t, s->keeper.loop_stall_max);
	for (size_t i = 0; i < s->thread_count; i++) {
		lb_text_add(t, "lbd_loop_stall_seconds_max");
		label(t, "thread", s->threads[i].name, true);
		lb_text_add(t, "}");
		seconds(t, s->threads[i].stall_max);
	}
	family(t, "lbd_hedged_connects_total", "counter", "Second connection attempts beside a silent first one.");
	labelled(t, "lbd_hedged_connects_total", "outcome", "won", s->hedged_won);
	labelled(t, "lbd_hedged_connects_total", "outcome", "lost", s->hedged_lost);
	labelled(t, "lbd_hedged_connects_total", "outcome", "denied", s->hedged_denied);
	single(t, "lbd_proxy_restarts_total", "counter", "Times the keeper started another proxy.",
	       s->keeper.proxy_restarts);
	single(t, "lbd_log_dropped_total", "counter", "Log lines that could not be written at once.", s->log_dropped);
	family(t, "lbd_reloads_total", "counter", "Reloads by outcome.");
	labelled(t, "lbd_reloads_total", "outcome", "ok", s->reloads_ok);
	labelled(t, "lbd_reloads_total", "outcome", "refused", s->reloads_refused);
}

bool view_metrics(const struct lb_snapshot *s, struct lb_text *out)
{
	add_build(out, s);
	add_vips(out, &s->keeper);
	add_election(out, &s->keeper);
	add_peers(out, s);
	add_services(out, s);
	for (size_t f = 0; f < sizeof(server_families) / sizeof(server_families[0]); f++)
		add_servers(out, s, &server_families[f]);
	add_process(out, s);
	return !out->failed;
}
