#include <lb/tuple_record.h>

#include <string.h>

#include <lb/bytes.h>

/*
 * Layout, network byte order:
 *   0 format (1)   1 flags (1): 1 = what was told before is void   then records:
 *   0x01 place: kind (1), the VIP's address and port, where the kind says so the server's
 *   0x02 closed: slot
 *   0x20 + n opened at the last place: the client's address without its first n bytes, which are those of the client
 *       before it (of zeros at the beginning, and where the family changes), port (2), slot, with a server the source's
 *       port (2)
 * A slot is a number of seven bits a byte, the low ones first, the high bit where more follow.
 */
enum {
	HEAD_BYTES = 2,
	FLAG_ANEW = 0x01,
	RECORD_PLACE = 0x01,
	RECORD_CLOSED = 0x02,
	RECORD_OPENED = 0x20,
	PLACE_IPV6 = 0x01,
	PLACE_SERVER = 0x02,
	PLACE_KNOWN = 0x03,
	SLOT_BYTES = 3,
};

static const char *const drop_names[TUPLE_DROP_COUNT_] = {
    [TUPLE_OK] = "ok",
    [TUPLE_TRUNCATED] = "truncated",
    [TUPLE_UNKNOWN] = "unknown-format",
    [TUPLE_VALUE] = "value",
};

const char *tuple_drop_name(enum tuple_drop drop)
{
	return (unsigned)drop < TUPLE_DROP_COUNT_ ? drop_names[drop] : "unknown";
}

/* ---- rules that hold for who tells as well as for who is told ---- */

/* One host's: neither nobody's nor a group's. */
static bool address_ok(const struct lb_addr *a)
{
	static const uint8_t zeros[16];

	if (a->family == AF_INET)
		return a->bytes[0] != 0 && a->bytes[0] < 224;
	return a->family == AF_INET6 && a->bytes[0] != 0xff && memcmp(a->bytes, zeros, sizeof(zeros)) != 0;
}

static bool endpoint_ok(const struct lb_endpoint *ep)
{
	return ep->port != 0 && address_ok(&ep->addr);
}

static bool tuple_ok(const struct lb_tuple *t)
{
	if (!endpoint_ok(&t->client) || !endpoint_ok(&t->vip) || t->client.addr.family != t->vip.addr.family)
		return false;
	if (t->server.addr.family == 0)
		return t->source_port == 0;
	return endpoint_ok(&t->server) && t->server.addr.family == t->vip.addr.family && t->source_port != 0;
}

static bool same_place(const struct lb_endpoint *vip, const struct lb_endpoint *server, const struct lb_tuple *t)
{
	return lb_endpoint_equal(vip, &t->vip) && lb_endpoint_equal(server, &t->server);
}

static size_t shared_bytes(const struct lb_addr *former, const struct lb_addr *a)
{
	static const struct lb_addr none;
	size_t n = 0;

	if (former->family != 0 && former->family != a->family)
		former = &none;
	while (n < lb_addr_size(a) && former->bytes[n] == a->bytes[n])
		n++;
	return n;
}

/* ---- writing ---- */

static void put(struct tuple_writer *w, const void *data, size_t len)
{
	memcpy(w->out + w->len, data, len);
	w->len += len;
}

static void put8(struct tuple_writer *w, unsigned v)
{
	w->out[w->len++] = (uint8_t)v;
}

static void put_port(struct tuple_writer *w, uint16_t port)
{
	lb_put16(w->out + w->len, port);
	w->len += 2;
}

static void put_endpoint(struct tuple_writer *w, const struct lb_endpoint *ep)
{
	put(w, ep->addr.bytes, lb_addr_size(&ep->addr));
	put_port(w, ep->port);
}

static void put_slot(struct tuple_writer *w, uint32_t slot)
{
	for (; slot >= 0x80; slot >>= 7)
		put8(w, (slot & 0x7f) | 0x80);
	put8(w, slot);
}

static void put_place(struct tuple_writer *w, const struct lb_tuple *t)
{
	bool server = t->server.addr.family != 0;

	put8(w, RECORD_PLACE);
	put8(w, (t->vip.addr.family == AF_INET6 ? PLACE_IPV6 : 0u) | (server ? PLACE_SERVER : 0u));
	put_endpoint(w, &t->vip);
	if (server)
		put_endpoint(w, &t->server);
	w->vip = t->vip;
	w->server = t->server;
	w->has_place = true;
}

static void put_opened(struct tuple_writer *w, uint32_t slot, const struct lb_tuple *t)
{
	size_t shared = shared_bytes(&w->client, &t->client.addr);

	put8(w, RECORD_OPENED + (unsigned)shared);
	put(w, t->client.addr.bytes + shared, lb_addr_size(&t->client.addr) - shared);
	put_port(w, t->client.port);
	put_slot(w, slot);
	if (t->server.addr.family != 0)
		put_port(w, t->source_port);
	w->client = t->client.addr;
}

void tuple_writer_init(struct tuple_writer *w, uint8_t *out, size_t size, bool anew)
{
	*w = (struct tuple_writer){.out = out, .size = size};
	put8(w, TUPLE_FORMAT);
	put8(w, anew ? FLAG_ANEW : 0);
}

bool tuple_writer_add(struct tuple_writer *w, const struct tuple_change *change)
{
	const struct lb_tuple *t = &change->tuple;

	if (w->size - w->len < TUPLE_RECORD_MAX || change->slot >= TUPLE_SLOTS)
		return false;
	if (change->kind == TUPLE_CLOSED) {
		put8(w, RECORD_CLOSED);
		put_slot(w, change->slot);
		return true;
	}
	if (!tuple_ok(t))
		return false;
	if (!w->has_place || !same_place(&w->vip, &w->server, t))
		put_place(w, t);
	put_opened(w, change->slot, t);
	return true;
}

