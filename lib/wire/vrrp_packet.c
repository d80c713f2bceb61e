#include <lb/vrrp_packet.h>

#include <string.h>

#include <lb/bytes.h>

enum {
	HEAD_BYTES = 8,
	V2_AUTH_BYTES = 8,
	TYPE_ADVERTISEMENT = 1,
	OFFSET_CHECKSUM = 6,
};

#define V3_INTERVAL_UNIT LB_MSEC(10)
#define V3_INTERVAL_MAX	 4095
#define V2_INTERVAL_UNIT LB_SEC(1)
#define V2_INTERVAL_MAX	 255

static const char *const drop_names[VRRP_DROP_COUNT_] = {
    [VRRP_OK] = "ok",
    [VRRP_DROP_TRUNCATED] = "truncated",
    [VRRP_DROP_IP_HEADER] = "ip-header",
    [VRRP_DROP_VERSION] = "version",
    [VRRP_DROP_TYPE] = "type",
    [VRRP_DROP_VRID] = "vrid",
    [VRRP_DROP_TTL] = "ttl",
    [VRRP_DROP_ADDRESS_COUNT] = "address-count",
    [VRRP_DROP_LENGTH] = "length",
    [VRRP_DROP_AUTH] = "auth",
    [VRRP_DROP_REPLAY] = "replay",
    [VRRP_DROP_CHECKSUM] = "checksum",
    [VRRP_DROP_INTERVAL] = "interval",
    [VRRP_DROP_OWN] = "own",
    [VRRP_DROP_SOURCE] = "source",
    [VRRP_DROP_DESTINATION] = "destination",
    [VRRP_DROP_LINK_LOCAL] = "link-local",
};

const char *vrrp_drop_name(enum vrrp_drop drop)
{
	return (unsigned)drop < VRRP_DROP_COUNT_ ? drop_names[drop] : "unknown";
}

uint32_t vrrp_checksum_add(uint32_t sum, const uint8_t *data, size_t len)
{
	uint64_t wide = sum;

	for (; len > 1; data += 2, len -= 2)
		wide += lb_get16(data);
	/* RFC 1071: an odd last byte counts as the high half of a 16-bit word. */
	if (len == 1)
		wide += (uint64_t)data[0] << 8;
	while (wide >> 32 != 0)
		wide = (wide & 0xffffffff) + (wide >> 32);
	return (uint32_t)wide;
}

uint16_t vrrp_checksum_fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The IP pseudo header of len message bytes, as RFC 8200 section 8.1 and RFC 793 lay it out. */
static uint32_t pseudo_header_sum(const struct vrrp_advert *advert, size_t len)
{
	size_t size = lb_addr_size(&advert->source);
	uint32_t sum = (uint32_t)len + VRRP_IP_PROTOCOL;

	sum = vrrp_checksum_add(sum, advert->source.bytes, size);
	return vrrp_checksum_add(sum, advert->destination.bytes, size);
}

/* What the checksum field of msg ought to be in the given form, whatever it holds now. */
static uint16_t checksum_of(const uint8_t *msg, size_t len, const struct vrrp_advert *advert,
			    enum vrrp_checksum_form form)
{
	uint32_t sum = form == VRRP_CHECKSUM_PSEUDO ? pseudo_header_sum(advert, len) : 0;

	sum = vrrp_checksum_add(sum, msg, OFFSET_CHECKSUM);
	sum = vrrp_checksum_add(sum, msg + OFFSET_CHECKSUM + 2, len - OFFSET_CHECKSUM - 2);
	return vrrp_checksum_fold(sum);
}

/* Version 2 has no pseudo header, IPv6 always has one; only version 3 over IPv4 exists in both forms. */
static enum vrrp_checksum_form checksum_form_of(const struct vrrp_advert *advert, enum vrrp_checksum_form wanted)
{
	if (advert->version == 2)
		return VRRP_CHECKSUM_MESSAGE;
	return advert->source.family == AF_INET6 ? VRRP_CHECKSUM_PSEUDO : wanted;
}

/* The interval in the version's unit, or 0 when it cannot be expressed. */
static uint16_t interval_field(const struct vrrp_advert *advert)
{
	lb_duration unit = advert->version == 2 ? V2_INTERVAL_UNIT : V3_INTERVAL_UNIT;
	lb_duration max = advert->version == 2 ? V2_INTERVAL_MAX : V3_INTERVAL_MAX;

	if (advert->interval <= 0 || advert->interval % unit != 0 || advert->interval / unit > max)
		return 0;
	return (uint16_t)(advert->interval / unit);
}

static size_t message_bytes(uint8_t version, size_t address_size, size_t count)
{
	return HEAD_BYTES + address_size * count + (version == 2 ? V2_AUTH_BYTES : 0);
}

static bool encodable(const struct vrrp_advert *advert)
{
	uint8_t family = advert->source.family;

	if (advert->version != 2 && advert->version != 3)
		return false;
	if (family != AF_INET && (family != AF_INET6 || advert->version == 2))
		return false;
	if (advert->destination.family != family || advert->vrid == 0 || interval_field(advert) == 0)
		return false;
	if (advert->address_count == 0 || advert->address_count > VRRP_MAX_ADDRESSES)
		return false;
	for (size_t i = 0; i < advert->address_count; i++)
		if (advert->addresses[i].family != family)
			return false;
	return true;
}

