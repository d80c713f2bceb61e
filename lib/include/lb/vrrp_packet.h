/*
 * VRRP advertisements (RFC 9568 version 3, RFC 3768 version 2): bytes <-> a plain struct.
 *
 * Well-formed is judged here; whether an advert is acceptable to this router (VRID, source, TTL, address list) is
 * judged by vrrp_accept, one refusal a line, so that every drop has one reason.
 */
#ifndef LB_VRRP_PACKET_H
#define LB_VRRP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/time.h>

#define VRRP_IP_PROTOCOL   112
#define VRRP_TTL	   255
#define VRRP_MAX_ADDRESSES 32
#define VRRP_MAX_BYTES	   (8 + 16 * VRRP_MAX_ADDRESSES + 28) /* message and HMAC trailer */

/* Reasons for which a received advert is dropped, in the order in which they are judged (protocol.md 1.6). */
enum vrrp_drop {
	VRRP_OK,
	VRRP_DROP_TRUNCATED, /* shorter than its header says */
	VRRP_DROP_IP_HEADER, /* not a sane IP header or fragment */
	VRRP_DROP_VERSION,
	VRRP_DROP_TYPE,
	VRRP_DROP_VRID,
	VRRP_DROP_TTL,
	VRRP_DROP_ADDRESS_COUNT,
	VRRP_DROP_LENGTH,
	VRRP_DROP_AUTH, /* password or HMAC missing, unknown key or wrong */
	VRRP_DROP_REPLAY,
	VRRP_DROP_CHECKSUM,
	VRRP_DROP_INTERVAL,    /* v3: zero; v2: not our own */
	VRRP_DROP_OWN,	       /* our own packet came back */
	VRRP_DROP_SOURCE,      /* not a configured node */
	VRRP_DROP_DESTINATION, /* multicast to a unicast router or the reverse */
	VRRP_DROP_LINK_LOCAL,  /* IPv6: first address is not link-local */
	VRRP_DROP_COUNT_,
};

/* Short kebab-case word of a reason, for logs, metrics and lbctl. */
const char *vrrp_drop_name(enum vrrp_drop drop);

enum vrrp_checksum_form {
	VRRP_CHECKSUM_PSEUDO,  /* with the IP pseudo header (RFC 5798 as deployed; always for IPv6) */
	VRRP_CHECKSUM_MESSAGE, /* message only (RFC 9568 for IPv4; always for version 2) */
	VRRP_CHECKSUM_COUNT_,
};

struct vrrp_advert {
	uint8_t version; /* 2 or 3 */
	uint8_t vrid;
	uint8_t priority; /* 0 = leaving */
	uint8_t address_count;
	struct lb_addr addresses[VRRP_MAX_ADDRESSES];
	lb_duration interval; /* whole centiseconds (v3) or seconds (v2) */
	uint8_t auth_type;    /* v2: 0 none, 1 password */
	uint8_t auth_data[8]; /* v2 */
	struct lb_addr source, destination;
};

/*
 * Encode into out; returns the message length, or 0 when it does not fit cap, mixes families, or the interval is not
 * expressible. v2 always carries 8 bytes of authentication data.
 */
size_t vrrp_encode(const struct vrrp_advert *advert, enum vrrp_checksum_form form, uint8_t *out, size_t cap);

/*
 * Decode a message (without IP header) received from source to destination (in *advert on entry; both families equal).
 * trailer_len bytes at the end (0 or 28) belong to the HMAC extension: checked by vrrp_auth, not here. Fills the rest
 * of *advert and *form (which checksum form matched). Judges length, type, count, checksum, v3 zero interval.
 */
enum vrrp_drop vrrp_decode(const uint8_t *msg, size_t len, size_t trailer_len, struct vrrp_advert *advert,
			   enum vrrp_checksum_form *form);

/* What this router accepts. All pointers are borrowed. */
struct vrrp_policy {
	uint8_t version, vrid;
	lb_duration interval;		 /* v2: must match */
	uint8_t auth_type, auth_data[8]; /* v2 */
	bool multicast;
	const struct lb_addr *own;   /* our source address */
	const struct lb_addr *peers; /* unicast: configured peers */
	size_t peer_count;
	bool message_checksum, pseudo_checksum; /* accepted forms for v3 over IPv4 */
};

/* Is a decoded advert acceptable here? ttl as received, -1 unknown. */
enum vrrp_drop vrrp_accept(const struct vrrp_policy *policy, const struct vrrp_advert *advert, int ttl,
			   enum vrrp_checksum_form form);

/* RFC 1071 over data, continuing sum; fold with vrrp_checksum_fold. Exposed for tests and frame builders. */
uint32_t vrrp_checksum_add(uint32_t sum, const uint8_t *data, size_t len);
uint16_t vrrp_checksum_fold(uint32_t sum);

#endif
