#include "daemon/lbctl/status.h"

#include <stdio.h>
#include <string.h>

#include "daemon/lbctl/format.h"
#include "daemon/lbctl/table.h"

static bool is(const json_t *object, const char *key, const char *value)
{
	return strcmp(format_string(object, key), value) == 0;
}

/* A peer whose link is alive. */
static bool is_heard(const json_t *node)
{
	return format_bool(node, "heard", json_is_number(json_object_get(node, "heard_ms")));
}

/* The last that it said was that it leaves the election. */
bool status_was_stopped(const json_t *node)
{
	return !is_heard(node) && *format_string(node, "version") && is(node, "role", "init");
}

static size_t healthy_servers(const json_t *service)
{
	const json_t *server;
	size_t i, healthy = 0;

	json_array_foreach(json_object_get(service, "servers"), i, server) healthy +=
	    is(server, "state", "up") && is(server, "admin", "ready");
	return healthy;
}

static enum status_verdict worse(enum status_verdict a, enum status_verdict b)
{
	return a > b ? a : b;
}

/* Who owns the VIP, and do the nodes hear each other? */
static enum status_verdict judge_nodes(const json_t *status, struct lb_text *problems)
{
	enum status_verdict verdict = STATUS_ACTIVE;
	size_t i, owners = 0, peers = 0, heard = 0;
	const json_t *node;

	json_array_foreach(json_object_get(status, "nodes"), i, node)
	{
		const char *name = format_string(node, "name");
		bool self = format_bool(node, "self", false);

		owners += is(node, "role", "active") && (self || is_heard(node));
		if (self)
			continue;
		peers++;
		if (!is_heard(node)) {
			lb_text_addf(problems, status_was_stopped(node) ? "%s was stopped\n" : "%s is not heard\n",
				     name);
			verdict = worse(verdict, STATUS_DEGRADED);
			continue;
		}
		heard++;
		if (!format_bool(node, "hears_us", true)) {
			lb_text_addf(problems, "%s does not hear this node\n", name);
			verdict = STATUS_SPLIT;
		}
		if (format_bool(node, "standby", false)) {
			lb_text_addf(problems, "%s is on standby\n", name);
			verdict = worse(verdict, STATUS_DEGRADED);
		} else if (!format_bool(node, "can_serve", true)) {
			lb_text_addf(problems, "%s cannot serve\n", name);
			verdict = worse(verdict, STATUS_DEGRADED);
		}
		if (*format_string(node, "config") && !is(node, "config", format_string(status, "config"))) {
			lb_text_addf(problems, "%s runs another configuration: %s here, %s there\n", name,
				     format_string(status, "config"), format_string(node, "config"));
			verdict = worse(verdict, STATUS_DEGRADED);
		}
	}
	/* Silence is no proof that nobody owns it, so only what every node says counts. */
	if (owners == 0 && heard == peers) {
		lb_text_add(problems, "nobody owns the VIP\n");
		verdict = worse(verdict, STATUS_DEGRADED);
	}
	if (owners > 1)
		lb_text_addf(problems, "%zu nodes own the VIP at once\n", owners);
	return owners > 1 || (peers > 0 && heard == 0) ? STATUS_SPLIT : verdict;
}

static enum status_verdict judge_services(const json_t *status, struct lb_text *problems)
{
	enum status_verdict verdict = STATUS_ACTIVE;
	const json_t *service;
	size_t i;

	json_array_foreach(json_object_get(status, "services"), i, service) if (healthy_servers(service) == 0)
	{
		lb_text_addf(problems, "service %s has no healthy server\n", format_string(service, "name"));
		verdict = STATUS_DEGRADED;
	}
	return verdict;
}

enum status_verdict status_judge(const json_t *status, struct lb_text *problems)
{
	enum status_verdict verdict = judge_nodes(status, problems);

