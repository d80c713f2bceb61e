/* Sessions at rest as bytes: a record written by hand, every field there and back, and nothing that is out of range. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/session_state.h>

#include "tests/vectors/hex.h"

/*
 * A client at 10.196.35.100:51000 that has sent "GET" to 10.196.35.30:80 before a server was connected, by hand from
 * the layout in session_state.c.
 */
static const char golden[] = "00000095 01 00 0000"
			     "0000000000000001 0000000000000002 0000000000000000 0000000000000003"
			     "0000000000000000 0000000000000000"
			     "0c 696e67726573732d68747470 00"
			     "04 0ac42364 c738 04 0ac4231e 0050"
			     "00000003 474554 00000000"
			     "04 0ac4231e 0050 04 0ac42364 c738"
			     "11111111 22222222 05b4 07 77 33333333"
			     "00000001 00000002 00000003 00000004 00000005"
			     "00000000";

static struct lb_endpoint endpoint(const char *text)
{
	struct lb_endpoint ep;

	ck_assert(lb_endpoint_parse(text, &ep));
	return ep;
}

static struct tcp_image image(const char *local, const char *remote)
{
	return (struct tcp_image){
	    .local = endpoint(local),
	    .remote = endpoint(remote),
	    .send_seq = 0x11111111,
	    .receive_seq = 0x22222222,
	    .mss = 1460,
	    .options = TCP_IMAGE_KNOWN,
	    .send_wscale = 7,
	    .receive_wscale = 7,
	    .timestamp = 0x33333333,
	    .window = {1, 2, 3, 4, 5},
	};
}

static struct session_state choosing(void)
{
	struct session_state s = {
	    .service = "ingress-http",
	    .client = endpoint("10.196.35.100:51000"),
	    .local = endpoint("10.196.35.30:80"),
	    .age = 1,
	    .idle = 2,
	    .connect_time = 3,
	    .pending = {{.data = (const uint8_t *)"GET", .len = 3}},
	};

	s.side[FLOW_CLIENT] = image("10.196.35.30:80", "10.196.35.100:51000");
	return s;
}

/* Everything that a record can hold. */
static struct session_state relaying(void)
{
	struct session_state s = choosing();

	memcpy(s.server, "k8s-worker-1", sizeof("k8s-worker-1"));
	s.side[FLOW_SERVER] = image("10.196.35.30:40000", "10.196.35.23:30080");
	s.side[FLOW_CLIENT].unacked = (struct lb_bytes){.data = (const uint8_t *)"unacked", .len = 7};
	s.destination = endpoint("[2001:db8::1]:443");
	s.half_closed = LB_SEC(4);
	s.half[FLOW_CLIENT] = (struct flow_half){.eof = true, .bytes = 1u << 20};
	s.half[FLOW_SERVER] = (struct flow_half){.bytes = 77};
	s.pending[FLOW_SERVER] = (struct lb_bytes){.data = (const uint8_t *)"200 OK", .len = 6};
	return s;
}

static uint8_t *encoded(const struct session_state *s, size_t *len)
{
	uint8_t *bytes;

	*len = session_state_size(s);
	ck_assert_uint_gt(*len, 0);
	bytes = malloc(*len);
	ck_assert_uint_eq(session_state_encode(s, bytes), *len);
	return bytes;
}

START_TEST(a_record_is_written_as_the_layout_says)
{
	struct session_state s = choosing();
	uint8_t want[512];
	size_t len, want_len = hex_bytes(golden, want, sizeof(want));
	uint8_t *bytes = encoded(&s, &len);

	ck_assert_uint_eq(len, want_len);
	ck_assert_mem_eq(bytes, want, len);
	ck_assert_uint_eq(session_state_length(bytes), len);
	free(bytes);
}
END_TEST

START_TEST(every_field_comes_back)
{
	struct session_state s = relaying(), back;
	size_t len;
	uint8_t *bytes = encoded(&s, &len);

	ck_assert_int_eq(session_state_decode(bytes, len, &back), SESSION_STATE_OK);
	ck_assert_str_eq(back.service, s.service);
	ck_assert_str_eq(back.server, s.server);
	ck_assert(lb_endpoint_equal(&back.client, &s.client) && lb_endpoint_equal(&back.local, &s.local));
	ck_assert(lb_endpoint_equal(&back.destination, &s.destination));
	ck_assert_int_eq(back.half_closed, s.half_closed);
	ck_assert(back.half[FLOW_CLIENT].eof && !back.half[FLOW_CLIENT].shut && !back.half[FLOW_SERVER].eof);
	ck_assert_uint_eq(back.half[FLOW_CLIENT].bytes, 1u << 20);
	ck_assert_uint_eq(back.half[FLOW_SERVER].bytes, 77);
	ck_assert_mem_eq(back.pending[FLOW_SERVER].data, "200 OK", 6);
	ck_assert_mem_eq(back.side[FLOW_CLIENT].unacked.data, "unacked", 7);
	ck_assert(lb_endpoint_equal(&back.side[FLOW_SERVER].remote, &s.side[FLOW_SERVER].remote));
	ck_assert_uint_eq(back.side[FLOW_SERVER].timestamp, 0x33333333);
	ck_assert_uint_eq(back.side[FLOW_SERVER].window.receive_wup, 5);
	free(bytes);
}
END_TEST

