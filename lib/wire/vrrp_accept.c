#include <lb/vrrp_accept.h>

#include <string.h>

#include <lb/bytes.h>

enum {
	VRRP_HEAD_BYTES = 8,
	IPV4_HEAD_BYTES = 20,
};

/* ---- rules about one fact each; true means refuse ---- */

/* RFC 9568 section 5.1.1.3: a packet with a TTL other than 255 was forwarded. The VIP never leaves its segment, so this
 * holds for unicast too. */
static bool ttl_refused(int ttl)
{
	return ttl != -1 && ttl != VRRP_TTL;
}

static bool is_multicast_group(const struct lb_addr *addr)
{
	static const struct lb_addr group4 = {
	    AF_INET, {224, 0, 0, 18}
	    };
	static const struct lb_addr group6 = {
	    AF_INET6, {0xff, 0x02, [15] = 0x12}
	       };

	return lb_addr_equal(addr, &group4) || lb_addr_equal(addr, &group6);
}

static bool is_multicast(const struct lb_addr *addr)
{
	return addr->family == AF_INET ? (addr->bytes[0] & 0xf0) == 0xe0 : addr->bytes[0] == 0xff;
}

static bool destination_refused(const struct vrrp_policy *policy, const struct lb_addr *destination)
{
	return policy->multicast ? !is_multicast_group(destination) : is_multicast(destination);
}

/* Unicast: only configured nodes speak. Multicast: whoever shares the VRID does. */
static bool source_refused(const struct vrrp_policy *policy, const struct lb_addr *source)
{
	if (policy->multicast)
		return false;
	for (size_t i = 0; i < policy->peer_count; i++)
		if (lb_addr_equal(&policy->peers[i], source))
			return false;
	return true;
}

/* Version 2: type and data as configured. The password is on the wire in clear, so timing reveals nothing new. */
static bool password_refused(const struct vrrp_policy *policy, uint8_t auth_type, const uint8_t auth_data[8])
{
	if (policy->version != 2)
		return false;
	return auth_type != policy->auth_type || (auth_type != 0 && memcmp(auth_data, policy->auth_data, 8) != 0);
}

static bool form_refused(const struct vrrp_policy *policy, const struct vrrp_advert *advert,
			 enum vrrp_checksum_form form)
{
	if (advert->version != 3 || advert->source.family != AF_INET)
		return false;
	return form == VRRP_CHECKSUM_PSEUDO ? !policy->pseudo_checksum : !policy->message_checksum;
}

/* RFC 9568 erratum 8300: the first address of an IPv6 advert is link-local (fe80::/10). */
static bool link_local_refused(const struct lb_addr *first)
{
	return first->family == AF_INET6 && (first->bytes[0] != 0xfe || (first->bytes[1] & 0xc0) != 0x80);
}

enum vrrp_drop vrrp_accept(const struct vrrp_policy *policy, const struct vrrp_advert *advert, int ttl,
			   enum vrrp_checksum_form form)
{
	if (advert->version != policy->version)
		return VRRP_DROP_VERSION;
	if (advert->vrid != policy->vrid)
		return VRRP_DROP_VRID;
	if (ttl_refused(ttl))
		return VRRP_DROP_TTL;
	if (password_refused(policy, advert->auth_type, advert->auth_data))
		return VRRP_DROP_AUTH;
	if (form_refused(policy, advert, form))
		return VRRP_DROP_CHECKSUM;
	/* RFC 3768 section 7.1: another interval means discard; version 3 adopts it. */
	if (advert->version == 2 && advert->interval != policy->interval)
		return VRRP_DROP_INTERVAL;
	if (policy->own && lb_addr_equal(&advert->source, policy->own))
		return VRRP_DROP_OWN;
	if (source_refused(policy, &advert->source))
		return VRRP_DROP_SOURCE;
	if (destination_refused(policy, &advert->destination))
		return VRRP_DROP_DESTINATION;
	if (link_local_refused(&advert->addresses[0]))
		return VRRP_DROP_LINK_LOCAL;
	return VRRP_OK;
}

/* The VRRP message inside a datagram, and what the IP header says of it. */
struct envelope {
	const uint8_t *msg;
	size_t len;
	int ttl;
};

