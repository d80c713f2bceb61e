/* The segments that wake clients and servers, against the bytes of scapy. */
#include <check.h>
#include <stdlib.h>

#include <lb/wake_segment.h>

#include "tests/vectors/hex.h"

static size_t encode(const char *from, const char *to, uint8_t out[WAKE_SEGMENT_MAX])
{
	struct lb_endpoint a, b;

	ck_assert(lb_endpoint_parse(from, &a) && lb_endpoint_parse(to, &b));
	return wake_segment_encode(&a, &b, out);
}

static void check(const char *from, const char *to, const char *golden)
{
	uint8_t expected[WAKE_SEGMENT_MAX], out[WAKE_SEGMENT_MAX];
	size_t len = hex_bytes(golden, expected, sizeof(expected));

	ck_assert_uint_eq(encode(from, to, out), len);
	ck_assert_mem_eq(out, expected, len);
}

START_TEST(ipv4_as_scapy_builds_it)
{
	check("10.196.35.30:80", "10.196.35.100:51000",
	      "450000280000000040061ec70ac4231e0ac42364"
	      "0050c7380000000000000000501000008c420000");
}
END_TEST

START_TEST(ipv6_as_scapy_builds_it)
{
	check("[2001:db8::30]:443", "[2001:db8::100]:51000",
	      "600000000014064020010db800000000000000000000003020010db8000000000000000000000100"
	      "01bbc7380000000000000000501000008a3f0000");
}
END_TEST

START_TEST(two_families_are_no_packet)
{
	uint8_t out[WAKE_SEGMENT_MAX];

	ck_assert_uint_eq(encode("10.196.35.30:80", "[2001:db8::100]:51000", out), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("wake_segment");
	TCase *all = tcase_create("all");

	tcase_add_test(all, ipv4_as_scapy_builds_it);
	tcase_add_test(all, ipv6_as_scapy_builds_it);
	tcase_add_test(all, two_families_are_no_packet);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