	verdict = worse(verdict, judge_services(status, problems));
	if (format_bool(status, "foreign_owner", false)) {
		const char *mac = format_string(status, "foreign_mac");

		lb_text_addf(problems, "somebody else answers for the VIP%s%s\n", *mac ? ": " : "", mac);
		verdict = STATUS_SPLIT;
	}
	if (format_bool(status, "standby", false)) {
		lb_text_add(problems, "this node is in standby; end it with: lbctl standby off\n");
		verdict = worse(verdict, STATUS_DEGRADED);
	} else if (!is(status, "role", "active") && !is(status, "role", "backup")) {
		lb_text_addf(problems, "this node is in %s (%s)\n", format_string(status, "role"),
			     format_string(status, "reason"));
		verdict = worse(verdict, STATUS_DEGRADED);
	}
	if (verdict != STATUS_ACTIVE)
		return verdict;
	return is(status, "role", "active") ? STATUS_ACTIVE : STATUS_BACKUP;
}

static enum table_tint role_tint(const char *role)
{
	if (strcmp(role, "active") == 0)
		return TABLE_GOOD;
	return strcmp(role, "backup") == 0 ? TABLE_PLAIN : TABLE_WARN;
}

static enum table_tint state_tint(const char *state)
{
	if (strcmp(state, "up") == 0)
		return TABLE_GOOD;
	return strcmp(state, "down") == 0 ? TABLE_BAD : TABLE_WARN;
}

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static const char *age_of(const json_t *object, double now, char buf[static FORMAT_TEXT])
{
	double since = format_instant(format_string(object, "since"));

	return since < 0 ? "-" : format_age(now > since ? now - since : 0, buf);
}

static void add_headline(const json_t *status, double now, bool colour, struct lb_text *out)
{
	const char *role = format_string(status, "role"), *owner = format_string(status, "owner");
	char age[FORMAT_TEXT];

	lb_text_addf(out, "%s on ", format_string(status, "cluster"));
	table_tinted(TABLE_BOLD, colour, format_string(status, "node"), out);
	lb_text_add(out, ": ");
	table_tinted(role_tint(role), colour, role, out);
	lb_text_addf(out, " for %s (%s), owner %s, configuration %s\n", age_of(status, now, age),
		     format_string(status, "reason"), *owner ? owner : "unknown", format_string(status, "config"));
}

static void add_vips(const json_t *status, bool colour, struct lb_text *out)
{
	static const struct table_column columns[] = {
	    {"VIP",	    false},
	    {"INTERFACE", false},
		  {"HERE",	   false},
		   {"LEASE",     false}
	   };
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *vip;
	size_t i;

	json_array_foreach(json_object_get(status, "vips"), i, vip)
	{
		bool here = format_bool(vip, "present", false), fenced = format_bool(vip, "fenced", false);
		bool ours = is(status, "role", "active");

		table_text_cell(t, TABLE_PLAIN, format_string(vip, "address"));
		table_text_cell(t, TABLE_PLAIN, format_string(vip, "interface"));
		table_text_cell(t, here == ours ? TABLE_PLAIN : TABLE_BAD, yes_no(here));
		table_text_cell(t, here && fenced ? TABLE_BAD : TABLE_PLAIN, !here ? "-" : fenced ? "ended" : "alive");
	}
	table_text(t, colour, out);
	table_free(t);
}

static void add_nodes(const json_t *status, bool colour, struct lb_text *out)
{
	static const struct table_column columns[] = {
	    {"NODE",     false},
	     {"ADDRESS",	 false},
		  {"ROLE",	   false},
	     {"SERVES",	false},
	    {"HEARD",    true },
	     {"HEARS US", false},
		  {"CONFIG",   false},
	     {"VERSION",	 false},
	};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *node;
	size_t i;

	json_array_foreach(json_object_get(status, "nodes"), i, node)
	{
		bool self = format_bool(node, "self", false), heard = self || is_heard(node);
		bool serves = format_bool(node, "can_serve", false), hears = format_bool(node, "hears_us", false);
		const json_t *judged = self ? status : node;
		char ms[FORMAT_TEXT];

		table_text_cell(t, self ? TABLE_BOLD : TABLE_PLAIN, format_string(node, "name"));
		table_text_cell(t, TABLE_PLAIN, format_string(node, "address"));
		table_text_cell(t, heard ? role_tint(format_string(node, "role")) : TABLE_BAD,
				heard			   ? format_string(node, "role")
				: status_was_stopped(node) ? "stopped"
							   : "unheard");
		table_text_cell(t, serves || !heard ? TABLE_PLAIN : TABLE_BAD, heard ? yes_no(serves) : "-");
		table_text_cell(t, heard ? TABLE_PLAIN : TABLE_BAD,
				self ? "-" : format_whole_ms(format_number(node, "heard_ms", -1), ms));
		table_text_cell(t, self || hears || !heard ? TABLE_PLAIN : TABLE_BAD,
				self || !heard ? "-" : yes_no(hears));
		table_text_cell(t, is(judged, "config", format_string(status, "config")) ? TABLE_PLAIN : TABLE_WARN,
				format_string(judged, "config"));
		/* The status itself is told by the proxy, a node by its keeper: they differ where one was upgraded
		 * alone. */
		table_text_cell(t, is(node, "version", format_string(status, "version")) ? TABLE_PLAIN : TABLE_WARN,
				format_string(node, "version"));
	}
	table_text(t, colour, out);
	table_free(t);
}

