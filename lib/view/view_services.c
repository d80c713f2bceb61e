#include "lib/view/view_services.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "lib/view/view_names.h"

/* ---- values, each behind its key ---- */

static void add_key(struct lb_text *out, const char *key)
{
	char last = out->len > 0 ? out->data[out->len - 1] : '{';

	lb_text_add(out, last == '{' ? "\"" : ",\"");
	lb_text_add(out, key);
	lb_text_addn(out, "\":", 2);
}

static bool is_utf8(const char *s)
{
	json_t *value = json_string(s);
	bool good = value != NULL;

	json_decref(value);
	return good;
}

/* What is no UTF-8 must not cost the whole answer: then every byte that is not ASCII becomes a question mark. */
static void add_quoted(struct lb_text *out, const char *s)
{
	bool plain = true, high = false;

	for (const char *c = s; *c; c++) {
		plain &= (unsigned char)*c >= 0x20 && *c != '"' && *c != '\\';
		high |= (unsigned char)*c >= 0x80;
	}
	high = high && !is_utf8(s);
	lb_text_addn(out, "\"", 1);
	if (plain && !high)
		lb_text_add(out, s);
	for (const char *c = plain && !high ? "" : s; *c; c++) {
		if ((unsigned char)*c < 0x20)
			lb_text_addf(out, "\\u%04x", (unsigned)*c);
		else if (*c == '"' || *c == '\\')
			lb_text_addf(out, "\\%c", *c);
		else
			lb_text_addn(out, high && (unsigned char)*c >= 0x80 ? "?" : c, 1);
	}
	lb_text_addn(out, "\"", 1);
}

static void add_words(struct lb_text *out, const char *key, const char *s)
{
	add_key(out, key);
	if (s)
		add_quoted(out, s);
	else
		lb_text_add(out, "null");
}

static void add_digits(struct lb_text *out, uint64_t n)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	lb_text_addn(out, digits + at, sizeof(digits) - at);
}

static void add_count(struct lb_text *out, const char *key, uint64_t n)
{
	add_key(out, key);
	add_digits(out, n);
}

static void add_bool(struct lb_text *out, const char *key, bool value)
{
	add_key(out, key);
	lb_text_add(out, value ? "true" : "false");
}

/* Milliseconds with up to three digits behind the point, and at least one. */
static void add_ms(struct lb_text *out, const char *key, lb_duration d)
{
	uint64_t us = d > 0 ? ((uint64_t)d + 500) / 1000 : 0;
	char rest[8];
	int n = snprintf(rest, sizeof(rest), ".%03u", (unsigned)(us % 1000));

	while (n > 2 && rest[n - 1] == '0')
		n--;
	add_key(out, key);
	add_digits(out, us / 1000);
	lb_text_addn(out, rest, (size_t)n);
}

static void add_instant(struct lb_text *out, const char *key, lb_wall at)
{
	char buf[VIEW_TIME_TEXT];

	add_words(out, key, at > 0 ? view_time_text(at, buf) : NULL);
}

/* ---- the objects ---- */

/* The totals at which people began to count; without one that is not 0 there is nothing to take off. */
static void add_cleared(struct lb_text *out, const struct lb_totals *t)
{
	if (t->sessions == 0 && t->bytes_in == 0 && t->bytes_out == 0)
		return;
	add_key(out, "cleared");
	lb_text_add(out, "{");
	add_count(out, "sessions_total", t->sessions);
	add_count(out, "bytes_in", t->bytes_in);
	add_count(out, "bytes_out", t->bytes_out);
	lb_text_add(out, "}");
}

static void add_check(struct lb_text *out, const struct lb_snapshot_server *s, enum view_detail detail)
{
	add_key(out, "check");
	lb_text_add(out, "{");
	add_words(out, "result", s->check_result);
	if (detail == VIEW_FULL) {
		add_ms(out, "duration_ms", s->check_duration);
		add_count(out, "failures", s->check_failures);
		add_bool(out, "warning", s->alive_warning);
		add_words(out, "cause", s->check_warning);
		add_instant(out, "certificate_ends", s->certificate_ends);
		add_instant(out, "client_certificate_ends", s->client_certificate_ends);
		add_instant(out, "last", s->check_last);
	}
	lb_text_add(out, "}");
}

