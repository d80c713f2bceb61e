/* The digest functions without a context on the heap, see lb_hmac16. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <lb/vrrp_auth.h>

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <lb/bytes.h>

enum {
	TRAILER_TYPE_HMAC_SHA256 = 1,
	TRAILER_HEAD_BYTES = 12, /* type, key id, reserved, sequence */
	TRAILER_MAC_BYTES = 16,
	PSEUDO_BYTES = 20,
	MESSAGE_HEAD_BYTES = 8,
	OFFSET_CHECKSUM = 6,
};

/*
 * RFC 2104: H(K ^ opad, H(K ^ ipad, text)). The digest functions that keep their state on the caller's stack are used
 * although newer ones exist: those allocate for each message, and the election must not wait for memory.
 */
bool lb_hmac16(const uint8_t *key, size_t key_len, const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[16])
{
	uint8_t inner[SHA256_CBLOCK] = {0}, outer[SHA256_CBLOCK], digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;
	bool ok = true;

	/* RFC 2104 section 2: keys longer than a block are first hashed. */
	if (key_len > sizeof(inner))
		ok = SHA256_Init(&ctx) && SHA256_Update(&ctx, key, key_len) && SHA256_Final(inner, &ctx);
	else
		memcpy(inner, key, key_len);
	for (size_t i = 0; i < sizeof(inner); i++) {
		outer[i] = inner[i] ^ 0x5c;
		inner[i] ^= 0x36;
	}
	ok = ok && SHA256_Init(&ctx) && SHA256_Update(&ctx, inner, sizeof(inner)) && SHA256_Update(&ctx, a, a_len) &&
	     (b_len == 0 || SHA256_Update(&ctx, b, b_len)) && SHA256_Final(digest, &ctx);
	ok = ok && SHA256_Init(&ctx) && SHA256_Update(&ctx, outer, sizeof(outer)) &&
	     SHA256_Update(&ctx, digest, sizeof(digest)) && SHA256_Final(digest, &ctx);
	if (ok)
		memcpy(out, digest, 16);
	else
		memset(out, 0, 16);
	OPENSSL_cleanse(inner, sizeof(inner));
	OPENSSL_cleanse(outer, sizeof(outer));
	OPENSSL_cleanse(&ctx, sizeof(ctx));
	return ok;
}

bool lb_hmac16_equal(const uint8_t a[16], const uint8_t b[16])
{
	return CRYPTO_memcmp(a, b, 16) == 0;
}

/*
 * The authenticated bytes: pseudo header {family, version, VRID, 0, source}, the message with a zero checksum, the
 * trailer with a zero MAC. msg is followed by the first bytes of its trailer; len counts the message alone.
 */
static bool compute(const struct vrrp_key *key, const struct lb_addr *source, const uint8_t *msg, size_t len,
		    uint8_t out[16])
{
	uint8_t pseudo[PSEUDO_BYTES] = {source->family == AF_INET6 ? 6 : 4, msg[0] >> 4, msg[1]};
	uint8_t body[VRRP_MAX_BYTES + VRRP_TRAILER_BYTES];

	if (len + VRRP_TRAILER_BYTES > sizeof(body))
		return false;
	memcpy(pseudo + 4, source->bytes, 16);
	memcpy(body, msg, len + TRAILER_HEAD_BYTES);
	memset(body + OFFSET_CHECKSUM, 0, 2);
	memset(body + len + TRAILER_HEAD_BYTES, 0, TRAILER_MAC_BYTES);
	return lb_hmac16(key->bytes, key->length, pseudo, sizeof(pseudo), body, len + VRRP_TRAILER_BYTES, out);
}

static bool usable(const struct vrrp_key *key)
{
	return key->id != 0 && key->length >= VRRP_KEY_MIN && key->length <= VRRP_KEY_MAX;
}

/*
 * Over IPv6 the transport checksum covers the trailer. Its sum and the grown length are added to the checksum that
 * vrrp_encode wrote (RFC 1624), so the destination need not be known here.
 */
static void extend_checksum(uint8_t *msg, const uint8_t *trailer)
{
	uint32_t sum = (uint16_t)~lb_get16(msg + OFFSET_CHECKSUM);

	sum = vrrp_checksum_add(sum + VRRP_TRAILER_BYTES, trailer, VRRP_TRAILER_BYTES);
	lb_put16(msg + OFFSET_CHECKSUM, vrrp_checksum_fold(sum));
}

size_t vrrp_auth_sign(const struct vrrp_key *key, const struct lb_addr *source, vrrp_sequence sequence, uint8_t *buf,
		      size_t len, size_t cap)
{
	if (!usable(key) || lb_addr_size(source) == 0)
		return 0;
	if (len < MESSAGE_HEAD_BYTES || cap < VRRP_TRAILER_BYTES || len > cap - VRRP_TRAILER_BYTES)
		return 0;
	uint8_t *trailer = buf + len;

	trailer[0] = TRAILER_TYPE_HMAC_SHA256;
	trailer[1] = key->id;
	lb_put16(trailer + 2, 0);
	lb_put64(trailer + 4, sequence);
	if (!compute(key, source, buf, len, trailer + TRAILER_HEAD_BYTES))
		return 0;
	if (source->family == AF_INET6)
		extend_checksum(buf, trailer);
	return len + VRRP_TRAILER_BYTES;
}

enum vrrp_drop vrrp_auth_verify(const struct vrrp_key *keys, size_t key_count, const struct lb_addr *source,
				const uint8_t *msg, size_t len, vrrp_sequence *sequence)
{
	uint8_t expected[TRAILER_MAC_BYTES];

	if (len < MESSAGE_HEAD_BYTES + VRRP_TRAILER_BYTES || len > VRRP_MAX_BYTES)
		return VRRP_DROP_LENGTH;
	const uint8_t *trailer = msg + len - VRRP_TRAILER_BYTES;
	if (trailer[0] != TRAILER_TYPE_HMAC_SHA256 || lb_get16(trailer + 2) != 0)
		return VRRP_DROP_AUTH;
	for (size_t i = 0; i < key_count; i++) {
		if (keys[i].id != trailer[1] || !usable(&keys[i]))
			continue;
		if (!compute(&keys[i], source, msg, len - VRRP_TRAILER_BYTES, expected) ||
		    !lb_hmac16_equal(expected, trailer + TRAILER_HEAD_BYTES))
			continue;
		*sequence = lb_get64(trailer + 4);
		return VRRP_OK;
	}
	return VRRP_DROP_AUTH;
}

bool vrrp_replay_ok(vrrp_sequence *last, vrrp_sequence sequence)
{
	/* 0 marks "none yet" and is no sequence that a sender may use. */
	if (sequence == 0)
		return false;
	if (*last != 0 && (int64_t)(sequence - *last) <= 0)
		return false;
	*last = sequence;
	return true;
}
