#include <lb/vrrp_auth.h>

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <lb/bytes.h>

enum {
	TRAILER_TYPE_HMAC_SHA256 = 1,
	TRAILER_HEAD_BYTES = 12, /* type, key id, reserved, sequence */
	TRAILER_MAC_BYTES = 16,
	PSEUDO_BYTES = 20,
	MESSAGE_HEAD_BYTES = 8,
	OFFSET_CHECKSUM = 6,
};

bool lb_hmac16(const uint8_t *key, size_t key_len, const void *a, size_t a_len, const void *b, size_t b_len,
	       uint8_t out[16])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_end(),
	};
	uint8_t full[EVP_MAX_MD_SIZE];
	size_t full_len = 0;
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;

	bool ok = ctx && EVP_MAC_init(ctx, key, key_len, params) && EVP_MAC_update(ctx, a, a_len) &&
		  (b_len == 0 || EVP_MAC_update(ctx, b, b_len)) && EVP_MAC_final(ctx, full, &full_len, sizeof(full)) &&
		  full_len >= 16;
	if (ok)
		memcpy(out, full, 16);
	else
		memset(out, 0, 16);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
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

static const struct vrrp_key *key_by_id(const struct vrrp_key *keys, size_t key_count, uint8_t id)
{
	for (size_t i = 0; i < key_count; i++)
		if (keys[i].id == id && usable(&keys[i]))
			return &keys[i];
	return NULL;
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
	const struct vrrp_key *key = key_by_id(keys, key_count, trailer[1]);
	if (!key)
		return VRRP_DROP_AUTH;
	if (!compute(key, source, msg, len - VRRP_TRAILER_BYTES, expected))
		return VRRP_DROP_AUTH;
	if (!lb_hmac16_equal(expected, trailer + TRAILER_HEAD_BYTES))
		return VRRP_DROP_AUTH;
	*sequence = lb_get64(trailer + 4);
	return VRRP_OK;
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
