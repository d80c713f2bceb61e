/* Neighbour advertisements against golden bytes and the validity rules of RFC 4861 section 7.1.2. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/nd_frame.h>
#include <lb/vrrp_packet.h>

#include "tests/vectors/frames.h"
#include "tests/vectors/hex.h"

static const uint8_t owner[6] = {2, 0, 0, 0, 0, 0x19};
static uint8_t frame[ND_FRAME_BYTES + 8];
static struct lb_addr vip, target;
static uint8_t mac[6];

static void golden(void)
{
	ck_assert(lb_addr_parse("2001:db8::30", &vip));
	ck_assert_uint_eq(hex_bytes(VECTOR_NA, frame, sizeof(frame)), ND_FRAME_BYTES);
}

/* Put the right checksum over a changed payload, so that the change alone decides. */
static void seal(void)
{
	size_t payload = lb_get16(frame + 18);

	lb_put16(frame + 56, 0);
	uint32_t sum = vrrp_checksum_add((uint32_t)payload + 58, frame + 22, 32);
	lb_put16(frame + 56, vrrp_checksum_fold(vrrp_checksum_add(sum, frame + 54, payload)));
}

START_TEST(announcement_has_its_bytes)
{
	uint8_t out[ND_FRAME_BYTES];

	nd_announce(owner, &vip, false, out);
	ck_assert_mem_eq(out, frame, ND_FRAME_BYTES);
	nd_announce(owner, &vip, true, out);
	ck_assert_uint_eq(out[58], 0xa0);
	ck_assert(nd_decode(out, sizeof(out), &target, mac));
}
END_TEST

START_TEST(decode_reads_it_back)
{
	ck_assert(nd_decode(frame, ND_FRAME_BYTES, &target, mac));
	ck_assert(lb_addr_equal(&target, &vip));
	ck_assert_mem_eq(mac, owner, 6);
	for (size_t len = 0; len < ND_FRAME_BYTES; len++)
		ck_assert(!nd_decode(frame, len, &target, mac));
}
END_TEST

/* Every bit of the payload and of both addresses is under the checksum. */
START_TEST(one_flipped_bit_is_refused)
{
	for (size_t bit = 22 * 8; bit < ND_FRAME_BYTES * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_msg(!nd_decode(frame, ND_FRAME_BYTES, &target, mac), "bit %zu", bit);
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}
END_TEST

static void refused_after(size_t at, uint8_t value)
{
	uint8_t before = frame[at];

	frame[at] = value;
	seal();
	ck_assert_msg(!nd_decode(frame, ND_FRAME_BYTES, &target, mac), "byte %zu = %u", at, value);
	frame[at] = before;
	seal();
	ck_assert(nd_decode(frame, ND_FRAME_BYTES, &target, mac));
}

START_TEST(invalid_ones_are_refused)
{
	refused_after(13, 0x00); /* not IPv6 */
	refused_after(20, 17);	 /* not ICMPv6 */
	refused_after(21, 64);	 /* hop limit */
	refused_after(54, 135);	 /* a solicitation */
	refused_after(55, 1);	 /* code */
	refused_after(58, 0x60); /* solicited, to a multicast destination */
	refused_after(62, 0xff); /* multicast target */
	refused_after(79, 0);	 /* option of no length */
	refused_after(79, 2);	 /* option beyond the end */
	refused_after(19, 0x21); /* payload beyond the end */
	refused_after(19, 0x10); /* payload too short */
}
END_TEST

/* Without the option the sender of the frame is who claims the address. */
START_TEST(without_option_the_sender_counts)
{
	frame[19] = 24;
	frame[11] = 0x77;
	seal();
	ck_assert(nd_decode(frame, ND_FRAME_BYTES, &target, mac));
	ck_assert_uint_eq(mac[5], 0x77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nd_frame");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, golden, NULL);
	tcase_add_test(all, announcement_has_its_bytes);
	tcase_add_test(all, decode_reads_it_back);
	tcase_add_test(all, one_flipped_bit_is_refused);
	tcase_add_test(all, invalid_ones_are_refused);
	tcase_add_test(all, without_option_the_sender_counts);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
