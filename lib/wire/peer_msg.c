#include <lb/peer_msg.h>

#include <string.h>

#include <lb/bytes.h>
#include <lb/vrrp_auth.h>

/*
 * Layout, network byte order:
 *   0 magic "LBDP"   4 format (1)    5 kind           6 flags          7 state
 *   8 length (2)     10 priority     11 zero          12 nonce (8)     20 sequence (8)
 *  28 echo nonce (8) 36 echo sequence (8)             44 config hash (4)
 *  48 ready servers (4)              52 total servers (4)              56 hand-over id (8)
 *  64 first service (2)              66 services in all (2)            68 services here (2)
 *  70 node, version, text: one length byte and so many printable characters each
 *     services: name hash (4), ready (2), total (2) each
 *     HMAC (16) over everything before it, when the flag says so
 * length counts the whole datagram. Every struct has exactly one encoding.
 */
enum {
	FORMAT = 1,
	HEAD_BYTES = 70,
	SERVICE_BYTES = 8,
	MAC_BYTES = 16,
	FLAG_CAN_SERVE = 0x01,
	FLAG_STANDBY = 0x02,
	FLAG_SIGNED = 0x80,
	FLAGS_KNOWN = FLAG_CAN_SERVE | FLAG_STANDBY | FLAG_SIGNED,
};

static const uint8_t magic[4] = {'L', 'B', 'D', 'P'};

static const char *const drop_names[PEER_DROP_COUNT_] = {
    [PEER_OK] = "ok",
    [PEER_DROP_TRUNCATED] = "truncated",
    [PEER_DROP_MAGIC] = "magic",
    [PEER_DROP_VERSION] = "version",
    [PEER_DROP_LENGTH] = "length",
    [PEER_DROP_AUTH] = "auth",
    [PEER_DROP_VALUE] = "value",
    [PEER_DROP_SOURCE] = "source",
    [PEER_DROP_REPLAY] = "replay",
};

const char *peer_drop_name(enum peer_drop drop)
{
	return (unsigned)drop < PEER_DROP_COUNT_ ? drop_names[drop] : "unknown";
}

/* ---- rules that hold for a struct to be sent as well as for one received ---- */

