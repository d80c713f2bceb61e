/* VRRP messages against the golden bytes of other implementations, and every reason to drop one. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/vrrp_accept.h>
#include <lb/vrrp_packet.h>

#include "tests/vectors/hex.h"
#include "tests/vectors/vrrp.h"

static struct lb_addr addr(const char *text)
{
	struct lb_addr out;

	ck_assert_msg(lb_addr_parse(text, &out), "%s", text);
	return out;
}

static struct vrrp_advert advert_of(const struct vrrp_vector *v)
{
	struct vrrp_advert a = {.version = v->version,
				.vrid = v->vrid,
				.priority = v->priority,
				.interval = v->interval,
				.auth_type = v->auth_type,
				.source = addr(v->source),
				.destination = addr(v->destination)};

	for (size_t i = 0; i < 2 && v->addresses[i]; i++)
		a.addresses[a.address_count++] = addr(v->addresses[i]);
	if (v->auth_data)
		memcpy(a.auth_data, v->auth_data, sizeof(a.auth_data));
	return a;
}

static enum vrrp_drop decode(const struct vrrp_vector *v, const uint8_t *msg, size_t len, struct vrrp_advert *out,
			     enum vrrp_checksum_form *form)
{
	*out = (struct vrrp_advert){.source = addr(v->source), .destination = addr(v->destination)};
	return vrrp_decode(msg, len, 0, out, form);
}

START_TEST(encode_gives_the_golden_bytes)
{
	const struct vrrp_vector *v = &vrrp_vectors[_i];
	struct vrrp_advert a = advert_of(v);
	uint8_t want[VRRP_MAX_BYTES], got[VRRP_MAX_BYTES];
	size_t len = hex_bytes(v->hex, want, sizeof(want));

	ck_assert_msg(vrrp_encode(&a, v->form, got, sizeof(got)) == len, "%s", v->name);
	ck_assert_msg(memcmp(got, want, len) == 0, "%s", v->name);
	ck_assert_uint_eq(vrrp_encode(&a, v->form, got, len), len);
	ck_assert_uint_eq(vrrp_encode(&a, v->form, got, len - 1), 0);
}
END_TEST

START_TEST(decode_gives_the_struct)
{
	const struct vrrp_vector *v = &vrrp_vectors[_i];
	struct vrrp_advert want = advert_of(v), got;
	uint8_t msg[VRRP_MAX_BYTES];
	size_t len = hex_bytes(v->hex, msg, sizeof(msg));
	enum vrrp_checksum_form form;

	ck_assert_msg(decode(v, msg, len, &got, &form) == VRRP_OK, "%s", v->name);
	ck_assert_int_eq(form, v->form);
	ck_assert_uint_eq(got.version, want.version);
	ck_assert_uint_eq(got.vrid, want.vrid);
	ck_assert_uint_eq(got.priority, want.priority);
	ck_assert_int_eq(got.interval, want.interval);
	ck_assert_uint_eq(got.auth_type, want.auth_type);
	ck_assert_mem_eq(got.auth_data, want.auth_data, sizeof(want.auth_data));
	ck_assert_uint_eq(got.address_count, want.address_count);
	for (size_t i = 0; i < want.address_count; i++)
		ck_assert(lb_addr_equal(&got.addresses[i], &want.addresses[i]));
}
END_TEST

/* The checksum sees every single flipped bit, wherever it is; so does every shorter or longer message. */
START_TEST(one_flipped_bit_is_refused)
{
	const struct vrrp_vector *v = &vrrp_vectors[_i];
	struct vrrp_advert got;
	enum vrrp_checksum_form form;
	uint8_t msg[VRRP_MAX_BYTES] = {0};
	size_t len = hex_bytes(v->hex, msg, sizeof(msg));

	for (size_t bit = 0; bit < len * 8; bit++) {
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(decode(v, msg, len, &got, &form) != VRRP_OK, "%s: bit %zu", v->name, bit);
		msg[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_eq(decode(v, msg, cut, &got, &form), cut < 8 ? VRRP_DROP_TRUNCATED : VRRP_DROP_LENGTH);
	ck_assert_int_eq(decode(v, msg, len + 1, &got, &form), VRRP_DROP_LENGTH);
}
END_TEST

/* RFC 9568 section 5.2.6: reserved bits are ignored on receipt. */
START_TEST(reserved_bits_are_ignored)
{
	struct vrrp_advert got;
	enum vrrp_checksum_form form;
	uint8_t msg[VRRP_MAX_BYTES];
	size_t len = hex_bytes("3133960200640de60a4d00640a4d0065", msg, sizeof(msg));

	msg[4] |= 0xf0;
	lb_put16(msg + 6, (uint16_t)(0x0de6 - 0xf000 - 1)); /* one's complement subtraction borrows around */
	ck_assert_int_eq(decode(&vrrp_vectors[3], msg, len, &got, &form), VRRP_OK);
	ck_assert_int_eq(got.interval, LB_SEC(1));
}
END_TEST

START_TEST(what_cannot_be_expressed_is_not_encoded)
{
	const struct vrrp_advert good = advert_of(&vrrp_vectors[2]);
	uint8_t out[VRRP_MAX_BYTES];
	struct vrrp_advert a;
#define REFUSED(change)                                                                               \
	do {                                                                                          \
		a = good;                                                                             \
		change;                                                                               \
		ck_assert_msg(vrrp_encode(&a, VRRP_CHECKSUM_PSEUDO, out, sizeof(out)) == 0, #change); \
	} while (0)

	REFUSED(a.interval = 0);
	REFUSED(a.interval = LB_MSEC(15));
	REFUSED(a.interval = LB_MSEC(40960));
	REFUSED(a.version = 4);
	REFUSED((a.version = 2, a.interval = LB_MSEC(100)));
	REFUSED((a.version = 2, a.interval = LB_SEC(256)));
	REFUSED(a.vrid = 0);
	REFUSED(a.address_count = 0);
	REFUSED(a.address_count = VRRP_MAX_ADDRESSES + 1);
	REFUSED(a.addresses[1] = addr("2001:db8::1"));
	REFUSED(a.destination = addr("ff02::12"));
	REFUSED(a.source.family = 0);
	a = good;
	a.interval = LB_MSEC(40950);
	ck_assert_uint_ne(vrrp_encode(&a, VRRP_CHECKSUM_PSEUDO, out, sizeof(out)), 0);
}
END_TEST

START_TEST(checksum_of_the_rfc_1071_example)
{
	static const uint8_t words[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	static const uint8_t odd[] = {0x00, 0x01, 0xf2};

	ck_assert_uint_eq(vrrp_checksum_fold(vrrp_checksum_add(0, words, sizeof(words))), (uint16_t)~0xddf2);
	ck_assert_uint_eq(vrrp_checksum_fold(vrrp_checksum_add(0, odd, sizeof(odd))), (uint16_t)~0xf201);
}
END_TEST

/* ---- acceptance ---- */

static struct lb_addr own, peers[1];
static struct vrrp_policy policy;
static struct vrrp_advert advert;

static void unicast_router(void)
{
	own = addr("10.77.0.2");
	peers[0] = addr("10.77.0.1");
	policy = (struct vrrp_policy){.version = 3,
				      .vrid = 51,
				      .interval = LB_SEC(1),
				      .own = &own,
				      .peers = peers,
				      .peer_count = 1,
				      .message_checksum = true,
				      .pseudo_checksum = true};
	advert = advert_of(&vrrp_vectors[3]);
}

static enum vrrp_drop accept_pseudo(int ttl)
{
	return vrrp_accept(&policy, &advert, ttl, VRRP_CHECKSUM_PSEUDO);
}

START_TEST(each_refusal_has_its_reason)
{
	ck_assert_int_eq(accept_pseudo(255), VRRP_OK);
	ck_assert_int_eq(accept_pseudo(-1), VRRP_OK);
	ck_assert_int_eq(accept_pseudo(254), VRRP_DROP_TTL);
	ck_assert_int_eq(accept_pseudo(64), VRRP_DROP_TTL);
	advert.vrid = 52;
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_VRID);
	advert.version = 2;
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_VERSION);
}
END_TEST

START_TEST(source_and_destination_are_judged)
{
	advert.source = addr("10.77.0.9");
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_SOURCE);
	advert.source = own;
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_OWN);
	advert.source = peers[0];
	advert.destination = addr(VECTOR_MULTICAST);
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_DESTINATION);

	/* Multicast: every router of the segment may speak, but only to the group. */
	policy.multicast = true;
	ck_assert_int_eq(accept_pseudo(255), VRRP_OK);
	advert.source = addr("10.77.0.9");
	ck_assert_int_eq(accept_pseudo(255), VRRP_OK);
	advert.destination = own;
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_DESTINATION);
	advert.source = own;
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_OWN);
}
END_TEST

