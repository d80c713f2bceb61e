/* Messages in pings by way of a third host, against the bytes of scapy. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/echo_packet.h>

#include "tests/vectors/hex.h"

static const char request[] = "45c000250000000040011e600ac4231a0ac42317"
			      "0800b7386c6200004c42445068656c6c6f";
static const char reply[] = "45c000250007000040011e590ac423170ac4231a"
			    "0000bf386c6200004c42445068656c6c6f";
static const struct lb_addr node = {
    .family = AF_INET, .bytes = {10, 196, 35, 26}
};
static const struct lb_addr server = {
    .family = AF_INET, .bytes = {10, 196, 35, 23}
};
static const char data[] = "LBDPhello";

START_TEST(request_as_scapy_builds_it)
{
	uint8_t expected[64], out[ECHO_PACKET_MAX];
	size_t len = hex_bytes(request, expected, sizeof(expected));

	ck_assert_uint_eq(echo_packet_encode(&node, &server, (const uint8_t *)data, strlen(data), out), len);
	ck_assert_mem_eq(out, expected, len);
}
END_TEST

START_TEST(what_does_not_fit_is_no_packet)
{
	static const uint8_t much[ECHO_PACKET_MAX];
	uint8_t out[ECHO_PACKET_MAX];
	struct lb_addr other = {.family = AF_INET6};

	ck_assert_uint_eq(echo_packet_encode(&node, &server, much, sizeof(much) - ECHO_PACKET_HEAD, out), sizeof(out));
	ck_assert_uint_eq(echo_packet_encode(&node, &server, much, sizeof(much) - ECHO_PACKET_HEAD + 1, out), 0);
	ck_assert_uint_eq(echo_packet_encode(&node, &other, much, 1, out), 0);
	ck_assert_uint_eq(echo_packet_encode(&other, &server, much, 1, out), 0);
}
END_TEST

START_TEST(reply_is_read)
{
	uint8_t packet[64];
	size_t size = hex_bytes(reply, packet, sizeof(packet)), len = 0;
	const uint8_t *found = echo_packet_decode(packet, size, &len);

	ck_assert_ptr_nonnull(found);
	ck_assert_uint_eq(len, strlen(data));
	ck_assert_mem_eq(found, data, len);
}
END_TEST

/* Each byte that says what it is, changed; and each length but the right one. */
START_TEST(anything_else_is_none)
{
	static const size_t places[] = {0, 2, 3, 9, 20, 21, 22, 24, 25, 30};
	uint8_t packet[64], other[64];
	size_t size = hex_bytes(reply, packet, sizeof(packet)), len;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		memcpy(other, packet, size);
		other[places[i]] ^= 0x41;
		ck_assert_msg(echo_packet_decode(other, size, &len) == NULL, "byte %zu", places[i]);
	}
	for (size_t cut = 0; cut < size; cut++)
		ck_assert_ptr_null(echo_packet_decode(packet, cut, &len));
	size = hex_bytes(request, packet, sizeof(packet));
	ck_assert_ptr_null(echo_packet_decode(packet, size, &len));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("echo_packet");
	TCase *all = tcase_create("all");

	tcase_add_test(all, request_as_scapy_builds_it);
	tcase_add_test(all, what_does_not_fit_is_no_packet);
	tcase_add_test(all, reply_is_read);
	tcase_add_test(all, anything_else_is_none);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
