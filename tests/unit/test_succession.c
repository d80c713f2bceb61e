/* What one proxy tells its heir as bytes: written by hand, there and back, from older and newer programs, damaged. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/succession.h>

#include "tests/vectors/hex.h"

/* By hand from the layouts in succession.c. */
static const char golden_frame[] = "6c626473 0003 0001 0001 0001 00000002 0000007b 00010000 0000000000000abc";
static const char golden_fact[] = "0020 02 00000001 03 776562 02 7330 00 02 0000000000000007 0000000000000008";

static struct lb_endpoint endpoint(const char *text)
{
	struct lb_endpoint ep;

	ck_assert(lb_endpoint_parse(text, &ep));
	return ep;
}

static struct succession_session relaying(void)
{
	struct succession_session s = {
	    .id = 0x100000000007,
	    .flags = SUCCESSION_ON_VIP | SUCCESSION_SPLICING << 1,
	    .farewell = 1,
	    .idle_timeout = LB_SEC(300),
	    .fin_timeout = LB_SEC(30),
	    .piped = {[FLOW_SERVER] = 4096		  },
	    .state =
		{
		      .service = "ingress-http",
		      .server = "k8s-worker-1",
		      .client = endpoint("10.196.35.100:51000"),
		      .local = endpoint("10.196.35.30:80"),
		      .pending = {{.data = (const uint8_t *)"GET", .len = 3}},
		      },
	};

	for (int i = 0; i < 2; i++)
		s.state.side[i] = (struct tcp_image){.local = s.state.local, .remote = s.state.local, .mss = 536};
	return s;
}

static uint8_t *encoded(const struct succession_session *s, size_t *len)
{
	uint8_t *bytes;

	*len = succession_session_size(s);
	ck_assert_uint_gt(*len, 0);
	bytes = malloc(*len);
	ck_assert_uint_eq(succession_session_encode(s, bytes), *len);
	return bytes;
}

START_TEST(a_frame_is_written_as_the_layout_says)
{
	struct succession_frame frame = {.type = SUCCESSION_SESSIONS,
					 .oldest = 1,
					 .newest = 1,
					 .format = 1,
					 .worker = 2,
					 .count = 123,
					 .size = 65536,
					 .last_id = 0xabc};
	struct succession_frame back;
	uint8_t bytes[SUCCESSION_FRAME], want[64];

	ck_assert_uint_eq(hex_bytes(golden_frame, want, sizeof(want)), SUCCESSION_FRAME);
	succession_frame_encode(&frame, bytes);
	ck_assert_mem_eq(bytes, want, SUCCESSION_FRAME);
	ck_assert(succession_frame_decode(bytes, sizeof(bytes), &back));
	ck_assert_mem_eq(&back, &frame, sizeof(frame));
	ck_assert(!succession_frame_decode(bytes, sizeof(bytes) - 1, &back));
	bytes[5] = SUCCESSION_TYPES_;
	ck_assert(!succession_frame_decode(bytes, sizeof(bytes), &back));
	bytes[5] = SUCCESSION_HELLO;
	bytes[0] ^= 1;
	ck_assert(!succession_frame_decode(bytes, sizeof(bytes), &back));
}
END_TEST

/* The newest that both speak; this program speaks 1 alone. */
START_TEST(both_speak_a_common_version)
{
	ck_assert_int_eq(SUCCESSION_OLDEST, 1);
	ck_assert_int_eq(SUCCESSION_VERSION, 1);
	ck_assert_uint_eq(succession_common(&(struct succession_frame){.oldest = 1, .newest = 1}), 1);
	ck_assert_uint_eq(succession_common(&(struct succession_frame){.oldest = 1, .newest = 9}), 1);
	ck_assert_uint_eq(succession_common(&(struct succession_frame){.oldest = 0, .newest = 1}), 1);
	ck_assert_uint_eq(succession_common(&(struct succession_frame){.oldest = 2, .newest = 9}), 0);
	ck_assert_uint_eq(succession_common(&(struct succession_frame){.oldest = 0, .newest = 0}), 0);
}
END_TEST

