/* The HMAC extension against the vectors of another implementation, and the replay window. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/vrrp_accept.h>
#include <lb/vrrp_auth.h>

#include "tests/vectors/hex.h"
#include "tests/vectors/vrrp.h"

struct hmac_vector {
	const char *source, *destination, *message, *trailer;
};

static const struct hmac_vector vectors[] = {
    {"198.51.100.10", VECTOR_MULTICAST, VECTOR_HMAC4_MESSAGE, VECTOR_HMAC4_TRAILER},
    {"fe80::10",	 "fe80::20",	     VECTOR_HMAC6_MESSAGE, VECTOR_HMAC6_TRAILER},
};
enum { VECTOR_COUNT = sizeof(vectors) / sizeof(vectors[0]) };

static struct vrrp_key key;
static struct lb_addr source, destination;
static uint8_t golden[VRRP_MAX_BYTES];
static size_t message_len, golden_len;

static void load(int i)
{
	key = (struct vrrp_key){.id = 1, .length = 32};
	for (uint8_t b = 0; b < 32; b++)
		key.bytes[b] = b;
	ck_assert(lb_addr_parse(vectors[i].source, &source));
	ck_assert(lb_addr_parse(vectors[i].destination, &destination));
	message_len = hex_bytes(vectors[i].message, golden, sizeof(golden));
	golden_len = message_len + hex_bytes(vectors[i].trailer, golden + message_len, VRRP_TRAILER_BYTES);
}

static enum vrrp_drop verify(const uint8_t *msg, size_t len, vrrp_sequence *sequence)
{
	return vrrp_auth_verify(&key, 1, &source, msg, len, sequence);
}

/* From the fields alone: encode, sign, and every byte is as published, the checksum over IPv6 included. */
START_TEST(signing_gives_the_golden_bytes)
{
	load(_i);
	struct vrrp_advert a = {.source = source, .destination = destination};
	enum vrrp_checksum_form form;
	uint8_t out[VRRP_MAX_BYTES];

	ck_assert_int_eq(vrrp_decode(golden, golden_len, VRRP_TRAILER_BYTES, &a, &form), VRRP_OK);
	ck_assert_uint_eq(a.priority, 200);
	size_t len = vrrp_encode(&a, form, out, sizeof(out));
	ck_assert_uint_eq(len, message_len);
	ck_assert_uint_eq(vrrp_auth_sign(&key, &source, VECTOR_HMAC_SEQUENCE, out, len, len + 27), 0);
	len = vrrp_auth_sign(&key, &source, VECTOR_HMAC_SEQUENCE, out, len, sizeof(out));
	ck_assert_uint_eq(len, golden_len);
	ck_assert_mem_eq(out, golden, golden_len);
}
END_TEST

START_TEST(golden_bytes_verify)
{
	vrrp_sequence sequence = 0;

	load(_i);
	ck_assert_int_eq(verify(golden, golden_len, &sequence), VRRP_OK);
	ck_assert_uint_eq(sequence, VECTOR_HMAC_SEQUENCE);
}
END_TEST