/* Text reaches logs and terminals of another node, so only printable ASCII travels. */
static bool printable(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	if (len == size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static bool values_ok(const struct peer_msg *msg)
{
	if (msg->kind < PEER_HEARTBEAT || msg->kind > PEER_KIND_LAST_)
		return false;
	if ((unsigned)msg->state > VRRP_FAULT)
		return false;
	/* 0 means "none" in both, and a sender has always drawn and counted. */
	if (msg->nonce == 0 || msg->sequence == 0)
		return false;
	if (msg->ready_servers > msg->total_servers)
		return false;
	if (msg->node[0] == '\0' || !printable(msg->node, sizeof(msg->node)))
		return false;
	if (!printable(msg->version, sizeof(msg->version)) || !printable(msg->text, sizeof(msg->text)))
		return false;
	if (msg->service_count > PEER_MSG_SERVICES_MAX)
		return false;
	if (msg->service_offset + msg->service_count > msg->service_count_total)
		return false;
	for (size_t i = 0; i < msg->service_count; i++)
		if (msg->services[i].ready > msg->services[i].total)
			return false;
	return true;
}

/* ---- encode ---- */

static uint8_t *put_text(uint8_t *at, const char *text)
{
	size_t len = strlen(text);

	*at = (uint8_t)len;
	memcpy(at + 1, text, len);
	return at + 1 + len;
}

static void put_head(const struct peer_msg *msg, bool sign, size_t len, uint8_t *out)
{
	memcpy(out, magic, sizeof(magic));
	out[4] = FORMAT;
	out[5] = (uint8_t)msg->kind;
	out[6] = (uint8_t)((msg->can_serve ? FLAG_CAN_SERVE : 0) | (msg->standby ? FLAG_STANDBY : 0) |
			   (sign ? FLAG_SIGNED : 0));
	out[7] = (uint8_t)msg->state;
	lb_put16(out + 8, (uint16_t)len);
	out[10] = msg->priority;
	out[11] = 0;
	lb_put64(out + 12, msg->nonce);
	lb_put64(out + 20, msg->sequence);
	lb_put64(out + 28, msg->echo_nonce);
	lb_put64(out + 36, msg->echo_sequence);
	lb_put32(out + 44, msg->config_hash);
	lb_put32(out + 48, msg->ready_servers);
	lb_put32(out + 52, msg->total_servers);
	lb_put64(out + 56, msg->handover);
	lb_put16(out + 64, msg->service_offset);
	lb_put16(out + 66, msg->service_count_total);
	lb_put16(out + 68, msg->service_count);
}

size_t peer_msg_encode(const struct peer_msg *msg, const uint8_t *key, size_t key_len, uint8_t *out, size_t cap)
{
	if (!values_ok(msg))
		return 0;
	size_t body = HEAD_BYTES + 3 + strlen(msg->node) + strlen(msg->version) + strlen(msg->text) +
		      (size_t)msg->service_count * SERVICE_BYTES;
	size_t len = body + (key ? MAC_BYTES : 0);
	if (len > cap || len > PEER_MSG_MAX)
		return 0;

	put_head(msg, key != NULL, len, out);
	uint8_t *at = put_text(out + HEAD_BYTES, msg->node);
	at = put_text(at, msg->version);
	at = put_text(at, msg->text);
	for (size_t i = 0; i < msg->service_count; i++, at += SERVICE_BYTES) {
		lb_put32(at, msg->services[i].name_hash);
		lb_put16(at + 4, msg->services[i].ready);
		lb_put16(at + 6, msg->services[i].total);
	}
	if (key && !lb_hmac16(key, key_len, out, body, NULL, 0, at))
		return 0;
	return len;
}

/* ---- decode ---- */

/* What is left to read. */
struct input {
	const uint8_t *at, *end;
};

/* One length-prefixed text; out has room for size bytes with the NUL. An embedded NUL would have a second encoding. */
static bool get_text(struct input *in, char *out, size_t size)
{
	if (in->at == in->end)
		return false;
	size_t len = *in->at;

	if (len >= size || len > (size_t)(in->end - in->at) - 1 || memchr(in->at + 1, '\0', len))
		return false;
	memcpy(out, in->at + 1, len);
	in->at += 1 + len;
	return true;
}

static void get_head(const uint8_t *buf, struct peer_msg *out)
{
	out->kind = (enum peer_msg_kind)buf[5];
	out->can_serve = (buf[6] & FLAG_CAN_SERVE) != 0;
	out->standby = (buf[6] & FLAG_STANDBY) != 0;
	out->state = (enum vrrp_state)buf[7];
	out->priority = buf[10];
	out->nonce = lb_get64(buf + 12);
	out->sequence = lb_get64(buf + 20);
	out->echo_nonce = lb_get64(buf + 28);
	out->echo_sequence = lb_get64(buf + 36);
	out->config_hash = lb_get32(buf + 44);
	out->ready_servers = lb_get32(buf + 48);
	out->total_servers = lb_get32(buf + 52);
	out->handover = lb_get64(buf + 56);
	out->service_offset = lb_get16(buf + 64);
	out->service_count_total = lb_get16(buf + 66);
	out->service_count = lb_get16(buf + 68);
}

static bool authentic(const uint8_t *buf, size_t len, const uint8_t *key, size_t key_len)
{
	uint8_t expected[MAC_BYTES];
	bool is_signed = (buf[6] & FLAG_SIGNED) != 0;

	if (is_signed != (key != NULL))
		return false;
	if (!key)
		return true;
	if (len < HEAD_BYTES + MAC_BYTES)
		return false;
	return lb_hmac16(key, key_len, buf, len - MAC_BYTES, NULL, 0, expected) &&
	       lb_hmac16_equal(expected, buf + len - MAC_BYTES);
}

/* The part of variable length. Everything must be used up, so that no bytes hide behind the message. */
static bool get_body(struct input *in, struct peer_msg *out)
{
	if (!get_text(in, out->node, sizeof(out->node)) || !get_text(in, out->version, sizeof(out->version)) ||
	    !get_text(in, out->text, sizeof(out->text)))
		return false;
	if (out->service_count > PEER_MSG_SERVICES_MAX)
		return false;
	if ((size_t)(in->end - in->at) != (size_t)out->service_count * SERVICE_BYTES)
		return false;
	for (size_t i = 0; i < out->service_count; i++, in->at += SERVICE_BYTES)
		out->services[i] = (struct peer_service){
		    .name_hash = lb_get32(in->at), .ready = lb_get16(in->at + 4), .total = lb_get16(in->at + 6)};
	return true;
}

enum peer_drop peer_msg_decode(const uint8_t *buf, size_t len, const uint8_t *key, size_t key_len, struct peer_msg *out)
{
	if (len < HEAD_BYTES)
		return PEER_DROP_TRUNCATED;
	if (memcmp(buf, magic, sizeof(magic)) != 0)
		return PEER_DROP_MAGIC;
	if (buf[4] != FORMAT)
		return PEER_DROP_VERSION;
	if (lb_get16(buf + 8) != len || len > PEER_MSG_MAX)
		return PEER_DROP_LENGTH;
	if (!authentic(buf, len, key, key_len))
		return PEER_DROP_AUTH;
	if ((buf[6] & ~FLAGS_KNOWN) != 0 || buf[11] != 0)
		return PEER_DROP_VALUE;

	struct input in = {.at = buf + HEAD_BYTES, .end = buf + len - (key ? MAC_BYTES : 0)};
	memset(out, 0, sizeof(*out));
	get_head(buf, out);
	if (!get_body(&in, out) || !values_ok(out))
		return PEER_DROP_VALUE;
	return PEER_OK;
}