START_TEST(checksum_forms_are_a_choice)
{
	policy.message_checksum = false;
	ck_assert_int_eq(accept_pseudo(255), VRRP_OK);
	ck_assert_int_eq(vrrp_accept(&policy, &advert, 255, VRRP_CHECKSUM_MESSAGE), VRRP_DROP_CHECKSUM);
	policy.message_checksum = true;
	policy.pseudo_checksum = false;
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_CHECKSUM);
}
END_TEST

START_TEST(version_2_needs_its_interval_and_password)
{
	policy.version = 2;
	policy.multicast = true;
	policy.auth_type = 1;
	memcpy(policy.auth_data, "s3cr3t12", 8);
	advert = advert_of(&vrrp_vectors[1]);
	ck_assert_int_eq(vrrp_accept(&policy, &advert, 255, VRRP_CHECKSUM_MESSAGE), VRRP_OK);
	policy.interval = LB_SEC(2);
	ck_assert_int_eq(vrrp_accept(&policy, &advert, 255, VRRP_CHECKSUM_MESSAGE), VRRP_DROP_INTERVAL);
	advert.auth_data[7] ^= 1;
	ck_assert_int_eq(vrrp_accept(&policy, &advert, 255, VRRP_CHECKSUM_MESSAGE), VRRP_DROP_AUTH);
	policy.auth_type = 0;
	ck_assert_int_eq(vrrp_accept(&policy, &advert, 255, VRRP_CHECKSUM_MESSAGE), VRRP_DROP_AUTH);
}
END_TEST

