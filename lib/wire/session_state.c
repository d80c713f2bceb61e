#include <lb/session_state.h>

#include <string.h>

#include <lb/bytes.h>

/*
 * Layout, network byte order:
 *   0 length of the record (4)        4 format (1)     5 flags (1)      6 zero (2)
 *   8 age (8)   16 idle (8)   24 half-closed for (8)   32 connect time (8)   40 bytes in (8)   48 bytes out (8), ns
 *  56 service, server: one length byte and so many printable characters each
 *     client, local, where the flag says so destination: endpoints
 *     pending of the client, of the server: bytes
 *     image of the client's connection, where the flag says so of the server's; none of one that is over
 * endpoint: 4 or 6 (1), address (4 or 16), port (2). bytes: length (4), data.
 * image: local, remote; send and receive sequence (4 each); mss (2); options (1); window scales (4 bits each);
 *     timestamp (4); window (5 x 4); unacked: bytes
 */
enum {
	HEAD_BYTES = 56,
	FLAG_EOF = 0x01,  /* of the client; of the server the next bit */
	FLAG_SHUT = 0x04, /* likewise */
	FLAG_SERVER = 0x10,
	FLAG_DESTINATION = 0x20,
	FLAG_OVER = 0x40, /* as FLAG_EOF */
	/* RFC 7323 2.3 */
	WSCALE_MAX = 14,
	/* Linux takes no smaller one (TCP_MIN_MSS). */
	MSS_MIN = 88,
};

static const char *const drop_names[SESSION_STATE_DROP_COUNT_] = {
    [SESSION_STATE_OK] = "ok",
    [SESSION_STATE_TRUNCATED] = "truncated",
    [SESSION_STATE_UNKNOWN] = "unknown-format",
    [SESSION_STATE_VALUE] = "value",
};

const char *session_state_drop_name(enum session_state_drop drop)
{
	return (unsigned)drop < SESSION_STATE_DROP_COUNT_ ? drop_names[drop] : "unknown";
}

/* ---- rules that hold for a session to be told as well as for one that was heard of ---- */

/* Names reach logs and terminals, and are looked up in the configuration. */
static bool name_ok(const char *name)
{
	size_t len = strnlen(name, LB_NAME_MAX + 1);

	if (len > LB_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e)
			return false;
	return true;
}

static bool endpoint_ok(const struct lb_endpoint *ep)
{
	return (ep->addr.family == AF_INET || ep->addr.family == AF_INET6) && ep->port != 0;
}

static bool bytes_ok(const struct lb_bytes *b)
{
	return b->len <= SESSION_STATE_MAX && (b->len == 0 || b->data != NULL);
}

static bool image_ok(const struct tcp_image *image)
{
	if (!endpoint_ok(&image->local) || !endpoint_ok(&image->remote))
		return false;
	if (image->local.addr.family != image->remote.addr.family)
		return false;
	if ((image->options & ~TCP_IMAGE_KNOWN) != 0)
		return false;
	if (image->send_wscale > WSCALE_MAX || image->receive_wscale > WSCALE_MAX)
		return false;
	if ((image->options & TCP_IMAGE_WSCALE) == 0 && (image->send_wscale | image->receive_wscale) != 0)
		return false;
	if ((image->options & TCP_IMAGE_TIMESTAMPS) == 0 && image->timestamp != 0)
		return false;
	if (image->mss < MSS_MIN)
		return false;
	return bytes_ok(&image->unacked);
}

static bool values_ok(const struct session_state *s)
{
	bool connected = s->server[0] != '\0';

	if (s->service[0] == '\0' || !name_ok(s->service) || !name_ok(s->server))
		return false;
	if (!endpoint_ok(&s->client) || !endpoint_ok(&s->local))
		return false;
	if (s->destination.addr.family != 0 && !endpoint_ok(&s->destination))
		return false;
	if (s->age < 0 || s->idle < 0 || s->connect_time < 0 || s->half_closed < 0)
		return false;
	if (!bytes_ok(&s->pending[FLOW_CLIENT]) || !bytes_ok(&s->pending[FLOW_SERVER]))
		return false;
	/* Before there is a server nothing can come from it or be passed on to it. */
	if (!connected && (s->pending[FLOW_SERVER].len > 0 || s->half[FLOW_SERVER].eof || s->half[FLOW_CLIENT].shut))
		return false;
	/* FIN is passed on after it was read and everything before it was written. */
	for (int i = 0; i < 2; i++)
		if (s->half[i].shut && (!s->half[i].eof || s->pending[i].len > 0))
			return false;
	/* A connection is over when its end has come and the other side's end was passed on to it. */
	for (int i = 0; i < 2; i++)
		if (s->over[i] && (!s->half[i].eof || !s->half[1 - i].shut))
			return false;
	if (s->over[FLOW_CLIENT] && s->over[FLOW_SERVER])
		return false;
	return (s->over[FLOW_CLIENT] || image_ok(&s->side[FLOW_CLIENT])) &&
	       (!connected || s->over[FLOW_SERVER] || image_ok(&s->side[FLOW_SERVER]));
}

