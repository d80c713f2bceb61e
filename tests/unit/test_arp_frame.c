/* ARP frames against the exact bytes that hosts are known to obey. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/arp_frame.h>

#include "tests/vectors/frames.h"
#include "tests/vectors/hex.h"

static const uint8_t owner[6] = {2, 0, 0, 0, 0, 0x19}, other[6] = {2, 0, 0, 0, 0, 0x1a};
static const struct lb_addr vip = {
    AF_INET, {10, 196, 35, 30}
};
static const struct lb_addr node = {
    AF_INET, {10, 196, 35, 26}
};

static void equals_hex(const uint8_t *frame, const char *hex)
{
	uint8_t want[ARP_FRAME_BYTES];

	ck_assert_uint_eq(hex_bytes(hex, want, sizeof(want)), ARP_FRAME_BYTES);
	ck_assert_mem_eq(frame, want, ARP_FRAME_BYTES);
}

START_TEST(frames_have_their_bytes)
{
	static const struct lb_addr nobody;
	uint8_t frame[ARP_FRAME_BYTES];

	arp_announce(owner, &vip, frame);
	equals_hex(frame, VECTOR_GARP);
	arp_request(other, &nobody, &vip, frame);
	equals_hex(frame, VECTOR_ARP_PROBE);
	arp_request(other, &node, &vip, frame);
	equals_hex(frame, VECTOR_ARP_REQUEST);
}
END_TEST

START_TEST(decode_reads_them_back)
{
	uint8_t frame[60] = {0}; /* padded as Ethernet does */
	struct arp_packet p;

	hex_bytes(VECTOR_GARP, frame, sizeof(frame));
	ck_assert(arp_decode(frame, sizeof(frame), &p));
	ck_assert_uint_eq(p.operation, 1);
	ck_assert_mem_eq(p.sender_mac, owner, 6);
	ck_assert_mem_eq(p.target_mac, "\xff\xff\xff\xff\xff\xff", 6);
	ck_assert(lb_addr_equal(&p.sender, &vip));
	ck_assert(lb_addr_equal(&p.target, &vip));

	frame[21] = 2;
	ck_assert(arp_decode(frame, ARP_FRAME_BYTES, &p));
	ck_assert_uint_eq(p.operation, 2);
}
END_TEST

START_TEST(other_frames_are_not_arp)
{
	static const size_t fixed[] = {12, 13, 14, 15, 16, 17, 18, 19};
	uint8_t frame[ARP_FRAME_BYTES];
	struct arp_packet p;

	hex_bytes(VECTOR_GARP, frame, sizeof(frame));
	for (size_t len = 0; len < ARP_FRAME_BYTES; len++)
		ck_assert(!arp_decode(frame, len, &p));
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		frame[fixed[i]] ^= 1;
		ck_assert_msg(!arp_decode(frame, sizeof(frame), &p), "byte %zu", fixed[i]);
		frame[fixed[i]] ^= 1;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("arp_frame");
	TCase *all = tcase_create("all");

	tcase_add_test(all, frames_have_their_bytes);
	tcase_add_test(all, decode_reads_them_back);
	tcase_add_test(all, other_frames_are_not_arp);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