/* ---- reading ---- */

/* Whoever reads beyond the end finds zeros, and the batch is truncated. */
static const uint8_t *take(struct tuple_reader *r, size_t len)
{
	static const uint8_t zeros[16];
	const uint8_t *at = r->at;

	if (len > (size_t)(r->end - r->at)) {
		r->drop = TUPLE_TRUNCATED;
		return zeros;
	}
	r->at += len;
	return at;
}

static void refuse(struct tuple_reader *r, enum tuple_drop why)
{
	if (r->drop == TUPLE_OK)
		r->drop = why;
}

static void get_endpoint(struct tuple_reader *r, uint8_t family, struct lb_endpoint *out)
{
	*out = (struct lb_endpoint){.addr.family = family};
	memcpy(out->addr.bytes, take(r, lb_addr_size(&out->addr)), lb_addr_size(&out->addr));
	out->port = lb_get16(take(r, 2));
}

static uint32_t get_slot(struct tuple_reader *r)
{
	uint32_t slot = 0;
	uint8_t byte = 0x80;
	unsigned n = 0;

	for (; (byte & 0x80) != 0 && n < SLOT_BYTES; n++) {
		byte = *take(r, 1);
		slot |= (uint32_t)(byte & 0x7f) << (7 * n);
	}
	/* One encoding of each number. */
	if ((byte & 0x80) != 0 || (n > 1 && byte == 0) || slot >= TUPLE_SLOTS)
		refuse(r, TUPLE_VALUE);
	return slot;
}

static void get_place(struct tuple_reader *r)
{
	struct lb_endpoint vip, server = {0};
	unsigned kind = *take(r, 1);
	uint8_t family = (kind & PLACE_IPV6) != 0 ? AF_INET6 : AF_INET;

	if ((kind & ~(unsigned)PLACE_KNOWN) != 0)
		refuse(r, TUPLE_VALUE);
	get_endpoint(r, family, &vip);
	if ((kind & PLACE_SERVER) != 0)
		get_endpoint(r, family, &server);
	/* A place is told because a connection at it follows, and because it is another one. */
	if (r->place_unused ||
	    (r->has_place && lb_endpoint_equal(&vip, &r->vip) && lb_endpoint_equal(&server, &r->server)))
		refuse(r, TUPLE_VALUE);
	r->vip = vip;
	r->server = server;
	r->has_place = r->place_unused = true;
}

static void get_opened(struct tuple_reader *r, size_t shared, struct tuple_change *out)
{
	struct lb_tuple *t = &out->tuple;
	size_t size = lb_addr_size(&r->vip.addr);

	*out = (struct tuple_change){.kind = TUPLE_OPENED};
	t->vip = r->vip;
	t->server = r->server;
	t->client.addr.family = r->vip.addr.family;
	if (!r->has_place || shared > size) {
		refuse(r, TUPLE_VALUE);
		return;
	}
	if (r->client.family == t->client.addr.family)
		memcpy(t->client.addr.bytes, r->client.bytes, shared);
	memcpy(t->client.addr.bytes + shared, take(r, size - shared), size - shared);
	t->client.port = lb_get16(take(r, 2));
	out->slot = get_slot(r);
	if (t->server.addr.family != 0)
		t->source_port = lb_get16(take(r, 2));
	if (!tuple_ok(t) || shared != shared_bytes(&r->client, &t->client.addr))
		refuse(r, TUPLE_VALUE);
	r->client = t->client.addr;
	r->place_unused = false;
}

bool tuple_reader_next(struct tuple_reader *r, struct tuple_change *out)
{
	unsigned tag;

	if (r->drop != TUPLE_OK)
		return false;
	while (r->at < r->end) {
		tag = *take(r, 1);
		if (tag == RECORD_PLACE) {
			get_place(r);
		} else if (tag == RECORD_CLOSED) {
			*out = (struct tuple_change){.kind = TUPLE_CLOSED, .slot = get_slot(r)};
			if (r->place_unused)
				refuse(r, TUPLE_VALUE);
			return r->drop == TUPLE_OK;
		} else if (tag >= RECORD_OPENED && tag <= RECORD_OPENED + 16) {
			get_opened(r, tag - RECORD_OPENED, out);
			return r->drop == TUPLE_OK;
		} else {
			refuse(r, TUPLE_UNKNOWN);
		}
		if (r->drop != TUPLE_OK)
			return false;
	}
	if (r->place_unused)
		refuse(r, TUPLE_TRUNCATED);
	return false;
}

void tuple_reader_init(struct tuple_reader *r, const uint8_t *batch, size_t len)
{
	*r = (struct tuple_reader){.at = batch + HEAD_BYTES, .end = batch + len, .anew = (batch[1] & FLAG_ANEW) != 0};
}

enum tuple_drop tuple_batch_check(const uint8_t *batch, size_t len)
{
	struct tuple_reader r;
	struct tuple_change change;

	if (len < HEAD_BYTES || len > TUPLE_BATCH_MAX)
		return TUPLE_TRUNCATED;
	if (batch[0] != TUPLE_FORMAT)
		return TUPLE_UNKNOWN;
	if ((batch[1] & ~(unsigned)FLAG_ANEW) != 0)
		return TUPLE_VALUE;
	tuple_reader_init(&r, batch, len);
	while (tuple_reader_next(&r, &change))
		;
	return r.drop;
}
