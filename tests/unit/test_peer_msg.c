/* Peer link datagrams: golden bytes, refusals, and two sessions that convince each other that they are alive. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/peer_msg.h>

#include "tests/vectors/hex.h"

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";

static struct peer_msg sample(void)
{
	return (struct peer_msg){
	    .kind = PEER_REFUSE,
	    .nonce = 0x1122334455667788,
	    .sequence = 7,
	    .echo_nonce = 0x99aabbccddeeff00,
	    .echo_sequence = 9,
	    .node = "k8s-lb-1",
	    .version = "0.1.0",
	    .config_hash = 0x7f3a21c0,
	    .state = VRRP_ACTIVE,
	    .can_serve = true,
	    .priority = 250,
	    .ready_servers = 8,
	    .total_servers = 9,
	    .handover = 0x0102030405060708,
	    .text = "no",
	    .service_offset = 1,
	    .service_count_total = 3,
	    .service_count = 2,
	    .services = {{0xcafebabe, 3, 3}, {0xdeadbeef, 2, 3}}
	};
}

/* Laid out by hand from the table in the source; the HMAC is Python's hmac module over the same bytes. */
#define GOLDEN                                                                                                \
	"4c424450 01 04 81 02 0078 fa 00 1122334455667788 0000000000000007 99aabbccddeeff00 0000000000000009" \
	"7f3a21c0 00000008 00000009 0102030405060708 0001 0003 0002"                                          \
	"08 6b38732d6c622d31 05 302e312e30 02 6e6f cafebabe00030003 deadbeef00020003"
#define GOLDEN_HMAC "50fcb770e641e2443db6577cf4b34ef8"

START_TEST(encoding_has_its_bytes)
{
	const struct peer_msg msg = sample();
	uint8_t want[PEER_MSG_MAX], got[PEER_MSG_MAX];
	size_t body = hex_bytes(GOLDEN, want, sizeof(want));

	hex_bytes(GOLDEN_HMAC, want + body, 16);
	ck_assert_uint_eq(peer_msg_encode(&msg, key, sizeof(key), got, sizeof(got)), body + 16);
	ck_assert_mem_eq(got, want, body + 16);
	ck_assert_uint_eq(peer_msg_encode(&msg, key, sizeof(key), got, body + 15), 0);
	ck_assert_uint_eq(peer_msg_encode(&msg, NULL, 0, got, sizeof(got)), body);
}
END_TEST

START_TEST(decoding_gives_the_struct)
{
	const struct peer_msg want = sample();
	struct peer_msg got;
	uint8_t bytes[PEER_MSG_MAX];
	size_t len = hex_bytes(GOLDEN, bytes, sizeof(bytes));

	len += hex_bytes(GOLDEN_HMAC, bytes + len, 16);
	ck_assert_int_eq(peer_msg_decode(bytes, len, key, sizeof(key), &got), PEER_OK);
	ck_assert_int_eq(got.kind, want.kind);
	ck_assert_uint_eq(got.nonce, want.nonce);
	ck_assert_uint_eq(got.sequence, want.sequence);
	ck_assert_uint_eq(got.echo_nonce, want.echo_nonce);
	ck_assert_uint_eq(got.echo_sequence, want.echo_sequence);
	ck_assert_str_eq(got.node, want.node);
	ck_assert_str_eq(got.version, want.version);
	ck_assert_uint_eq(got.config_hash, want.config_hash);
	ck_assert_int_eq(got.state, want.state);
	ck_assert(got.can_serve && !got.standby);
	ck_assert_uint_eq(got.priority, want.priority);
	ck_assert_uint_eq(got.ready_servers, want.ready_servers);
	ck_assert_uint_eq(got.total_servers, want.total_servers);
	ck_assert_uint_eq(got.handover, want.handover);
	ck_assert_str_eq(got.text, want.text);
	ck_assert_uint_eq(got.service_offset, 1);
	ck_assert_uint_eq(got.service_count_total, 3);
	ck_assert_uint_eq(got.service_count, 2);
	ck_assert_uint_eq(got.services[1].name_hash, 0xdeadbeef);
	ck_assert_uint_eq(got.services[1].ready, 2);
	ck_assert_uint_eq(got.services[1].total, 3);
}
END_TEST