/* A total since the counters were cleared, or since the start. */
static double total_of(const json_t *object, const char *key)
{
	return format_number(object, key, 0) - format_number(json_object_get(object, "cleared"), key, 0);
}

/* Sessions and bytes stand in the same columns for a service and for its servers. */
static void add_traffic(struct table *t, const json_t *object)
{
	char in[FORMAT_TEXT], sent[FORMAT_TEXT];

	table_number_cell(t, TABLE_PLAIN, (uint64_t)format_number(object, "sessions", 0));
	table_number_cell(t, TABLE_PLAIN, (uint64_t)total_of(object, "sessions_total"));
	table_text_cell(t, TABLE_PLAIN, format_bytes(total_of(object, "bytes_in"), in));
	table_text_cell(t, TABLE_PLAIN, format_bytes(total_of(object, "bytes_out"), sent));
}

static void add_service(struct table *t, const json_t *service)
{
	size_t healthy = healthy_servers(service), all = json_array_size(json_object_get(service, "servers")), i;
	struct lb_text listen = {0};
	const json_t *address;

	json_array_foreach(json_object_get(service, "listen"), i, address)
	    lb_text_addf(&listen, "%s%s", i ? "," : "", json_string_value(address));
	table_text_cell(t, TABLE_BOLD, format_string(service, "name"));
	table_text_cell(t, TABLE_PLAIN, lb_text_str(&listen));
	table_cell(t,
		   healthy == 0	   ? TABLE_BAD
		   : healthy < all ? TABLE_WARN
				   : TABLE_GOOD,
		   "%zu/%zu %s", healthy, all, format_string(service, "balance"));
	table_text_cell(t, TABLE_PLAIN, "");
	add_traffic(t, service);
	table_text_cell(t, TABLE_PLAIN, "");
	table_text_cell(t, TABLE_PLAIN, "");
	table_text_cell(t, TABLE_PLAIN, "");
	lb_text_free(&listen);
}

static void add_server(struct table *t, const json_t *server, double now)
{
	const json_t *check = json_object_get(server, "check");
	double weight = format_number(server, "weight", 0),
	       effective = format_number(server, "effective_weight", weight);
	double connect = format_number(server, "connect_ms", 0);
	const char *state = format_string(server, "state"), *admin = format_string(server, "admin");
	bool ready = strcmp(admin, "ready") == 0;
	char ms[FORMAT_TEXT], age[FORMAT_TEXT], result[FORMAT_CUT];

	table_cell(t, TABLE_PLAIN, "  %s%s", format_string(server, "name"),
		   format_bool(server, "backup", false) ? " (backup)" : "");
	table_text_cell(t, TABLE_PLAIN, format_string(server, "address"));
	table_cell(t, ready ? state_tint(state) : TABLE_WARN, "%s%s%s", state, ready ? "" : ",", ready ? "" : admin);
	if (effective < weight || effective > weight)
		table_cell(t, TABLE_WARN, "%.0f of %.0f", effective, weight);
	else
		table_number_cell(t, TABLE_PLAIN, (uint64_t)weight);
	add_traffic(t, server);
	table_text_cell(t, TABLE_PLAIN, connect > 0 ? format_ms(connect, ms) : "-");
	table_text_cell(t, TABLE_DIM,
			strcmp(admin, "maint") == 0 ? "-" : format_cut(format_string(check, "result"), 40, result));
	table_text_cell(t, TABLE_DIM, age_of(server, now, age));
}