/* What only the full picture has: no column of a screen. */
static void add_rest_of_server(struct lb_text *out, const struct lb_snapshot_server *s)
{
	if (s->max_connections > 0)
		add_count(out, "max_connections", s->max_connections);
	else
		add_words(out, "max_connections", NULL);
	add_bool(out, "ordered", s->ordered);
	add_count(out, "connect_errors", s->connect_errors);
	add_count(out, "hedged", s->hedged);
	add_words(out, "reason", health_reason_name(s->reason));
}

static void add_traffic(struct lb_text *out, const struct lb_snapshot_server *s)
{
	add_count(out, "sessions", s->sessions);
	add_count(out, "sessions_total", s->sessions_total);
	add_count(out, "bytes_in", s->bytes_in);
	add_count(out, "bytes_out", s->bytes_out);
	add_cleared(out, &s->cleared);
	add_ms(out, "connect_ms", s->connect_time);
}

/* In a brief picture the reader fills in what is as usual: the weight in full, no backup, no session yet. */
static void add_server(struct lb_text *out, const struct lb_snapshot_server *s, enum view_detail detail)
{
	bool full = detail == VIEW_FULL;
	char address[LB_ENDPOINT_TEXT];

	lb_text_add(out, "{");
	add_words(out, "name", s->name);
	add_words(out, "address", lb_endpoint_text(&s->address, address));
	add_words(out, "state", health_state_name(s->state));
	add_words(out, "admin", lb_admin_name(s->admin));
	add_count(out, "weight", s->weight);
	if (full || s->effective_weight != s->weight)
		add_count(out, "effective_weight", s->effective_weight);
	if (full || s->backup)
		add_bool(out, "backup", s->backup);
	if (full || s->sessions > 0 || s->sessions_total > 0)
		add_traffic(out, s);
	add_instant(out, "since", s->since);
	if (full)
		add_rest_of_server(out, s);
	add_check(out, s, detail);
	lb_text_add(out, "}");
}

static void add_service(struct lb_text *out, const struct lb_snapshot_service *s, enum view_detail detail)
{
	lb_text_add(out, "{");
	add_words(out, "name", s->name);
	add_key(out, "listen");
	lb_text_add(out, "[");
	for (size_t i = 0; i < s->listen_count; i++) {
		char address[LB_ENDPOINT_TEXT];

		lb_text_add(out, i > 0 ? "," : "");
		add_quoted(out, lb_endpoint_text(&s->listen[i], address));
	}
	lb_text_add(out, "]");
	add_words(out, "balance", view_balance_name(s->balance));
	add_count(out, "sessions", s->sessions);
	add_count(out, "sessions_total", s->sessions_total);
	add_count(out, "bytes_in", s->bytes_in);
	add_count(out, "bytes_out", s->bytes_out);
	add_cleared(out, &s->cleared);
	add_count(out, "refused", s->refused);
	add_count(out, "failed", s->failed);
	add_count(out, "queue_dropped", s->queue_dropped);
	add_key(out, "servers");
	lb_text_add(out, "[");
	for (size_t i = 0; i < s->server_count; i++) {
		lb_text_add(out, i > 0 ? "," : "");
		add_server(out, &s->servers[i], detail);
	}
	lb_text_add(out, "]}");
}

void view_services_text(const struct lb_snapshot *s, enum view_detail detail, struct lb_text *out)
{
	lb_text_add(out, "[");
	for (size_t i = 0; i < s->service_count; i++) {
		lb_text_add(out, i > 0 ? "," : "");
		add_service(out, &s->services[i], detail);
	}
	lb_text_add(out, "]");
}