/* ---- encode: counts where there is no room, so that size and encoding are one ---- */

struct output {
	uint8_t *out; /* NULL: only count */
	size_t len;
};

static void put(struct output *o, const void *data, size_t len)
{
	if (o->out != NULL && len > 0)
		memcpy(o->out + o->len, data, len);
	o->len += len;
}

static void put8(struct output *o, unsigned v)
{
	uint8_t b = (uint8_t)v;

	put(o, &b, 1);
}

static void put16(struct output *o, uint16_t v)
{
	uint8_t b[2];

	lb_put16(b, v);
	put(o, b, sizeof(b));
}

static void put32(struct output *o, uint32_t v)
{
	uint8_t b[4];

	lb_put32(b, v);
	put(o, b, sizeof(b));
}

static void put64(struct output *o, uint64_t v)
{
	uint8_t b[8];

	lb_put64(b, v);
	put(o, b, sizeof(b));
}

static void put_text(struct output *o, const char *text)
{
	size_t len = strlen(text);

	put8(o, (unsigned)len);
	put(o, text, len);
}

static void put_endpoint(struct output *o, const struct lb_endpoint *ep)
{
	put8(o, ep->addr.family == AF_INET ? 4 : 6);
	put(o, ep->addr.bytes, lb_addr_size(&ep->addr));
	put16(o, ep->port);
}

static void put_bytes(struct output *o, const struct lb_bytes *b)
{
	put32(o, b->len);
	put(o, b->data, b->len);
}

static void put_image(struct output *o, const struct tcp_image *image)
{
	put_endpoint(o, &image->local);
	put_endpoint(o, &image->remote);
	put32(o, image->send_seq);
	put32(o, image->receive_seq);
	put16(o, image->mss);
	put8(o, image->options);
	put8(o, (unsigned)image->send_wscale << 4 | image->receive_wscale);
	put32(o, image->timestamp);
	put32(o, image->window.send_wl1);
	put32(o, image->window.send_window);
	put32(o, image->window.send_window_max);
	put32(o, image->window.receive_window);
	put32(o, image->window.receive_wup);
	put_bytes(o, &image->unacked);
}

static unsigned flags_of(const struct session_state *s)
{
	unsigned flags = 0;

	for (unsigned i = 0; i < 2; i++) {
		if (s->half[i].eof)
			flags |= (unsigned)FLAG_EOF << i;
		if (s->half[i].shut)
			flags |= (unsigned)FLAG_SHUT << i;
		if (s->over[i])
			flags |= (unsigned)FLAG_OVER << i;
	}
	if (s->server[0] != '\0')
		flags |= FLAG_SERVER;
	if (s->destination.addr.family != 0)
		flags |= FLAG_DESTINATION;
	return flags;
}

static void put_record(struct output *o, const struct session_state *s, size_t length)
{
	put32(o, (uint32_t)length);
	put8(o, SESSION_STATE_FORMAT);
	put8(o, flags_of(s));
	put16(o, 0);
	put64(o, (uint64_t)s->age);
	put64(o, (uint64_t)s->idle);
	put64(o, (uint64_t)s->half_closed);
	put64(o, (uint64_t)s->connect_time);
	put64(o, s->half[FLOW_CLIENT].bytes);
	put64(o, s->half[FLOW_SERVER].bytes);
	put_text(o, s->service);
	put_text(o, s->server);
	put_endpoint(o, &s->client);
	put_endpoint(o, &s->local);
	if (s->destination.addr.family != 0)
		put_endpoint(o, &s->destination);
	put_bytes(o, &s->pending[FLOW_CLIENT]);
	put_bytes(o, &s->pending[FLOW_SERVER]);
	if (!s->over[FLOW_CLIENT])
		put_image(o, &s->side[FLOW_CLIENT]);
	if (s->server[0] != '\0' && !s->over[FLOW_SERVER])
		put_image(o, &s->side[FLOW_SERVER]);
}

size_t session_state_size(const struct session_state *s)
{
	struct output count = {0};

	if (!values_ok(s))
		return 0;
	put_record(&count, s, 0);
	return count.len <= SESSION_STATE_MAX ? count.len : 0;
}

size_t session_state_encode(const struct session_state *s, uint8_t *out)
{
	struct output o = {.out = out};
	size_t size = session_state_size(s);

	if (size > 0)
		put_record(&o, s, size);
	return size;
}

/* ---- decode ---- */

/* What is left to read; whoever reads beyond it finds zeros and ok false at the end. */
struct input {
	const uint8_t *at, *end;
	bool ok;
};