START_TEST(one_flipped_bit_is_refused)
{
	const struct peer_msg msg = sample();
	struct peer_msg got;
	uint8_t bytes[PEER_MSG_MAX];
	size_t len = peer_msg_encode(&msg, key, sizeof(key), bytes, sizeof(bytes));

	for (size_t bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(peer_msg_decode(bytes, len, key, sizeof(key), &got), PEER_OK);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(peer_msg_decode(bytes, cut, key, sizeof(key), &got),
				 cut < 70 ? PEER_DROP_TRUNCATED : PEER_DROP_LENGTH);
}
END_TEST

START_TEST(each_refusal_has_its_reason)
{
	const struct peer_msg msg = sample();
	struct peer_msg got;
	uint8_t bytes[PEER_MSG_MAX];
	size_t len = peer_msg_encode(&msg, NULL, 0, bytes, sizeof(bytes));
#define REFUSED(reason, at, value)                                                      \
	do {                                                                            \
		uint8_t before_ = bytes[at];                                            \
		bytes[at] = (value);                                                    \
		ck_assert_int_eq(peer_msg_decode(bytes, len, NULL, 0, &got), (reason)); \
		bytes[at] = before_;                                                    \
	} while (0)

	ck_assert_int_eq(peer_msg_decode(bytes, len, NULL, 0, &got), PEER_OK);
	ck_assert_int_eq(peer_msg_decode(bytes, len, key, sizeof(key), &got), PEER_DROP_AUTH);
	REFUSED(PEER_DROP_MAGIC, 0, 'X');
	REFUSED(PEER_DROP_VERSION, 4, 2);
	REFUSED(PEER_DROP_LENGTH, 9, 1);
	REFUSED(PEER_DROP_AUTH, 6, 0x81);  /* says signed where no key is configured */
	REFUSED(PEER_DROP_VALUE, 6, 0x41); /* unknown flag */
	REFUSED(PEER_DROP_VALUE, 11, 1);
	REFUSED(PEER_DROP_VALUE, 5, 0);
	REFUSED(PEER_DROP_VALUE, 5, PEER_KIND_LAST_ + 1);
	REFUSED(PEER_DROP_VALUE, 7, 4);
	REFUSED(PEER_DROP_VALUE, 51, 10); /* more ready than there are */
	REFUSED(PEER_DROP_VALUE, 65, 2);  /* slice beyond its end */
	REFUSED(PEER_DROP_VALUE, 69, 1);  /* bytes left over */
	REFUSED(PEER_DROP_VALUE, 70, 64); /* name too long */
	REFUSED(PEER_DROP_VALUE, 71, '\n');
	REFUSED(PEER_DROP_VALUE, 71, 0);
	REFUSED(PEER_DROP_VALUE, len - 3, 9);
}
END_TEST

START_TEST(what_would_be_refused_is_not_sent)
{
	const struct peer_msg good = sample();
	struct peer_msg msg;
	uint8_t out[PEER_MSG_MAX];
#define NOT_SENT(change)                                                                       \
	do {                                                                                   \
		msg = good;                                                                    \
		change;                                                                        \
		ck_assert_msg(peer_msg_encode(&msg, NULL, 0, out, sizeof(out)) == 0, #change); \
	} while (0)

	NOT_SENT(msg.kind = (enum peer_msg_kind)0);
	NOT_SENT(msg.nonce = 0);
	NOT_SENT(msg.sequence = 0);
	NOT_SENT(msg.node[0] = '\0');
	NOT_SENT(memset(msg.node, 'a', sizeof(msg.node)));
	NOT_SENT(msg.text[0] = 7);
	NOT_SENT(msg.ready_servers = 10);
	NOT_SENT(msg.service_count = PEER_MSG_SERVICES_MAX + 1);
}
END_TEST

/* The largest message there is still fits a datagram. */
START_TEST(full_message_fits)
{
	struct peer_msg msg = sample(), got;
	uint8_t out[PEER_MSG_MAX];

	memset(msg.node, 'n', sizeof(msg.node) - 1);
	memset(msg.version, 'v', sizeof(msg.version) - 1);
	memset(msg.text, 't', sizeof(msg.text) - 1);
	msg.service_offset = 0;
	msg.service_count = msg.service_count_total = PEER_MSG_SERVICES_MAX;
	size_t len = peer_msg_encode(&msg, key, sizeof(key), out, sizeof(out));
	ck_assert_uint_ne(len, 0);
	ck_assert_int_eq(peer_msg_decode(out, len, key, sizeof(key), &got), PEER_OK);
	ck_assert_uint_eq(strlen(got.text), sizeof(msg.text) - 1);
}
END_TEST

/* ---- freshness ---- */

static struct peer_session a, b;

static void strangers(void)
{
	a = (struct peer_session){.own_nonce = 0xa};
	b = (struct peer_session){.own_nonce = 0xb};
}

static struct peer_msg stamped(struct peer_session *from)
{
	struct peer_msg msg = sample();

	peer_session_stamp(from, &msg);
	return msg;
}

/* One datagram; reply tells whether the receiver wants to answer at once. */
static enum peer_drop hand_over(struct peer_session *to, const struct peer_msg *msg, bool *reply)
{
	return peer_session_accept(to, msg, reply);
}

static enum peer_drop send_one(struct peer_session *from, struct peer_session *to, bool *reply)
{
	const struct peer_msg msg = stamped(from);

	return hand_over(to, &msg, reply);
}

static void acquaint(void)
{
	bool reply;

	ck_assert_int_eq(send_one(&a, &b, &reply), PEER_DROP_REPLAY);
	ck_assert(reply);
	ck_assert_int_eq(send_one(&b, &a, &reply), PEER_OK);
	ck_assert(!reply);
	ck_assert_int_eq(send_one(&a, &b, &reply), PEER_OK);
	ck_assert(a.proven && b.proven);
}

START_TEST(three_datagrams_make_acquaintance)
{
	bool reply;

	acquaint();
	ck_assert_int_eq(send_one(&b, &a, &reply), PEER_OK);
	ck_assert_uint_eq(a.echoed, 2);
	ck_assert_uint_eq(b.echoed, 1);
}
END_TEST

START_TEST(old_and_repeated_datagrams_are_dropped)
{
	bool reply;

	acquaint();
	const struct peer_msg first = stamped(&a), second = stamped(&a);
	ck_assert_int_eq(hand_over(&b, &second, &reply), PEER_OK);
	ck_assert_int_eq(hand_over(&b, &second, &reply), PEER_DROP_REPLAY);
	ck_assert_int_eq(hand_over(&b, &first, &reply), PEER_DROP_REPLAY);
	ck_assert(!reply);
}
END_TEST

START_TEST(a_restarted_peer_proves_itself_again)
{
	bool reply;

	acquaint();
	a = (struct peer_session){.own_nonce = 0xaa};
	ck_assert_int_eq(send_one(&a, &b, &reply), PEER_DROP_REPLAY);
	ck_assert(reply);
	ck_assert_int_eq(send_one(&b, &a, &reply), PEER_OK);
	ck_assert_int_eq(send_one(&a, &b, &reply), PEER_OK);
	ck_assert_uint_eq(b.nonce, 0xaa);
}
END_TEST

/* Recordings of a former life neither are accepted nor push out the living one, however often they are played. */
START_TEST(recordings_of_a_former_life_are_refused)
{
	struct peer_msg tape[8];
	bool reply;

	acquaint();
	for (size_t i = 0; i < 8; i++) {
		ck_assert_int_eq(send_one(&b, &a, &reply), PEER_OK);
		tape[i] = stamped(&a); /* recorded, never delivered */
	}
	a = (struct peer_session){.own_nonce = 0xaa};
	send_one(&a, &b, &reply);
	send_one(&b, &a, &reply);
	ck_assert_int_eq(send_one(&a, &b, &reply), PEER_OK);
	for (size_t i = 0; i < 8; i++) {
		ck_assert_int_eq(hand_over(&b, &tape[i], &reply), PEER_DROP_REPLAY);
		ck_assert_int_eq(send_one(&a, &b, &reply), PEER_OK);
		ck_assert_uint_eq(b.nonce, 0xaa);
		/* The answer to the recording does not prove the recording; the next one serves the living peer. */
		ck_assert_int_eq(send_one(&b, &a, &reply), PEER_OK);
		ck_assert_int_eq(send_one(&b, &a, &reply), PEER_OK);
		ck_assert_uint_eq(a.echoed, a.own_sequence);
	}
}
END_TEST

/* Lost answers only delay: whichever datagrams get through, both are acquainted soon after. */
START_TEST(loss_only_delays)
{
	bool reply;

	for (unsigned pattern = 0; pattern < 1024; pattern++) {
		strangers();
		for (unsigned i = 0; i < 10; i++) {
			struct peer_session *from = i % 2 ? &b : &a, *to = i % 2 ? &a : &b;
			const struct peer_msg msg = stamped(from);
			if (pattern & 1u << i)
				hand_over(to, &msg, &reply);
		}
		send_one(&a, &b, &reply);
		send_one(&b, &a, &reply);
		send_one(&a, &b, &reply);
		ck_assert_msg(a.proven && b.proven, "pattern %x", pattern);
	}
}
END_TEST

START_TEST(every_reason_has_a_name)
{
	for (int i = 0; i < PEER_DROP_COUNT_; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(peer_drop_name((enum peer_drop)i), peer_drop_name((enum peer_drop)j));
	ck_assert_str_eq(peer_drop_name(PEER_DROP_COUNT_), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peer_msg");
	TCase *codec = tcase_create("codec"), *freshness = tcase_create("freshness");

	tcase_add_test(codec, encoding_has_its_bytes);
	tcase_add_test(codec, decoding_gives_the_struct);
	tcase_add_test(codec, one_flipped_bit_is_refused);
	tcase_add_test(codec, each_refusal_has_its_reason);
	tcase_add_test(codec, what_would_be_refused_is_not_sent);
	tcase_add_test(codec, full_message_fits);
	tcase_add_test(codec, every_reason_has_a_name);
	tcase_add_checked_fixture(freshness, strangers, NULL);
	tcase_add_test(freshness, three_datagrams_make_acquaintance);
	tcase_add_test(freshness, old_and_repeated_datagrams_are_dropped);
	tcase_add_test(freshness, a_restarted_peer_proves_itself_again);
	tcase_add_test(freshness, recordings_of_a_former_life_are_refused);
	tcase_add_test(freshness, loss_only_delays);
	suite_add_tcase(suite, codec);
	suite_add_tcase(suite, freshness);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
