/* Connections told to a peer: batches written by hand, there and back, nothing out of range; the table they fill. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/tuple_record.h>
#include <lb/tuple_table.h>

#include "tests/vectors/hex.h"

/*
 * By hand from the layout in tuple_record.c: from 10.196.35.100 the ports 51000 and 51001 to 10.196.35.30:80, relayed
 * from the ports 40000 and 40001 to 10.196.35.23:30080 as slots 5 and 300; slot 5 is closed; 10.196.36.1:52000 to
 * 10.196.35.30:6443, with no server that could be told, as slot 65535.
 */
static const char golden[] = "01 01"
			     "01 02 0ac4231e 0050 0ac42317 7580"
			     "20 0ac42364 c738 05 9c40"
			     "24 c739 ac02 9c41"
			     "02 05"
			     "01 00 0ac4231e 192b"
			     "22 2401 cb20 ffff03";

static struct lb_endpoint endpoint(const char *text)
{
	struct lb_endpoint ep;

	ck_assert(lb_endpoint_parse(text, &ep));
	return ep;
}

static struct tuple_change opened(uint32_t slot, const char *client, const char *vip, const char *server,
				  uint16_t source)
{
	struct tuple_change c = {.kind = TUPLE_OPENED, .slot = slot};

	c.tuple.client = endpoint(client);
	c.tuple.vip = endpoint(vip);
	if (server != NULL)
		c.tuple.server = endpoint(server);
	c.tuple.source_port = source;
	return c;
}

static size_t golden_changes(struct tuple_change out[4])
{
	out[0] = opened(5, "10.196.35.100:51000", "10.196.35.30:80", "10.196.35.23:30080", 40000);
	out[1] = opened(300, "10.196.35.100:51001", "10.196.35.30:80", "10.196.35.23:30080", 40001);
	out[2] = (struct tuple_change){.kind = TUPLE_CLOSED, .slot = 5};
	out[3] = opened(65535, "10.196.36.1:52000", "10.196.35.30:6443", NULL, 0);
	return 4;
}

static bool same_change(const struct tuple_change *a, const struct tuple_change *b)
{
	if (a->kind != b->kind || a->slot != b->slot)
		return false;
	return a->kind == TUPLE_CLOSED ||
	       (lb_endpoint_equal(&a->tuple.client, &b->tuple.client) &&
		lb_endpoint_equal(&a->tuple.vip, &b->tuple.vip) &&
		lb_endpoint_equal(&a->tuple.server, &b->tuple.server) && a->tuple.source_port == b->tuple.source_port);
}

static size_t write_all(const struct tuple_change *changes, size_t n, bool anew, uint8_t *out, size_t size)
{
	struct tuple_writer w;

	tuple_writer_init(&w, out, size, anew);
	for (size_t i = 0; i < n; i++)
		ck_assert(tuple_writer_add(&w, &changes[i]));
	return w.len;
}

START_TEST(golden_bytes_both_ways)
{
	uint8_t expected[256], out[256];
	size_t len = hex_bytes(golden, expected, sizeof(expected)), n;
	struct tuple_change changes[4], read;
	struct tuple_reader r;

	n = golden_changes(changes);
	ck_assert_uint_eq(write_all(changes, n, true, out, sizeof(out)), len);
	ck_assert_mem_eq(out, expected, len);
	ck_assert_int_eq(tuple_batch_check(expected, len), TUPLE_OK);
	tuple_reader_init(&r, expected, len);
	ck_assert(r.anew);
	for (size_t i = 0; i < n; i++) {
		ck_assert(tuple_reader_next(&r, &read));
		ck_assert(same_change(&read, &changes[i]));
	}
	ck_assert(!tuple_reader_next(&r, &read));
}
END_TEST

