#include <lb/state_file.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>
#include <lb/text.h>

/* ---- events ---- */

static const char events_magic[8] = "lbd-evt1";

size_t state_event_offset(uint64_t id)
{
	return STATE_EVENTS_HEAD + (size_t)(id % STATE_EVENTS) * STATE_EVENT_RECORD;
}

void state_events_head(uint8_t out[static STATE_EVENTS_HEAD])
{
	uint32_t shape[2] = {STATE_EVENT_RECORD, STATE_EVENTS};

	memcpy(out, events_magic, sizeof(events_magic));
	memcpy(out + sizeof(events_magic), shape, sizeof(shape));
}

bool state_events_head_good(const uint8_t in[static STATE_EVENTS_HEAD])
{
	uint8_t wanted[STATE_EVENTS_HEAD];

	state_events_head(wanted);
	return memcmp(in, wanted, sizeof(wanted)) == 0;
}

/* Copied member by member into zeroed memory, so that what lies between members is the same each time. */
static void settle(const struct lb_event *event, struct lb_event *out)
{
	memset(out, 0, sizeof(*out));
	out->id = event->id;
	out->at = event->at;
	memcpy(out->kind, event->kind, strnlen(event->kind, sizeof(out->kind) - 1));
	memcpy(out->subject, event->subject, strnlen(event->subject, sizeof(out->subject) - 1));
	memcpy(out->from, event->from, strnlen(event->from, sizeof(out->from) - 1));
	memcpy(out->to, event->to, strnlen(event->to, sizeof(out->to) - 1));
	memcpy(out->reason, event->reason, strnlen(event->reason, sizeof(out->reason) - 1));
	out->duration = event->duration;
}

void state_event_encode(const struct lb_event *event, uint8_t out[static STATE_EVENT_RECORD])
{
	struct lb_event settled;
	uint64_t sum;

	settle(event, &settled);
	sum = lb_hash(&settled, sizeof(settled));
	memcpy(out, &sum, sizeof(sum));
	memcpy(out + sizeof(sum), &settled, sizeof(settled));
}

bool state_event_decode(const uint8_t in[static STATE_EVENT_RECORD], struct lb_event *out)
{
	struct lb_event raw;
	uint64_t sum;

	memcpy(&sum, in, sizeof(sum));
	memcpy(&raw, in + sizeof(sum), sizeof(raw));
	if (raw.id == 0 || sum != lb_hash(&raw, sizeof(raw)))
		return false;
	/* The sum is no secret: texts end within their members, whoever wrote them. */
	settle(&raw, out);
	return true;
}

/* ---- orders ---- */

/* Head and body of a slot: generation, length of the body, sum of the body. */
#define HEAD_FORMAT "lbd-orders 1 %016" PRIx64 " %08zx %016" PRIx64 "\n"
#define HEAD_BYTES  (13 + 16 + 1 + 8 + 1 + 16 + 1)

bool state_orders_encode(const struct lb_order *orders, size_t count, uint64_t generation, struct lb_text *out)
{
	struct lb_text body = {0};

	for (size_t i = 0; i < count; i++) {
		const struct lb_order *o = &orders[i];

		lb_text_addf(&body, "%s/%s %s", o->service, o->server, lb_admin_name(o->admin));
		if (o->has_weight)
			lb_text_addf(&body, " weight=%u/%u", (unsigned)o->weight, (unsigned)o->weight_over);
		if (o->has_limit)
			lb_text_addf(&body, " limit=%" PRIu32 "/%" PRIu32, o->limit, o->limit_over);
		lb_text_add(&body, "\n");
	}
	lb_text_addf(out, HEAD_FORMAT, generation, body.len, lb_hash(lb_text_str(&body), body.len));
	lb_text_add(out, lb_text_str(&body));
	lb_text_free(&body);
	return !out->failed && out->len <= STATE_ORDERS_SLOT;
}

/* "WORD" up to an end character; false when it is empty or does not fit. */
static bool take_word(const char **at, char end, char *out, size_t cap)
{
	const char *stop = strchr(*at, end);

	if (!stop || stop == *at || (size_t)(stop - *at) >= cap)
		return false;
	memcpy(out, *at, (size_t)(stop - *at));
	out[stop - *at] = '\0';
	*at = stop + 1;
	return true;
}