START_TEST(a_fact_is_written_as_the_layout_says)
{
	struct succession_fact fact = {
	    .kind = 2, .worker = 1, .service = "web", .server = "s0", .count = 2, .value = {7, 8}
	 };
	struct succession_fact back;
	uint8_t bytes[SUCCESSION_FACT_MAX], want[64];
	size_t len = hex_bytes(golden_fact, want, sizeof(want));

	ck_assert_uint_eq(succession_fact_encode(&fact, bytes), len);
	ck_assert_mem_eq(bytes, want, len);
	ck_assert_uint_eq(succession_fact_decode(bytes, len, &back), len);
	ck_assert_str_eq(back.service, "web");
	ck_assert_str_eq(back.server, "s0");
	ck_assert_uint_eq(back.value[1], 8);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_uint_eq(succession_fact_decode(bytes, cut, &back), 0);
}
END_TEST

START_TEST(a_newer_program_may_tell_more_in_a_fact)
{
	/* Eight bytes behind the values that nobody knows here. */
	static const char newer[] = "0028 02 00000001 03 776562 02 7330 00 "
				    "02 0000000000000007 0000000000000008 ffffffffffffffff";
	struct succession_fact back;
	uint8_t bytes[64];
	size_t len = hex_bytes(newer, bytes, sizeof(bytes));

	ck_assert_uint_eq(succession_fact_decode(bytes, len, &back), len);
	ck_assert_uint_eq(back.count, 2);
	ck_assert_uint_eq(back.value[0], 7);
}
END_TEST

START_TEST(every_field_of_a_session_comes_back)
{
	struct succession_session s = relaying(), back;
	size_t len, used = 0;
	uint8_t *bytes = encoded(&s, &len);

	ck_assert_int_eq(succession_session_decode(bytes, len, &used, &back), SESSION_STATE_OK);
	ck_assert_uint_eq(used, len);
	ck_assert_uint_eq(back.id, s.id);
	ck_assert_uint_eq(back.flags, s.flags);
	ck_assert_uint_eq(back.farewell, 1);
	ck_assert_int_eq(back.idle_timeout, LB_SEC(300));
	ck_assert_int_eq(back.fin_timeout, LB_SEC(30));
	ck_assert_uint_eq(back.piped[FLOW_CLIENT], 0);
	ck_assert_uint_eq(back.piped[FLOW_SERVER], 4096);
	ck_assert_str_eq(back.state.server, "k8s-worker-1");
	ck_assert_uint_eq(back.state.pending[FLOW_CLIENT].len, 3);
	/* Two sockets and one pipe. */
	ck_assert_uint_eq(succession_session_fds(&back), 4);
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_ne(succession_session_decode(bytes, cut, &used, &back), SESSION_STATE_OK);
	free(bytes);
}
END_TEST

START_TEST(a_newer_program_may_tell_more_of_a_session)
{
	struct succession_session s = relaying(), back;
	size_t len, used = 0, head;
	uint8_t *bytes = encoded(&s, &len), *newer = malloc(len + 5);

	/* Five bytes behind the head that is known. */
	head = lb_get16(bytes);
	memcpy(newer, bytes, head);
	lb_put16(newer, (uint16_t)(head + 5));
	memset(newer + head, 0xff, 5);
	memcpy(newer + head + 5, bytes + head, len - head);
	ck_assert_int_eq(succession_session_decode(newer, len + 5, &used, &back), SESSION_STATE_OK);
	ck_assert_uint_eq(used, len + 5);
	ck_assert_uint_eq(back.id, s.id);
	ck_assert_str_eq(back.state.service, "ingress-http");
	free(newer);
	free(bytes);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
	struct succession_session s = relaying(), back;
	size_t len, used = 0;
	uint8_t *bytes = encoded(&s, &len);

	bytes[12] = 3;
	ck_assert_int_eq(succession_session_decode(bytes, len, &used, &back), SESSION_STATE_VALUE);
	free(bytes);
	s.id = 0;
	ck_assert_uint_eq(succession_session_size(&s), 0);
	s = relaying();
	s.state.half[FLOW_SERVER] = (struct flow_half){.eof = true, .shut = true};
	ck_assert_uint_eq(succession_session_size(&s), 0);
	s = relaying();
	s.state.server[0] = '\0';
	ck_assert_uint_eq(succession_session_size(&s), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("succession");
	TCase *tests = tcase_create("succession");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, a_frame_is_written_as_the_layout_says);
	tcase_add_test(tests, both_speak_a_common_version);
	tcase_add_test(tests, a_fact_is_written_as_the_layout_says);
	tcase_add_test(tests, a_newer_program_may_tell_more_in_a_fact);
	tcase_add_test(tests, every_field_of_a_session_comes_back);
	tcase_add_test(tests, a_newer_program_may_tell_more_of_a_session);
	tcase_add_test(tests, what_cannot_be_is_refused);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