START_TEST(ipv6_there_and_back)
{
	uint8_t out[256];
	struct tuple_change changes[] = {
	    opened(1, "[2001:db8::1:2]:51000", "[2001:db8::30]:443", "[2001:db8::23]:30443", 40000),
	    opened(2, "[2001:db8::1:3]:51000", "[2001:db8::30]:443", "[2001:db8::23]:30443", 40001),
	    opened(3, "10.0.0.1:51000", "10.196.35.30:443", NULL, 0),
	};
	struct tuple_change read;
	struct tuple_reader r;
	size_t len = write_all(changes, 3, false, out, sizeof(out));

	/* Of the second client's address only what differs is told. */
	ck_assert_uint_eq(len, 2 + 38 + 22 + (1 + 1 + 2 + 1 + 2) + 8 + 8);
	ck_assert_int_eq(tuple_batch_check(out, len), TUPLE_OK);
	tuple_reader_init(&r, out, len);
	ck_assert(!r.anew);
	for (size_t i = 0; i < 3; i++) {
		ck_assert(tuple_reader_next(&r, &read));
		ck_assert(same_change(&read, &changes[i]));
	}
}
END_TEST

START_TEST(a_thousand_connections_cost_few_bytes)
{
	static uint8_t out[TUPLE_BATCH_MAX];
	struct tuple_writer w;
	struct tuple_change c = opened(0, "10.196.35.100:1024", "10.196.35.30:80", "10.196.35.23:30080", 40000);

	tuple_writer_init(&w, out, sizeof(out), false);
	for (c.slot = 0; c.slot < 1000; c.slot++, c.tuple.client.port++) {
		ck_assert(tuple_writer_add(&w, &c));
	}
	ck_assert_uint_le(w.len, 8 * 1000);
}
END_TEST

START_TEST(nothing_out_of_range_is_written)
{
	uint8_t out[256];
	struct tuple_writer w;
	struct tuple_change good = opened(1, "10.0.0.1:1", "10.196.35.30:80", "10.196.35.23:30080", 4), bad;

	tuple_writer_init(&w, out, sizeof(out), false);
	bad = good;
	bad.slot = TUPLE_SLOTS;
	ck_assert(!tuple_writer_add(&w, &bad));
	bad = good;
	bad.tuple.client.port = 0;
	ck_assert(!tuple_writer_add(&w, &bad));
	bad = good;
	bad.tuple.source_port = 0;
	ck_assert(!tuple_writer_add(&w, &bad));
	bad = good;
	bad.tuple.client = endpoint("[2001:db8::1]:1");
	ck_assert(!tuple_writer_add(&w, &bad));
	bad = good;
	bad.tuple.client = endpoint("224.0.0.1:1");
	ck_assert(!tuple_writer_add(&w, &bad));
	ck_assert_uint_eq(w.len, 2);
	ck_assert(tuple_writer_add(&w, &good));
	w.size = w.len + TUPLE_RECORD_MAX - 1;
	ck_assert(!tuple_writer_add(&w, &good));
}
END_TEST

static enum tuple_drop judge(const char *hex)
{
	uint8_t bytes[256];

	return tuple_batch_check(bytes, hex_bytes(hex, bytes, sizeof(bytes)));
}

#define PLACE  "01 02 0ac4231e 0050 0ac42317 7580"
#define CLIENT "20 0ac42364 c738 05 9c40"