/* Open an IPv4 datagram: a whole, unfragmented packet of protocol 112 with a header that agrees with its length. */
static enum vrrp_drop open_ipv4(const struct vrrp_datagram *in, struct envelope *out, struct vrrp_advert *advert)
{
	const uint8_t *ip = in->bytes;

	if (in->len < IPV4_HEAD_BYTES)
		return VRRP_DROP_TRUNCATED;
	size_t head = (size_t)(ip[0] & 0x0f) * 4;
	if (ip[0] >> 4 != 4 || head < IPV4_HEAD_BYTES || head > in->len)
		return VRRP_DROP_IP_HEADER;
	if (lb_get16(ip + 2) != in->len || ip[9] != VRRP_IP_PROTOCOL)
		return VRRP_DROP_IP_HEADER;
	if ((lb_get16(ip + 6) & 0x3fff) != 0) /* more fragments, or an offset */
		return VRRP_DROP_IP_HEADER;

	advert->source.family = advert->destination.family = AF_INET;
	memcpy(advert->source.bytes, ip + 12, 4);
	memcpy(advert->destination.bytes, ip + 16, 4);
	*out = (struct envelope){.msg = ip + head, .len = in->len - head, .ttl = ip[8]};
	return VRRP_OK;
}

static enum vrrp_drop open_datagram(const struct vrrp_datagram *in, struct envelope *out, struct vrrp_advert *advert)
{
	if (in->family == AF_INET)
		return open_ipv4(in, out, advert);
	if (in->family != AF_INET6 || in->source.family != AF_INET6 || in->destination.family != AF_INET6)
		return VRRP_DROP_IP_HEADER;
	advert->source = in->source;
	advert->destination = in->destination;
	*out = (struct envelope){.msg = in->bytes, .len = in->len, .ttl = in->ttl};
	return VRRP_OK;
}

/* What the first eight bytes and the length say, before anything is computed over them. */
static enum vrrp_drop judge_head(const struct vrrp_policy *policy, const struct envelope *e, uint8_t family,
				 size_t trailer_len)
{
	if (e->len < VRRP_HEAD_BYTES)
		return VRRP_DROP_TRUNCATED;
	if (e->msg[0] >> 4 != policy->version || (policy->version == 2 && family == AF_INET6))
		return VRRP_DROP_VERSION;
	if ((e->msg[0] & 0x0f) != 1)
		return VRRP_DROP_TYPE;
	if (e->msg[1] != policy->vrid)
		return VRRP_DROP_VRID;
	if (ttl_refused(e->ttl))
		return VRRP_DROP_TTL;
	if (e->msg[3] == 0 || e->msg[3] > VRRP_MAX_ADDRESSES)
		return VRRP_DROP_ADDRESS_COUNT;
	size_t addresses = (size_t)e->msg[3] * (family == AF_INET6 ? 16 : 4);
	if (e->len != VRRP_HEAD_BYTES + addresses + (policy->version == 2 ? 8 : 0) + trailer_len)
		return VRRP_DROP_LENGTH;
	return VRRP_OK;
}

enum vrrp_drop vrrp_accept_datagram(const struct vrrp_policy *policy, const struct vrrp_keyring *keyring,
				    const struct vrrp_datagram *in, struct vrrp_accepted *out)
{
	size_t trailer_len = keyring->count > 0 ? VRRP_TRAILER_BYTES : 0;
	struct envelope e;
	enum vrrp_drop drop;

	memset(out, 0, sizeof(*out));
	drop = open_datagram(in, &e, &out->advert);
	if (drop != VRRP_OK)
		return drop;
	drop = judge_head(policy, &e, out->advert.source.family, trailer_len);
	if (drop != VRRP_OK)
		return drop;

	/* Who says so is settled before the content is looked at. */
	if (keyring->count > 0)
		drop =
		    vrrp_auth_verify(keyring->keys, keyring->count, &out->advert.source, e.msg, e.len, &out->sequence);
	if (drop != VRRP_OK)
		return drop;
	if (policy->version == 2 && password_refused(policy, e.msg[4], e.msg + e.len - trailer_len - 8))
		return VRRP_DROP_AUTH;

	drop = vrrp_decode(e.msg, e.len, trailer_len, &out->advert, &out->form);
	if (drop != VRRP_OK)
		return drop;
	return vrrp_accept(policy, &out->advert, e.ttl, out->form);
}