size_t vrrp_encode(const struct vrrp_advert *advert, enum vrrp_checksum_form form, uint8_t *out, size_t cap)
{
	if (!encodable(advert))
		return 0;
	size_t size = lb_addr_size(&advert->source);
	size_t len = message_bytes(advert->version, size, advert->address_count);
	if (len > cap)
		return 0;

	out[0] = (uint8_t)(advert->version << 4 | TYPE_ADVERTISEMENT);
	out[1] = advert->vrid;
	out[2] = advert->priority;
	out[3] = advert->address_count;
	lb_put16(out + 4, interval_field(advert));
	if (advert->version == 2)
		out[4] = advert->auth_type;

	uint8_t *at = out + HEAD_BYTES;
	for (size_t i = 0; i < advert->address_count; i++, at += size)
		memcpy(at, advert->addresses[i].bytes, size);
	/* RFC 3768 section 5.3.10: the authentication data is there for every type, zero for type 0. */
	if (advert->version == 2)
		memcpy(at, advert->auth_data, V2_AUTH_BYTES);

	lb_put16(out + OFFSET_CHECKSUM, checksum_of(out, len, advert, checksum_form_of(advert, form)));
	return len;
}

/* Refusals that need only the first eight bytes and the length. */
static enum vrrp_drop judge_shape(const uint8_t *msg, size_t len, size_t trailer_len, uint8_t family)
{
	uint8_t version = msg[0] >> 4;
	size_t address_size = family == AF_INET6 ? 16 : 4;

	if (version != 3 && (version != 2 || family == AF_INET6))
		return VRRP_DROP_VERSION;
	if ((msg[0] & 0x0f) != TYPE_ADVERTISEMENT)
		return VRRP_DROP_TYPE;
	/* RFC 9568 erratum 8299: at least one address. */
	if (msg[3] == 0 || msg[3] > VRRP_MAX_ADDRESSES)
		return VRRP_DROP_ADDRESS_COUNT;
	if (len != message_bytes(version, address_size, msg[3]) + trailer_len)
		return VRRP_DROP_LENGTH;
	return VRRP_OK;
}

/*
 * Does the checksum field match in a form that exists for this version and family? The trailer of the HMAC extension
 * lies outside of the checksum except over IPv6, where the kernel computes it over the whole payload.
 */
static bool checksum_matches(const uint8_t *msg, size_t len, size_t trailer_len, const struct vrrp_advert *advert,
			     enum vrrp_checksum_form *form)
{
	static const enum vrrp_checksum_form order[] = {VRRP_CHECKSUM_PSEUDO, VRRP_CHECKSUM_MESSAGE};
	size_t covered = advert->source.family == AF_INET6 ? len : len - trailer_len;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (checksum_form_of(advert, order[i]) != order[i])
			continue;
		if (lb_get16(msg + OFFSET_CHECKSUM) != checksum_of(msg, covered, advert, order[i]))
			continue;
		*form = order[i];
		return true;
	}
	return false;
}

static void read_fields(const uint8_t *msg, struct vrrp_advert *advert)
{
	advert->version = msg[0] >> 4;
	advert->vrid = msg[1];
	advert->priority = msg[2];
	advert->address_count = msg[3];
	advert->auth_type = advert->version == 2 ? msg[4] : 0;
	/* RFC 9568 section 5.2.6: the reserved bits above the interval are ignored on receipt. */
	advert->interval =
	    advert->version == 2 ? msg[5] * V2_INTERVAL_UNIT : (lb_get16(msg + 4) & 0x0fff) * V3_INTERVAL_UNIT;

	size_t size = lb_addr_size(&advert->source);
	const uint8_t *at = msg + HEAD_BYTES;
	memset(advert->addresses, 0, sizeof(advert->addresses));
	for (size_t i = 0; i < advert->address_count; i++, at += size) {
		advert->addresses[i].family = advert->source.family;
		memcpy(advert->addresses[i].bytes, at, size);
	}

	memset(advert->auth_data, 0, sizeof(advert->auth_data));
	if (advert->version == 2)
		memcpy(advert->auth_data, at, V2_AUTH_BYTES);
}

enum vrrp_drop vrrp_decode(const uint8_t *msg, size_t len, size_t trailer_len, struct vrrp_advert *advert,
			   enum vrrp_checksum_form *form)
{
	if (len < HEAD_BYTES)
		return VRRP_DROP_TRUNCATED;
	if (lb_addr_size(&advert->source) == 0 || advert->destination.family != advert->source.family)
		return VRRP_DROP_IP_HEADER;
	enum vrrp_drop drop = judge_shape(msg, len, trailer_len, advert->source.family);
	if (drop != VRRP_OK)
		return drop;

	read_fields(msg, advert);
	if (!checksum_matches(msg, len, trailer_len, advert, form))
		return VRRP_DROP_CHECKSUM;
	/* RFC 9568 erratum 8301: an interval of zero must be rejected. */
	if (advert->interval == 0)
		return VRRP_DROP_INTERVAL;
	return VRRP_OK;
}
