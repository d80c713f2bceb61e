#include <lb/succession.h>

#include <string.h>

#include <lb/bytes.h>

/*
 * Frame, network byte order:
 *   0 "lbds" (4)   4 type (2)   6 oldest, newest version (2 each)   10 format of sessions (2)
 *  12 worker (4)  16 count (4)  20 size (4)  24 last id (8)
 * Fact:
 *   0 length (2)   2 kind (1)   3 worker (4)   7 service, server, text: length byte and characters each
 *     number of values (1), values (8 each)
 * Session:
 *   0 length of this head (2)   2 id (8)   10 flags (2)   12 farewell (1)   13 piped of client, of server (4 each)
 *  21 idle timeout, fin timeout (8 each), ns
 *     behind the head the session's record
 */
enum {
	MAGIC = 0x6c626473,
	FACT_TEXTS = 7,
	SESSION_HEAD = 37,
	FAREWELL_MAX = 2,
};

/* ---- frames ---- */

void succession_frame_encode(const struct succession_frame *frame, uint8_t out[static SUCCESSION_FRAME])
{
	lb_put32(out, MAGIC);
	lb_put16(out + 4, (uint16_t)frame->type);
	lb_put16(out + 6, frame->oldest);
	lb_put16(out + 8, frame->newest);
	lb_put16(out + 10, frame->format);
	lb_put32(out + 12, frame->worker);
	lb_put32(out + 16, frame->count);
	lb_put32(out + 20, frame->size);
	lb_put64(out + 24, frame->last_id);
}

bool succession_frame_decode(const uint8_t *in, size_t len, struct succession_frame *out)
{
	uint16_t type;

	if (len < SUCCESSION_FRAME || lb_get32(in) != MAGIC)
		return false;
	type = lb_get16(in + 4);
	if (type < SUCCESSION_HELLO || type >= SUCCESSION_TYPES_)
		return false;
	*out = (struct succession_frame){.type = (enum succession_type)type,
					 .oldest = lb_get16(in + 6),
					 .newest = lb_get16(in + 8),
					 .format = lb_get16(in + 10),
					 .worker = lb_get32(in + 12),
					 .count = lb_get32(in + 16),
					 .size = lb_get32(in + 20),
					 .last_id = lb_get64(in + 24)};
	return out->oldest <= out->newest;
}

uint16_t succession_common(const struct succession_frame *hello)
{
	uint16_t newest = hello->newest < SUCCESSION_VERSION ? hello->newest : SUCCESSION_VERSION;

	return newest >= hello->oldest && newest >= SUCCESSION_OLDEST ? newest : 0;
}

/* ---- facts ---- */

static size_t put_text(uint8_t *out, const char *text, size_t max)
{
	size_t len = strnlen(text, max);

	out[0] = (uint8_t)len;
	memcpy(out + 1, text, len);
	return 1 + len;
}

size_t succession_fact_encode(const struct succession_fact *fact, uint8_t *out)
{
	size_t count = fact->count < SUCCESSION_VALUES ? fact->count : SUCCESSION_VALUES;
	size_t at = FACT_TEXTS;

	out[2] = fact->kind;
	lb_put32(out + 3, fact->worker);
	at += put_text(out + at, fact->service, LB_NAME_MAX);
	at += put_text(out + at, fact->server, LB_NAME_MAX);
	at += put_text(out + at, fact->text, SUCCESSION_TEXT - 1);
	out[at++] = (uint8_t)count;
	for (size_t i = 0; i < count; i++, at += 8)
		lb_put64(out + at, fact->value[i]);
	lb_put16(out, (uint16_t)at);
	return at;
}

/* False: cut, longer than there is room for, or no text. */
static bool get_text(const uint8_t *in, size_t len, size_t *at, char *out, size_t room)
{
	size_t n = *at < len ? in[*at] : SIZE_MAX;

	if (n >= room || n > len - *at - 1 || memchr(in + *at + 1, '\0', n) != NULL)
		return false;
	memcpy(out, in + *at + 1, n);
	*at += 1 + n;
	return true;
}