static void add_services(const json_t *status, double now, bool colour, struct lb_text *out)
{
	static const struct table_column columns[] = {
	    {"SERVICE",	false},
		{"ADDRESS",  false},
	    {"STATE",    false},
	      {"WEIGHT",	 true },
	    {"SESSIONS", true },
		{"TOTAL",	  true },
	    {"IN",	   true },
	      {"OUT",      true },
	    {"CONNECT",	true },
		{"CHECK",	  false},
	    {"FOR",	    true },
	};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *service, *server;
	size_t i, j;

	json_array_foreach(json_object_get(status, "services"), i, service)
	{
		add_service(t, service);
		json_array_foreach(json_object_get(service, "servers"), j, server) add_server(t, server, now);
	}
	table_text(t, colour, out);
	table_free(t);
}

/* The file on the disk is not what runs; that is no fault of the service. */
static void add_refusal(const json_t *refused, bool colour, struct lb_text *out)
{
	char at[FORMAT_TEXT], sentence[256];

	if (!json_is_object(refused))
		return;
	snprintf(sentence, sizeof(sentence), "the reload of %s was refused, the former file runs on: %s\n",
		 format_local(format_string(refused, "at"), at), format_string(refused, "reason"));
	table_tinted(TABLE_WARN, colour, sentence, out);
}

/* What happens to clients if the owner dies. */
static void add_wake(const json_t *status, bool colour, struct lb_text *out)
{
	const json_t *wake = json_object_get(status, "wake");
	double nodes = format_number(wake, "nodes", 0), held = format_number(wake, "held", 0);
	char line[160];

	if (!json_is_object(wake))
		return;
	if (!format_bool(wake, "possible", false))
		snprintf(line, sizeof(line), "\nwithout key_file no node can wake the clients of an owner that dies\n");
	else if (is(status, "role", "active"))
		snprintf(line, sizeof(line), "\n%.0f %s %.0f connections to wake if this node dies\n", nodes,
			 nodes > 1 || nodes < 1 ? "nodes know" : "node knows", format_number(wake, "told", 0));
	else
		snprintf(line, sizeof(line), "\n%.0f connections are known here to wake if the owner dies\n", held);
	table_tinted(format_bool(wake, "possible", false) ? TABLE_DIM : TABLE_WARN, colour, line, out);
}

/* What became of sessions when the VIP moved; nothing where it never did. */
static void add_moves(const json_t *status, bool colour, struct lb_text *out)
{
	json_t *moves = json_object_get(status, "moves"), *number;
	double away = format_number(moves, "away", 0), here = format_number(moves, "here", 0), lost = 0;
	struct lb_text why = {0};
	char line[320];
	const char *reason;

	json_object_foreach(json_object_get(moves, "not_moved"), reason, number)
	{
		if (json_number_value(number) < 1)
			continue;
		lost += json_number_value(number);
		lb_text_addf(&why, "%s%s %.0f", why.len > 0 ? ", " : " (", reason, json_number_value(number));
	}
	if (away + here + lost > 0) {
		snprintf(line, sizeof(line),
			 "%.0f sessions moved away with the VIP, %.0f came with it, %.0f were reset%s%s\n", away, here,
			 lost, lb_text_str(&why), why.len > 0 ? ")" : "");
		table_tinted(TABLE_DIM, colour, line, out);
	}
	lb_text_free(&why);
}

enum status_verdict status_text(const json_t *status, double now, bool colour, struct lb_text *out)
{
	struct lb_text problems = {0};
	enum status_verdict verdict = status_judge(status, &problems);
	char at[FORMAT_TEXT];

	add_headline(status, now, colour, out);
	if (problems.len > 0)
		table_tinted(verdict == STATUS_SPLIT ? TABLE_BAD : TABLE_WARN, colour, lb_text_str(&problems), out);
	add_refusal(json_object_get(status, "reload_refused"), colour, out);
	lb_text_add(out, "\n");
	add_vips(status, colour, out);
	lb_text_add(out, "\n");
	add_nodes(status, colour, out);
	add_wake(status, colour, out);
	add_moves(status, colour, out);
	lb_text_add(out, "\n");
	add_services(status, now, colour, out);
	if (*format_string(status, "counters_cleared"))
		lb_text_addf(out, "\nTOTAL, IN and OUT since %s\n",
			     format_local(format_string(status, "counters_cleared"), at));
	lb_text_free(&problems);
	return verdict;
}