/* A version 3 interval that differs is adopted, not refused. */
START_TEST(version_3_takes_any_interval)
{
	policy.interval = LB_MSEC(100);
	ck_assert_int_eq(accept_pseudo(255), VRRP_OK);
}
END_TEST

START_TEST(ipv6_begins_with_a_link_local_address)
{
	own = addr("fe80::c9");
	peers[0] = addr("fe80::c8");
	policy.vrid = 10;
	policy.multicast = true;
	advert = advert_of(&vrrp_vectors[8]);
	ck_assert_int_eq(accept_pseudo(255), VRRP_OK);
	advert.addresses[0] = advert.addresses[1];
	ck_assert_int_eq(accept_pseudo(255), VRRP_DROP_LINK_LOCAL);
}
END_TEST

/* ---- whole datagrams ---- */

static uint8_t packet[64];
static size_t packet_len;

static void captured_packet(void)
{
	unicast_router();
	policy.multicast = true;
	packet_len = hex_bytes(VECTOR_IP_PACKET, packet, sizeof(packet));
}

static enum vrrp_drop datagram(struct vrrp_accepted *out)
{
	static const struct vrrp_keyring no_keys;
	const struct vrrp_datagram in = {.family = AF_INET, .bytes = packet, .len = packet_len};

	return vrrp_accept_datagram(&policy, &no_keys, &in, out);
}

START_TEST(captured_packet_is_accepted)
{
	struct vrrp_accepted out;
	const struct lb_addr sender = addr("10.77.0.1");

	ck_assert_uint_eq(packet_len, 36);
	ck_assert_int_eq(datagram(&out), VRRP_OK);
	ck_assert(lb_addr_equal(&out.advert.source, &sender));
	ck_assert_uint_eq(out.advert.priority, 150);
	ck_assert_int_eq(out.form, VRRP_CHECKSUM_PSEUDO);
}
END_TEST