size_t succession_fact_decode(const uint8_t *in, size_t len, struct succession_fact *out)
{
	size_t size = len > FACT_TEXTS ? lb_get16(in) : 0, at = FACT_TEXTS, told;

	if (size <= FACT_TEXTS || size > len)
		return 0;
	*out = (struct succession_fact){.kind = in[2], .worker = lb_get32(in + 3)};
	if (!get_text(in, size, &at, out->service, sizeof(out->service)) ||
	    !get_text(in, size, &at, out->server, sizeof(out->server)) ||
	    !get_text(in, size, &at, out->text, sizeof(out->text)) || at >= size)
		return 0;
	told = in[at++];
	if (8 * told > size - at)
		return 0;
	/* Of a newer program there may be more than are known here. */
	out->count = (uint8_t)(told < SUCCESSION_VALUES ? told : SUCCESSION_VALUES);
	for (size_t i = 0; i < out->count; i++)
		out->value[i] = lb_get64(in + at + 8 * i);
	return size;
}

/* ---- sessions ---- */

size_t succession_session_fds(const struct succession_session *s)
{
	size_t n = s->state.server[0] != '\0' ? 2 : 1;

	for (int side = 0; side < 2; side++)
		if (s->piped[side] > 0)
			n += 2;
	return n;
}

/* What comes from a pipe is written before FIN is passed on, and only to a server that there is. */
static bool values_ok(const struct succession_session *s)
{
	bool connected = s->state.server[0] != '\0';

	for (int from = 0; from < 2; from++)
		if (s->piped[from] > 0 && (!connected || s->state.half[from].shut))
			return false;
	return s->farewell <= FAREWELL_MAX && s->id != 0 && s->idle_timeout >= 0 && s->fin_timeout >= 0;
}

size_t succession_session_size(const struct succession_session *s)
{
	size_t size = values_ok(s) ? session_state_size(&s->state) : 0;

	return size > 0 ? SESSION_HEAD + size : 0;
}

size_t succession_session_encode(const struct succession_session *s, uint8_t *out)
{
	if (succession_session_size(s) == 0)
		return 0;
	lb_put16(out, SESSION_HEAD);
	lb_put64(out + 2, s->id);
	lb_put16(out + 10, s->flags);
	out[12] = s->farewell;
	lb_put32(out + 13, s->piped[FLOW_CLIENT]);
	lb_put32(out + 17, s->piped[FLOW_SERVER]);
	lb_put64(out + 21, (uint64_t)s->idle_timeout);
	lb_put64(out + 29, (uint64_t)s->fin_timeout);
	return SESSION_HEAD + session_state_encode(&s->state, out + SESSION_HEAD);
}

enum session_state_drop succession_session_decode(const uint8_t *buf, size_t len, size_t *used,
						  struct succession_session *out)
{
	size_t head = len >= SESSION_HEAD ? lb_get16(buf) : 0, length;
	enum session_state_drop drop;

	if (head < SESSION_HEAD || head > len || len - head < SESSION_STATE_HEAD)
		return SESSION_STATE_TRUNCATED;
	length = session_state_length(buf + head);
	if (length == 0 || length > len - head)
		return SESSION_STATE_TRUNCATED;
	memset(out, 0, sizeof(*out));
	out->id = lb_get64(buf + 2);
	out->flags = lb_get16(buf + 10);
	out->farewell = buf[12];
	out->piped[FLOW_CLIENT] = lb_get32(buf + 13);
	out->piped[FLOW_SERVER] = lb_get32(buf + 17);
	out->idle_timeout = (lb_duration)lb_get64(buf + 21);
	out->fin_timeout = (lb_duration)lb_get64(buf + 29);
	drop = session_state_decode(buf + head, length, &out->state);
	if (drop != SESSION_STATE_OK)
		return drop;
	*used = head + length;
	return values_ok(out) ? SESSION_STATE_OK : SESSION_STATE_VALUE;
}
