/* Types that hold several values of one kind, or several fields in one value. */
#include <stdio.h>
#include <string.h>

#include "lib/conf/conf_yaml.h"

#define TYPE(name) const struct conf_yaml_type conf_yaml_type_##name = {.read = read_##name, .print = print_##name}

/* Cut the next piece before separator off *text into buf; false where it is empty or does not fit. */
static bool next_piece(const char **text, char separator, char *buf, size_t cap)
{
	const char *end = strchrnul(*text, separator);
	size_t len = (size_t)(end - *text);

	if (len == 0 || len >= cap)
		return false;
	memcpy(buf, *text, len);
	buf[len] = '\0';
	*text = *end ? end + 1 : end;
	return true;
}

/* Decimal digits alone, at most five. */
static bool parse_small(const char *text, unsigned max, unsigned *out)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 5 || text[len] != '\0' || (text[0] == '0' && len > 1))
		return false;
	*out = 0;
	for (size_t i = 0; i < len; i++)
		*out = *out * 10 + (unsigned)(text[i] - '0');
	return *out <= max;
}

/* ---- keepalive: idle/interval/count ---- */

#define KEEPALIVE_MAX	     LB_SEC(32767) /* the kernel's MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL */
#define KEEPALIVE_PROBES_MAX 127	   /* MAX_TCP_KEEPCNT */

static bool parse_seconds(const char **text, lb_duration *out)
{
	char piece[LB_DURATION_TEXT];

	return next_piece(text, '/', piece, sizeof(piece)) && lb_duration_parse(piece, out) && *out >= LB_SEC(1) &&
	       *out <= KEEPALIVE_MAX && *out % LB_SEC(1) == 0;
}

static void read_keepalive(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			   void *object)
{
	struct lb_conf_service *service = object;
	const char *text = value->kind == CONF_DOC_SCALAR ? value->text : "";
	lb_duration idle, interval;
	unsigned count;

	if (!parse_seconds(&text, &idle) || !parse_seconds(&text, &interval) ||
	    !parse_small(text, KEEPALIVE_PROBES_MAX, &count) || count == 0) {
		conf_yaml_refuse(r, key, value, "idle/interval/count in whole seconds, e.g. 20s/5s/3");
		return;
	}
	service->keepalive_idle = idle;
	service->keepalive_interval = interval;
	service->keepalive_count = (uint8_t)count;
}

static void print_keepalive(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_conf_service *service = object;
	char idle[LB_DURATION_TEXT], interval[LB_DURATION_TEXT];

	(void)key;
	lb_text_addf(out, "%s/%s/%u", lb_duration_text(service->keepalive_idle, idle),
		     lb_duration_text(service->keepalive_interval, interval), service->keepalive_count);
}

TYPE(keepalive);

/* ---- hedge_after: auto, off or a duration ---- */

#define HEDGE_MIN LB_MSEC(1)
#define HEDGE_MAX LB_SEC(10)

static void read_hedge(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		       void *object)
{
	struct lb_conf_service *service = object;
	const char *text = value->kind == CONF_DOC_SCALAR ? value->text : "";
	lb_duration after = 0;
	bool is_auto = strcmp(text, "auto") == 0, off = strcmp(text, "off") == 0;

	if (!is_auto && !off && (!lb_duration_parse(text, &after) || after < HEDGE_MIN || after > HEDGE_MAX)) {
		conf_yaml_refuse(r, key, value, "auto, off or a duration from 1ms to 10s");
		return;
	}
	service->hedge = !off;
	service->hedge_auto = is_auto;
	service->hedge_after = after;
}

static void print_hedge(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_conf_service *service = object;
	char buf[LB_DURATION_TEXT];

	(void)key;
	lb_text_add(out, !service->hedge       ? "off"
			 : service->hedge_auto ? "auto"
					       : lb_duration_text(service->hedge_after, buf));
}

TYPE(hedge);

/* ---- codes: HTTP status codes and ranges of them ---- */

static bool parse_range(const char *text, struct lb_code_range *out)
{
	char piece[8];
	unsigned first, last;

	if (!next_piece(&text, '-', piece, sizeof(piece)) || !parse_small(piece, 599, &first))
		return false;
	last = first;
	if (text[-1] == '-' && !parse_small(text, 599, &last))
		return false;
	if (first < 100 || last < first)
		return false;
	*out = (struct lb_code_range){(uint16_t)first, (uint16_t)last};
	return true;
}

/* The codes of one scalar, "401, 403" too, which is also how defaults are written. */
static bool add_codes(const char *text, struct lb_code_range *codes, size_t *count)
{
	char piece[32];

	while (*text) {
		if (!next_piece(&text, ',', piece, sizeof(piece)) || *count == LB_EXPECT_MAX ||
		    !parse_range(piece + strspn(piece, " "), &codes[*count]))
			return false;
		++*count;
	}
	return text[-1] != ',';
}