/* All is covered except the checksum, which is judged for itself afterwards. */
START_TEST(one_flipped_bit_is_refused)
{
	vrrp_sequence sequence;

	load(_i);
	for (size_t bit = 0; bit < golden_len * 8; bit++) {
		golden[bit / 8] ^= (uint8_t)(1 << bit % 8);
		enum vrrp_drop want = bit / 8 == 6 || bit / 8 == 7 ? VRRP_OK : VRRP_DROP_AUTH;
		ck_assert_msg(verify(golden, golden_len, &sequence) == want, "bit %zu", bit);
		golden[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	source.bytes[3] ^= 1;
	ck_assert_int_eq(verify(golden, golden_len, &sequence), VRRP_DROP_AUTH);
}
END_TEST

START_TEST(keys_are_chosen_by_id)
{
	struct vrrp_key keys[2];
	vrrp_sequence sequence;

	load(0);
	keys[0] = keys[1] = key;
	keys[0].id = 2;
	keys[0].bytes[0] = 99;
	ck_assert_int_eq(vrrp_auth_verify(keys, 2, &source, golden, golden_len, &sequence), VRRP_OK);
	ck_assert_int_eq(vrrp_auth_verify(keys, 1, &source, golden, golden_len, &sequence), VRRP_DROP_AUTH);
	key.length = VRRP_KEY_MIN - 1;
	ck_assert_int_eq(verify(golden, golden_len, &sequence), VRRP_DROP_AUTH);
	ck_assert_uint_eq(vrrp_auth_sign(&key, &source, 1, golden, message_len, sizeof(golden)), 0);
	/* Two keys may have the same id: each that has it is tried. */
	keys[0].id = keys[1].id;
	ck_assert_int_eq(vrrp_auth_verify(keys, 2, &source, golden, golden_len, &sequence), VRRP_OK);
	ck_assert_int_eq(verify(golden, VRRP_TRAILER_BYTES, &sequence), VRRP_DROP_LENGTH);
}
END_TEST

/* With keys a datagram without trailer is too short, without keys one with trailer is too long; forged is "auth". */
START_TEST(datagrams_need_their_trailer)
{
	load(1);
	const struct vrrp_policy policy = {.version = 3, .vrid = 51, .peers = &source, .peer_count = 1};
	const struct vrrp_keyring keyring = {.keys = &key, .count = 1}, none = {.count = 0};
	struct vrrp_datagram in = {AF_INET6, golden, golden_len, source, destination, 255};
	struct vrrp_accepted out;

	ck_assert_int_eq(vrrp_accept_datagram(&policy, &keyring, &in, &out), VRRP_OK);
	ck_assert_uint_eq(out.sequence, VECTOR_HMAC_SEQUENCE);
	ck_assert_int_eq(vrrp_accept_datagram(&policy, &none, &in, &out), VRRP_DROP_LENGTH);
	in.len = message_len;
	ck_assert_int_eq(vrrp_accept_datagram(&policy, &keyring, &in, &out), VRRP_DROP_LENGTH);
	in.len = golden_len;
	in.ttl = 64;
	ck_assert_int_eq(vrrp_accept_datagram(&policy, &keyring, &in, &out), VRRP_DROP_TTL);
	in.ttl = 255;
	golden[golden_len - 1] ^= 1;
	ck_assert_int_eq(vrrp_accept_datagram(&policy, &keyring, &in, &out), VRRP_DROP_AUTH);
}
END_TEST

START_TEST(a_sequence_only_grows)
{
	vrrp_sequence last = 0;

	ck_assert(!vrrp_replay_ok(&last, 0));
	ck_assert(vrrp_replay_ok(&last, 100));
	ck_assert(!vrrp_replay_ok(&last, 100));
	ck_assert(!vrrp_replay_ok(&last, 99));
	ck_assert_uint_eq(last, 100);
	ck_assert(vrrp_replay_ok(&last, 101));
	/* RFC 1982: across the end of the number space, but not from half of it away. */
	last = UINT64_MAX;
	ck_assert(vrrp_replay_ok(&last, 5));
	ck_assert(!vrrp_replay_ok(&last, UINT64_MAX));
	ck_assert(!vrrp_replay_ok(&last, last + (1ull << 63)));
}
END_TEST

/* RFC 4231 test case 2, cut to 16 bytes; the second with the message in two pieces. */
START_TEST(hmac_of_rfc_4231)
{
	static const uint8_t jefe[] = "Jefe", text[] = "what do ya want for nothing?";
	uint8_t want[16], got[16];

	hex_bytes("5bdcc146bf60754e6a042426089575c7", want, sizeof(want));
	ck_assert(lb_hmac16(jefe, 4, text, 28, NULL, 0, got));
	ck_assert_mem_eq(got, want, 16);
	ck_assert(lb_hmac16(jefe, 4, text, 11, text + 11, 17, got));
	ck_assert(lb_hmac16_equal(got, want));
	got[15] ^= 0x80;
	ck_assert(!lb_hmac16_equal(got, want));
}
END_TEST

/* RFC 4231 test case 6: a key longer than a block is hashed first. */
START_TEST(hmac_with_a_long_key)
{
	static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	uint8_t want[16], got[16], long_key[131];

	memset(long_key, 0xaa, sizeof(long_key));
	hex_bytes("60e431591ee0b67f0d8a26aacbf5b77f", want, sizeof(want));
	ck_assert(lb_hmac16(long_key, sizeof(long_key), text, strlen(text), NULL, 0, got));
	ck_assert_mem_eq(got, want, 16);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vrrp_auth");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, signing_gives_the_golden_bytes, 0, VECTOR_COUNT);
	tcase_add_loop_test(all, golden_bytes_verify, 0, VECTOR_COUNT);
	tcase_add_loop_test(all, one_flipped_bit_is_refused, 0, VECTOR_COUNT);
	tcase_add_test(all, keys_are_chosen_by_id);
	tcase_add_test(all, datagrams_need_their_trailer);
	tcase_add_test(all, a_sequence_only_grows);
	tcase_add_test(all, hmac_of_rfc_4231);
	tcase_add_test(all, hmac_with_a_long_key);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