static const uint8_t *take(struct input *in, size_t len)
{
	static const uint8_t zeros[16];
	const uint8_t *at = in->at;

	if (!in->ok || len > (size_t)(in->end - in->at)) {
		in->ok = false;
		return len <= sizeof(zeros) ? zeros : NULL;
	}
	in->at += len;
	return at;
}

static uint8_t get8(struct input *in)
{
	return *take(in, 1);
}

static uint16_t get16(struct input *in)
{
	return lb_get16(take(in, 2));
}

static uint32_t get32(struct input *in)
{
	return lb_get32(take(in, 4));
}

static uint64_t get64(struct input *in)
{
	return lb_get64(take(in, 8));
}

static void get_text(struct input *in, lb_name out)
{
	size_t len = get8(in);
	const uint8_t *text = take(in, len);

	if (len > LB_NAME_MAX || text == NULL || memchr(text, '\0', len) != NULL) {
		in->ok = in->ok && len == 0;
		return;
	}
	memcpy(out, text, len);
}

static void get_endpoint(struct input *in, struct lb_endpoint *out)
{
	unsigned version = get8(in);
	size_t len = version == 4 ? 4 : 16;

	if (version != 4 && version != 6)
		in->ok = false;
	memcpy(out->addr.bytes, take(in, len), len);
	out->addr.family = version == 4 ? AF_INET : AF_INET6;
	out->port = get16(in);
}

static void get_bytes(struct input *in, struct lb_bytes *out)
{
	uint32_t len = get32(in);
	const uint8_t *data = take(in, len);

	if (in->ok && len > 0)
		*out = (struct lb_bytes){.data = data, .len = len};
}

static void get_image(struct input *in, struct tcp_image *out)
{
	unsigned scales;

	get_endpoint(in, &out->local);
	get_endpoint(in, &out->remote);
	out->send_seq = get32(in);
	out->receive_seq = get32(in);
	out->mss = get16(in);
	out->options = get8(in);
	scales = get8(in);
	out->send_wscale = (uint8_t)(scales >> 4);
	out->receive_wscale = scales & 0x0f;
	out->timestamp = get32(in);
	out->window.send_wl1 = get32(in);
	out->window.send_window = get32(in);
	out->window.send_window_max = get32(in);
	out->window.receive_window = get32(in);
	out->window.receive_wup = get32(in);
	get_bytes(in, &out->unacked);
}

static void get_record(struct input *in, unsigned flags, struct session_state *out)
{
	out->age = (lb_duration)get64(in);
	out->idle = (lb_duration)get64(in);
	out->half_closed = (lb_duration)get64(in);
	out->connect_time = (lb_duration)get64(in);
	out->half[FLOW_CLIENT].bytes = get64(in);
	out->half[FLOW_SERVER].bytes = get64(in);
	for (unsigned i = 0; i < 2; i++) {
		out->half[i].eof = (flags & (unsigned)FLAG_EOF << i) != 0;
		out->half[i].shut = (flags & (unsigned)FLAG_SHUT << i) != 0;
		out->over[i] = (flags & (unsigned)FLAG_OVER << i) != 0;
	}
	get_text(in, out->service);
	get_text(in, out->server);
	get_endpoint(in, &out->client);
	get_endpoint(in, &out->local);
	if ((flags & FLAG_DESTINATION) != 0)
		get_endpoint(in, &out->destination);
	get_bytes(in, &out->pending[FLOW_CLIENT]);
	get_bytes(in, &out->pending[FLOW_SERVER]);
	if (!out->over[FLOW_CLIENT])
		get_image(in, &out->side[FLOW_CLIENT]);
	if ((flags & FLAG_SERVER) != 0 && !out->over[FLOW_SERVER])
		get_image(in, &out->side[FLOW_SERVER]);
}

size_t session_state_length(const uint8_t head[SESSION_STATE_HEAD])
{
	uint32_t length = lb_get32(head);

	return length > HEAD_BYTES && length <= SESSION_STATE_MAX ? length : 0;
}

enum session_state_drop session_state_decode(const uint8_t *buf, size_t len, struct session_state *out)
{
	struct input in;
	unsigned flags;

	if (len <= HEAD_BYTES || session_state_length(buf) != len)
		return SESSION_STATE_TRUNCATED;
	if (buf[4] != SESSION_STATE_FORMAT)
		return SESSION_STATE_UNKNOWN;
	flags = buf[5];
	if (lb_get16(buf + 6) != 0)
		return SESSION_STATE_VALUE;

	memset(out, 0, sizeof(*out));
	in = (struct input){.at = buf + 8, .end = buf + len, .ok = true};
	get_record(&in, flags, out);
	if (!in.ok || in.at != in.end)
		return SESSION_STATE_TRUNCATED;
	/* The flag and the name say the same, so that there is one encoding only. */
	if ((out->server[0] != '\0') != ((flags & FLAG_SERVER) != 0) || !values_ok(out))
		return SESSION_STATE_VALUE;
	return SESSION_STATE_OK;
}
