/*
 * The HMAC extension of VRRP (28-byte trailer, wire format of keepalived >= 2.4.2): sign, verify, replay window.
 */
#ifndef LB_VRRP_AUTH_H
#define LB_VRRP_AUTH_H

#include <lb/vrrp_packet.h>

#define VRRP_TRAILER_BYTES 28
#define VRRP_KEY_MIN	   32
#define VRRP_KEY_MAX	   64

/* A shared key; id 1..255 travels in the trailer. */
struct vrrp_key {
	uint8_t id;
	uint8_t length;
	uint8_t bytes[VRRP_KEY_MAX];
};

/* Sequence of a trailer: seconds, 1/65536 s and a counter as one 64-bit number that only grows. */
typedef uint64_t vrrp_sequence;

/*
 * Append the trailer to a message of len bytes in buf (cap >= len + 28) sent from source; returns the new length or 0.
 * For an IPv6 source the checksum of the message is extended over the trailer, as the kernel of the receiver sees it.
 */
size_t vrrp_auth_sign(const struct vrrp_key *key, const struct lb_addr *source, vrrp_sequence sequence, uint8_t *buf,
		      size_t len, size_t cap);

/*
 * Verify the trailer at the end of msg (len includes it) against every key that has its id, each in constant time.
 * VRRP_OK fills *sequence; the caller judges replay with vrrp_replay_ok. Else VRRP_DROP_AUTH or VRRP_DROP_LENGTH.
 */
enum vrrp_drop vrrp_auth_verify(const struct vrrp_key *keys, size_t key_count, const struct lb_addr *source,
				const uint8_t *msg, size_t len, vrrp_sequence *sequence);

/* True when sequence is newer than *last (RFC 1982 on 64 bits; *last 0 = none yet) and then stores it. */
bool vrrp_replay_ok(vrrp_sequence *last, vrrp_sequence sequence);

/*
 * HMAC-SHA256 truncated to 16 bytes over two pieces (b_len 0: one); used by the trailer and by the peer link. Allocates
 * nothing. False when the crypto library failed: out is zero then and must neither be sent nor compared with.
 */
bool lb_hmac16(const uint8_t *key, size_t key_len, const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[16]);
/* Constant-time comparison of 16 bytes. */
bool lb_hmac16_equal(const uint8_t a[16], const uint8_t b[16]);

#endif