static bool take_number(const char **at, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long value;

	if (**at < '0' || **at > '9')
		return false;
	value = strtoul(*at, &end, 10);
	if (value > max)
		return false;
	*out = (uint32_t)value;
	*at = end;
	return true;
}

/* "NAME=N/OVER" behind a space, where it is there; false: it is there and wrong. */
static bool take_pair(const char **at, const char *name, uint32_t max, bool *has, uint32_t *value, uint32_t *over)
{
	size_t len = strlen(name);

	if (strncmp(*at, name, len) != 0)
		return true;
	*at += len;
	*has = take_number(at, max, value) && *(*at)++ == '/' && take_number(at, max, over);
	return *has;
}

static bool parse_order(const char *line, struct lb_order *out)
{
	char admin[16];
	const char *at = line;
	uint32_t weight = 0, weight_over = 0;

	*out = (struct lb_order){0};
	if (!take_word(&at, '/', out->service, sizeof(out->service)) ||
	    !take_word(&at, ' ', out->server, sizeof(out->server)))
		return false;
	snprintf(admin, sizeof(admin), "%.*s", (int)strcspn(at, " "), at);
	at += strcspn(at, " ");
	while (out->admin <= LB_ADMIN_MAINT && strcmp(lb_admin_name(out->admin), admin) != 0)
		out->admin++;
	if (out->admin > LB_ADMIN_MAINT || !take_pair(&at, " weight=", 256, &out->has_weight, &weight, &weight_over) ||
	    !take_pair(&at, " limit=", UINT32_MAX, &out->has_limit, &out->limit, &out->limit_over))
		return false;
	out->weight = (uint16_t)weight;
	out->weight_over = (uint16_t)weight_over;
	return *at == '\0' && (!out->has_weight || (weight > 0 && weight_over > 0));
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

/* body is ours and changed. */
static bool parse_orders(char *body, struct lb_order **orders, size_t *count, struct lb_err *err)
{
	size_t lines = count_lines(body);

	*count = 0;
	*orders = NULL;
	if (*body && body[strlen(body) - 1] != '\n')
		return lb_err_set(err, "its last line has no end");
	*orders = calloc(lines + 1, sizeof(**orders));
	if (!*orders)
		return lb_err_set(err, "out of memory");
	for (char *line = body; *count < lines; (*count)++) {
		char *end = strchr(line, '\n');

		*end = '\0';
		if (!parse_order(line, &(*orders)[*count])) {
			free(*orders);
			*orders = NULL;
			return lb_err_set(err, "line %zu of it is no order", *count + 1);
		}
		line = end + 1;
	}
	return true;
}

bool state_orders_decode(const uint8_t *slot, size_t len, uint64_t *generation, struct lb_order **orders, size_t *count,
			 struct lb_err *err)
{
	char head[HEAD_BYTES + 1], again[HEAD_BYTES + 1], *body;
	uint64_t sum;
	size_t size;
	bool ok;

	err->text[0] = '\0';
	if (len < HEAD_BYTES || slot[0] == '\0')
		return len > 0 && slot[0] != '\0' ? lb_err_set(err, "it is too short") : false;
	memcpy(head, slot, HEAD_BYTES);
	head[HEAD_BYTES] = '\0';
	if (sscanf(head, "lbd-orders 1 %16" SCNx64 " %8zx %16" SCNx64, generation, &size, &sum) != 3)
		return lb_err_set(err, "its head is of no known form");
	snprintf(again, sizeof(again), HEAD_FORMAT, *generation, size, sum);
	if (strcmp(head, again) != 0 || size > len - HEAD_BYTES)
		return lb_err_set(err, "its head is damaged or its body is cut");
	if (memchr(slot + HEAD_BYTES, '\0', size) || lb_hash(slot + HEAD_BYTES, size) != sum)
		return lb_err_set(err, "its sum is wrong");
	body = strndup((const char *)slot + HEAD_BYTES, size);
	if (!body)
		return lb_err_set(err, "out of memory");
	ok = parse_orders(body, orders, count, err);
	free(body);
	return ok;
}
