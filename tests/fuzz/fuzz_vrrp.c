/*
 * Whatever arrives on the VRRP socket: never a crash, and what is accepted encodes to the same bytes again. The first
 * byte says how the rest is read, so that mutation reaches behind the checksum and the HMAC.
 */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/vrrp_accept.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MODE_IPV6 = 0x01,
	MODE_SEAL = 0x02,     /* put a right checksum in first */
	MODE_SIGN = 0x04,     /* put a right trailer behind first */
	MODE_DATAGRAM = 0x08, /* through vrrp_accept_datagram */
};

static const struct lb_addr source4 =
				{
				    AF_INET, {10, 77, 0, 1}
},
			    own4 = {AF_INET, {10, 77, 0, 2}};
static const struct lb_addr source6 = {
    AF_INET6, {0xfe, 0x80, [15] = 0xc8}
};
static const struct lb_addr own6 = {
    AF_INET6, {0xfe, 0x80, [15] = 0xc9}
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* The message-only form for IPv4, the pseudo header for IPv6. */
static void seal(uint8_t *msg, size_t len, bool ipv6)
{
	uint32_t sum = 0;

	lb_put16(msg + 6, 0);
	if (ipv6) {
		sum = vrrp_checksum_add((uint32_t)len + VRRP_IP_PROTOCOL, source6.bytes, 16);
		sum = vrrp_checksum_add(sum, own6.bytes, 16);
	}
	lb_put16(msg + 6, vrrp_checksum_fold(vrrp_checksum_add(sum, msg, len)));
}

static void decode(const uint8_t *msg, size_t len, bool ipv6)
{
	struct vrrp_advert advert = {.source = ipv6 ? source6 : source4, .destination = ipv6 ? own6 : own4};
	enum vrrp_checksum_form form;
	uint8_t again[VRRP_MAX_BYTES];

	if (vrrp_decode(msg, len, 0, &advert, &form) != VRRP_OK || advert.vrid == 0)
		return;
	size_t n = vrrp_encode(&advert, form, again, sizeof(again));
	require(n == len);
	/* Reserved bits are ignored on receipt and so do not come back; they are part of the sum. */
	if (advert.version == 3 && (msg[4] & 0xf0) != 0)
		return;
	require(memcmp(again, msg, len) == 0);
}

static void verify(uint8_t *msg, size_t len, size_t cap, bool ipv6, bool sign)
{
	const struct vrrp_key key = {.id = 1, .length = 32, .bytes = "0123456789abcdef0123456789abcde"};
	const struct lb_addr *source = ipv6 ? &source6 : &source4;
	vrrp_sequence sequence = 0;

	if (!sign) {
		vrrp_auth_verify(&key, 1, source, msg, len, &sequence);
		return;
	}
	size_t n = vrrp_auth_sign(&key, source, 42, msg, len, cap);
	if (n == 0 || n > VRRP_MAX_BYTES)
		return;
	require(vrrp_auth_verify(&key, 1, source, msg, n, &sequence) == VRRP_OK && sequence == 42);
	msg[n - 1] ^= 1;
	require(vrrp_auth_verify(&key, 1, source, msg, n, &sequence) == VRRP_DROP_AUTH);
}

static void datagram(const uint8_t *bytes, size_t len, bool ipv6)
{
	const struct vrrp_policy policy = {.version = len % 2 ? 2 : 3,
					   .vrid = 51,
					   .interval = LB_SEC(1),
					   .multicast = true,
					   .own = ipv6 ? &own6 : &own4,
					   .message_checksum = true,
					   .pseudo_checksum = true};
	const struct vrrp_keyring none = {.count = 0};
	const struct vrrp_datagram in = {ipv6 ? AF_INET6 : AF_INET, bytes, len, source6, own6, VRRP_TTL};
	struct vrrp_accepted out;

	if (vrrp_accept_datagram(&policy, &none, &in, &out) == VRRP_OK)
		require(out.advert.vrid == 51 && out.advert.address_count > 0 && out.advert.interval > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t msg[2048];

	if (size < 1 || size > 1024)
		return 0;
	uint8_t mode = data[0];
	size_t len = size - 1;
	bool ipv6 = (mode & MODE_IPV6) != 0;
	memcpy(msg, data + 1, len);

	if (mode & MODE_DATAGRAM) {
		datagram(msg, len, ipv6);
		return 0;
	}
	if ((mode & MODE_SEAL) && len >= 8)
		seal(msg, len, ipv6);
	decode(msg, len, ipv6);
	verify(msg, len, sizeof(msg), ipv6, (mode & MODE_SIGN) != 0);
	return 0;
}