static void read_codes(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		       void *object)
{
	const struct conf_doc *item = value->kind == CONF_DOC_LIST ? value->first : value;
	struct lb_code_range codes[LB_EXPECT_MAX] = {0};
	size_t count = 0;
	uint8_t stored;

	if (value->kind == CONF_DOC_LIST && value->count > LB_EXPECT_MAX) {
		lb_conf_errors_add(r->errors, value->mark, "\"%s\" has %zu entries; expected at most %d", key->name,
				   value->count, LB_EXPECT_MAX);
		return;
	}
	for (; item; item = value->kind == CONF_DOC_LIST ? item->next : NULL) {
		if (item->kind == CONF_DOC_BAD) {
			r->silent++;
		} else if (item->kind != CONF_DOC_SCALAR || item->text[0] == '\0' ||
			   !add_codes(item->text, codes, &count)) {
			conf_yaml_refuse(r, key, item, "HTTP codes 100 to 599 or ranges such as 200-299, at most %d",
					 LB_EXPECT_MAX);
			return;
		}
	}
	if (count == 0 && !key->of.list->may_be_empty) {
		lb_conf_errors_add(r->errors, value->mark, "\"%s\" is an empty list; expected at least one code",
				   key->name);
		return;
	}
	stored = (uint8_t)count;
	memcpy((char *)object + key->offset, codes, sizeof(codes));
	memcpy((char *)object + key->of.list->count_offset, &stored, sizeof(stored));
}

static void print_codes(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_code_range *codes = (const void *)((const char *)object + key->offset);
	uint8_t count;

	memcpy(&count, (const char *)object + key->of.list->count_offset, sizeof(count));
	lb_text_add(out, "[");
	for (size_t i = 0; i < count; i++) {
		lb_text_addf(out, "%s%u", i ? ", " : "", codes[i].first);
		if (codes[i].last != codes[i].first)
			lb_text_addf(out, "-%u", codes[i].last);
	}
	lb_text_add(out, "]");
}

TYPE(codes);

/* ---- cidrs: a list of networks ---- */

static void read_cidrs(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		       void *object)
{
	const char *unset = key->of.list->unset;
	struct lb_cidr *cidrs;
	size_t count = 0;

	if (value->kind == CONF_DOC_SCALAR && strcmp(value->text, unset) == 0)
		return;
	if (value->kind != CONF_DOC_LIST || value->count == 0) {
		conf_yaml_refuse(r, key, value, "%s or a list of networks, e.g. [10.0.0.0/8]", unset);
		return;
	}
	cidrs = conf_arena_alloc(r->arena, value->count * sizeof(*cidrs));
	if (!cidrs)
		return;
	for (const struct conf_doc *item = value->first; item; item = item->next)
		if (item->kind == CONF_DOC_BAD)
			r->silent++;
		else if (item->kind == CONF_DOC_SCALAR && lb_cidr_parse(item->text, &cidrs[count]))
			count++;
		else
			conf_yaml_refuse(r, key, item,
					 "a network such as 10.0.0.0/8 with nothing behind its prefix, or an address");
	*(struct lb_cidr **)(void *)((char *)object + key->offset) = cidrs;
	memcpy((char *)object + key->of.list->count_offset, &count, sizeof(count));
}

static void print_cidrs(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_cidr *cidrs = *(struct lb_cidr *const *)(const void *)((const char *)object + key->offset);
	size_t count;
	char buf[LB_ADDR_TEXT];

	memcpy(&count, (const char *)object + key->of.list->count_offset, sizeof(count));
	if (count == 0) {
		lb_text_add(out, key->of.list->unset);
		return;
	}
	lb_text_add(out, "[");
	for (size_t i = 0; i < count; i++)
		lb_text_addf(out, "%s\"%s/%u\"", i ? ", " : "", lb_addr_text(&cidrs[i].addr, buf), cidrs[i].prefix);
	lb_text_add(out, "]");
}

TYPE(cidrs);

/* ---- listen: a port, ADDR:PORT or a list of them ---- */

static bool parse_listen(const char *text, struct lb_endpoint *out)
{
	unsigned port;

	if (lb_endpoint_parse(text, out))
		return true;
	if (!parse_small(text, UINT16_MAX, &port) || port == 0)
		return false;
	*out = (struct lb_endpoint){.port = (uint16_t)port};
	return true;
}

static void read_listen(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			void *object)
{
	struct lb_conf_service *service = object;
	const struct conf_doc *item = value->kind == CONF_DOC_LIST ? value->first : value;

	if (value->kind == CONF_DOC_LIST && (value->count == 0 || value->count > LB_LISTEN_MAX)) {
		lb_conf_errors_add(r->errors, value->mark, "\"listen\" has %zu entries; expected 1 to %d", value->count,
				   LB_LISTEN_MAX);
		return;
	}
	for (; item; item = value->kind == CONF_DOC_LIST ? item->next : NULL) {
		struct lb_conf_listen *listen = &service->listen[service->listen_count];

		if (item->kind == CONF_DOC_BAD) {
			r->silent++;
		} else if (item->kind == CONF_DOC_SCALAR && parse_listen(item->text, &listen->endpoint)) {
			listen->mark = item->mark;
			service->listen_count++;
		} else {
			conf_yaml_refuse(r, key, item, "a port from 1 to 65535, ADDR:PORT%s",
					 value == item ? ", or a list of them" : "");
		}
	}
}

static void print_listen(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_conf_service *service = object;

	(void)key;
	lb_text_add(out, "[");
	for (size_t i = 0; i < service->listen_count; i++) {
		const struct lb_endpoint *ep = &service->listen[i].endpoint;
		char buf[LB_ENDPOINT_TEXT];

		lb_text_add(out, i ? ", " : "");
		if (ep->addr.family == 0)
			lb_text_addf(out, "%u", ep->port);
		else
			lb_text_addf(out, "\"%s\"", lb_endpoint_text(ep, buf));
	}
	lb_text_add(out, "]");
}

TYPE(listen);