/* Each bytes short, each bytes more: never read beyond, never taken. */
START_TEST(a_record_of_another_length_is_refused)
{
	struct session_state s = relaying(), back;
	size_t len;
	uint8_t *bytes = encoded(&s, &len);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = malloc(cut + 1);

		memcpy(part, bytes, cut);
		ck_assert_int_ne(session_state_decode(part, cut, &back), SESSION_STATE_OK);
		if (cut > 60) {
			lb_put32(part, (uint32_t)cut);
			ck_assert_int_eq(session_state_decode(part, cut, &back), SESSION_STATE_TRUNCATED);
		}
		free(part);
	}
	bytes = realloc(bytes, len + 1);
	bytes[len] = 0;
	lb_put32(bytes, (uint32_t)len + 1);
	ck_assert_int_eq(session_state_decode(bytes, len + 1, &back), SESSION_STATE_TRUNCATED);
	free(bytes);
}
END_TEST

START_TEST(another_format_is_told_apart)
{
	struct session_state s = relaying(), back;
	size_t len;
	uint8_t *bytes = encoded(&s, &len);

	bytes[4] = SESSION_STATE_FORMAT + 1;
	ck_assert_int_eq(session_state_decode(bytes, len, &back), SESSION_STATE_UNKNOWN);
	bytes[4] = SESSION_STATE_FORMAT;
	bytes[7] = 1;
	ck_assert_int_eq(session_state_decode(bytes, len, &back), SESSION_STATE_VALUE);
	free(bytes);
}
END_TEST

/* What a sender must not say, a receiver does not take: one rule for both. */
START_TEST(values_out_of_range_are_refused)
{
	struct session_state wrong[14];

	for (size_t i = 0; i < 14; i++)
		wrong[i] = relaying();
	wrong[0].service[0] = '\0';
	memcpy(wrong[1].server, "a b", 4);
	wrong[2].client.port = 0;
	wrong[3].local.addr.family = 0;
	wrong[4].age = -1;
	wrong[5].half_closed = -1;
	wrong[6].side[FLOW_SERVER].mss = 87;
	wrong[7].side[FLOW_SERVER].send_wscale = 15;
	wrong[8].side[FLOW_CLIENT].options = 0x08;
	wrong[9].side[FLOW_CLIENT].options = TCP_IMAGE_SACK;
	wrong[10].side[FLOW_SERVER].remote.port = 0;
	wrong[11].half[FLOW_CLIENT].shut = true;
	wrong[12].half[FLOW_SERVER].shut = true;
	memset(wrong[13].service, 'x', sizeof(wrong[13].service));
	for (size_t i = 0; i < 14; i++)
		ck_assert_msg(session_state_size(&wrong[i]) == 0, "value %zu was taken", i);

	struct session_state early = choosing();
	early.pending[FLOW_SERVER] = early.pending[FLOW_CLIENT];
	ck_assert_uint_eq(session_state_size(&early), 0);
}
END_TEST

START_TEST(a_connection_that_is_over_has_no_image)
{
	struct session_state s = relaying(), back;
	size_t len, with;
	uint8_t *bytes;

	s.half[FLOW_CLIENT].shut = s.half[FLOW_SERVER].eof = true;
	s.pending[FLOW_CLIENT] = (struct lb_bytes){0};
	with = session_state_size(&s);
	s.over[FLOW_SERVER] = true;
	memset(&s.side[FLOW_SERVER], 0, sizeof(s.side[FLOW_SERVER]));
	bytes = encoded(&s, &len);
	ck_assert_uint_lt(len, with);
	ck_assert_int_eq(session_state_decode(bytes, len, &back), SESSION_STATE_OK);
	ck_assert(back.over[FLOW_SERVER] && !back.over[FLOW_CLIENT]);
	ck_assert_mem_eq(back.pending[FLOW_SERVER].data, "200 OK", 6);
	free(bytes);

	/* Not before its end has come, the other's was passed on; nobody is left where both are over. */
	s.half[FLOW_SERVER].eof = false;
	ck_assert_uint_eq(session_state_size(&s), 0);
	s.half[FLOW_SERVER].eof = true;
	s.half[FLOW_CLIENT].shut = false;
	ck_assert_uint_eq(session_state_size(&s), 0);
	s.half[FLOW_CLIENT].shut = s.half[FLOW_SERVER].shut = s.over[FLOW_CLIENT] = true;
	s.pending[FLOW_SERVER] = (struct lb_bytes){0};
	ck_assert_uint_eq(session_state_size(&s), 0);
}
END_TEST

START_TEST(no_length_beyond_the_limit_is_believed)
{
	static const uint8_t huge[SESSION_STATE_HEAD] = {0xff, 0xff, 0xff, 0xff}, none[SESSION_STATE_HEAD];
	struct session_state s = relaying();

	ck_assert_uint_eq(session_state_length(huge), 0);
	ck_assert_uint_eq(session_state_length(none), 0);
	s.pending[FLOW_CLIENT].len = SESSION_STATE_MAX;
	ck_assert_uint_eq(session_state_size(&s), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session_state");
	TCase *all = tcase_create("all");

	tcase_add_test(all, a_record_is_written_as_the_layout_says);
	tcase_add_test(all, every_field_comes_back);
	tcase_add_test(all, a_record_of_another_length_is_refused);
	tcase_add_test(all, another_format_is_told_apart);
	tcase_add_test(all, values_out_of_range_are_refused);
	tcase_add_test(all, a_connection_that_is_over_has_no_image);
	tcase_add_test(all, no_length_beyond_the_limit_is_believed);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