START_TEST(nothing_out_of_range_is_read)
{
	ck_assert_int_eq(judge("01 00"), TUPLE_OK);
	ck_assert_int_eq(judge("01 00" PLACE CLIENT), TUPLE_OK);
	ck_assert_int_eq(judge("01"), TUPLE_TRUNCATED);
	ck_assert_int_eq(judge("02 00"), TUPLE_UNKNOWN);
	ck_assert_int_eq(judge("01 02"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00 03"), TUPLE_UNKNOWN);
	ck_assert_int_eq(judge("01 00 31"), TUPLE_UNKNOWN);
	/* A connection without a place, a place without a connection, the same place twice, an unknown kind. */
	ck_assert_int_eq(judge("01 00" CLIENT), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE), TUPLE_TRUNCATED);
	ck_assert_int_eq(judge("01 00" PLACE PLACE CLIENT), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE CLIENT PLACE CLIENT), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE "02 05" CLIENT), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00 01 06 0ac4231e 0050 0ac42317 7580" CLIENT), TUPLE_VALUE);
	/* Ports of 0, addresses that no host has, in the place and of the client. */
	ck_assert_int_eq(judge("01 00 01 00 0ac4231e 0000 20 0ac42364 c738 05"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00 01 00 e0000012 0050 20 0ac42364 c738 05"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE "20 0ac42364 0000 05 9c40"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE "20 0ac42364 c738 05 0000"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE "20 ffffffff c738 05 9c40"), TUPLE_VALUE);
	/* Cut off, and more of the client's address taken over than it has, or than is the same. */
	ck_assert_int_eq(judge("01 00" PLACE "20 0ac42364 c738 05 9c"), TUPLE_TRUNCATED);
	ck_assert_int_eq(judge("01 00" PLACE CLIENT "25 c738 06 9c41"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00" PLACE CLIENT "23 64 c739 06 9c41"), TUPLE_VALUE);
}
END_TEST

START_TEST(slots_have_one_encoding)
{
	ck_assert_int_eq(judge("01 00 02 00"), TUPLE_OK);
	ck_assert_int_eq(judge("01 00 02 ffff03"), TUPLE_OK);
	ck_assert_int_eq(judge("01 00 02 808004"), TUPLE_VALUE); /* 65536 */
	ck_assert_int_eq(judge("01 00 02 8500"), TUPLE_VALUE);	 /* 5, longer than it need be */
	ck_assert_int_eq(judge("01 00 02 ffffff01"), TUPLE_VALUE);
	ck_assert_int_eq(judge("01 00 02 85"), TUPLE_TRUNCATED);
}
END_TEST

START_TEST(the_table_follows)
{
	struct tuple_table t = {0};
	struct tuple_change changes[4], beyond = {.kind = TUPLE_CLOSED, .slot = TUPLE_SLOTS};
	uint32_t slot = 0;

	golden_changes(changes);
	ck_assert(tuple_table_apply(&t, &changes[2]));
	ck_assert_uint_eq(t.count, 0);
	for (int i = 0; i < 4; i++)
		ck_assert(tuple_table_apply(&t, &changes[i]));
	ck_assert(!tuple_table_apply(&t, &beyond));
	ck_assert_uint_eq(t.count, 2);
	ck_assert(tuple_table_from(&t, &slot) != NULL);
	ck_assert_uint_eq(slot, 300);
	/* Opened once more, a slot is another connection. */
	changes[0].slot = 300;
	ck_assert(tuple_table_apply(&t, &changes[0]));
	ck_assert_uint_eq(t.count, 2);
	ck_assert_uint_eq(tuple_table_from(&t, &slot)->client.port, 51000);
	slot++;
	ck_assert(tuple_table_from(&t, &slot) != NULL);
	ck_assert_uint_eq(slot, 65535);
	slot++;
	ck_assert(tuple_table_from(&t, &slot) == NULL);
	tuple_table_clear(&t);
	ck_assert_uint_eq(t.count, 0);
	slot = 0;
	ck_assert(tuple_table_from(&t, &slot) == NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tuple_record");
	TCase *all = tcase_create("all");

	tcase_add_test(all, golden_bytes_both_ways);
	tcase_add_test(all, ipv6_there_and_back);
	tcase_add_test(all, a_thousand_connections_cost_few_bytes);
	tcase_add_test(all, nothing_out_of_range_is_written);
	tcase_add_test(all, nothing_out_of_range_is_read);
	tcase_add_test(all, slots_have_one_encoding);
	tcase_add_test(all, the_table_follows);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