START_TEST(header_that_lies_is_refused)
{
	struct vrrp_accepted out;
#define BROKEN(reason, change, restore)                                                                       \
	do {                                                                                                  \
		change;                                                                                       \
		ck_assert_msg(datagram(&out) == (reason), "%s: %s", #change, vrrp_drop_name(datagram(&out))); \
		restore;                                                                                      \
	} while (0)

	BROKEN(VRRP_DROP_TRUNCATED, packet_len = 19, packet_len = 36);
	BROKEN(VRRP_DROP_IP_HEADER, packet[0] = 0x44, packet[0] = 0x45); /* header of 16 bytes */
	BROKEN(VRRP_DROP_IP_HEADER, packet[0] = 0x65, packet[0] = 0x45); /* version 6 */
	BROKEN(VRRP_DROP_IP_HEADER, packet[0] = 0x4f, packet[0] = 0x45); /* longer than the packet */
	BROKEN(VRRP_DROP_IP_HEADER, packet[3] = 0x23, packet[3] = 0x24); /* total length */
	BROKEN(VRRP_DROP_IP_HEADER, packet[6] = 0x20, packet[6] = 0);	 /* more fragments */
	BROKEN(VRRP_DROP_IP_HEADER, packet[7] = 1, packet[7] = 0);	 /* fragment offset */
	BROKEN(VRRP_DROP_IP_HEADER, packet[9] = 17, packet[9] = 112);	 /* UDP */
	ck_assert_int_eq(datagram(&out), VRRP_OK);
}
END_TEST

/*
 * Every fault is put in from the last to the first, and each new one takes over as the reason: the order in which a
 * packet is judged is fixed (protocol: header, version, type, VRID, TTL, count, length, checksum, interval, source).
 */
START_TEST(reasons_come_in_a_fixed_order)
{
	struct vrrp_accepted out;

	own = addr("10.77.0.1"); /* our own packet, and to a group that we do not listen to */
	policy.multicast = false;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_OWN);
	packet[24] = packet[25] = 0; /* interval zero, with a checksum that says so */
	lb_put16(packet + 26, 0x3822 + 0x64);
	ck_assert_int_eq(datagram(&out), VRRP_DROP_INTERVAL);
	packet[26] ^= 1;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_CHECKSUM);
	packet[23] = 3;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_LENGTH);
	packet[23] = 0;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_ADDRESS_COUNT);
	packet[8] = 64;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_TTL);
	packet[21] = 50;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_VRID);
	packet[20] = 0x32;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_TYPE);
	packet[20] = 0x22;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_VERSION);
	packet[9] = 17;
	ck_assert_int_eq(datagram(&out), VRRP_DROP_IP_HEADER);
}
END_TEST

START_TEST(every_reason_has_a_name)
{
	for (int i = 0; i < VRRP_DROP_COUNT_; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(vrrp_drop_name((enum vrrp_drop)i), vrrp_drop_name((enum vrrp_drop)j));
	ck_assert_str_eq(vrrp_drop_name(VRRP_DROP_LINK_LOCAL), "link-local");
	ck_assert_str_eq(vrrp_drop_name(VRRP_DROP_COUNT_), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vrrp_packet");
	TCase *codec = tcase_create("codec"), *acceptance = tcase_create("acceptance"),
	      *datagrams = tcase_create("datagrams");

	tcase_add_loop_test(codec, encode_gives_the_golden_bytes, 0, VRRP_VECTOR_COUNT);
	tcase_add_loop_test(codec, decode_gives_the_struct, 0, VRRP_VECTOR_COUNT);
	tcase_add_loop_test(codec, one_flipped_bit_is_refused, 0, VRRP_VECTOR_COUNT);
	tcase_add_test(codec, reserved_bits_are_ignored);
	tcase_add_test(codec, what_cannot_be_expressed_is_not_encoded);
	tcase_add_test(codec, checksum_of_the_rfc_1071_example);
	tcase_add_test(codec, every_reason_has_a_name);
	tcase_add_checked_fixture(acceptance, unicast_router, NULL);
	tcase_add_test(acceptance, each_refusal_has_its_reason);
	tcase_add_test(acceptance, source_and_destination_are_judged);
	tcase_add_test(acceptance, checksum_forms_are_a_choice);
	tcase_add_test(acceptance, version_2_needs_its_interval_and_password);
	tcase_add_test(acceptance, version_3_takes_any_interval);
	tcase_add_test(acceptance, ipv6_begins_with_a_link_local_address);
	tcase_add_checked_fixture(datagrams, captured_packet, NULL);
	tcase_add_test(datagrams, captured_packet_is_accepted);
	tcase_add_test(datagrams, header_that_lies_is_refused);
	tcase_add_test(datagrams, reasons_come_in_a_fixed_order);
	suite_add_tcase(suite, codec);
	suite_add_tcase(suite, acceptance);
	suite_add_tcase(suite, datagrams);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
