/* What outlives the proxy: golden bytes of orders, and nothing damaged is taken for good. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>
#include <lb/state_file.h>
#include <lb/text.h>

#define GOLDEN                                                      \
	"lbd-orders 1 0000000000000007 0000004c 6eba14d547aa34e2\n" \
	"kube-api/k8s-master-1 drain\n"                             \
	"web/a ready weight=7/100 limit=20/0\n"                     \
	"web/b maint\n"

static const struct lb_order orders[] = {
    {.service = "kube-api", .server = "k8s-master-1", .admin = LB_ADMIN_DRAIN},
    {.service = "web",
     .server = "a",
     .has_weight = true,
     .weight = 7,
     .weight_over = 100,
     .has_limit = true,
     .limit = 20},
    {.service = "web",    .server = "b",				      .admin = LB_ADMIN_MAINT							     },
};

static bool decode(const char *text, size_t len, struct lb_order **out, size_t *count, struct lb_err *err)
{
	uint64_t generation;
	bool ok = state_orders_decode((const uint8_t *)text, len, &generation, out, count, err);

	ck_assert(!ok || generation == 7);
	return ok;
}

START_TEST(orders_are_text_that_a_person_can_read)
{
	struct lb_text text = {0};

	ck_assert(state_orders_encode(orders, 3, 7, &text));
	ck_assert_str_eq(lb_text_str(&text), GOLDEN);
	lb_text_free(&text);
}
END_TEST

START_TEST(orders_come_back)
{
	/* Behind the body stands what is left of a longer one. */
	static const char slot[] = GOLDEN "web/old drain\n";
	struct lb_order *found;
	struct lb_err err;
	size_t count;

	ck_assert_msg(decode(slot, sizeof(slot), &found, &count, &err), "%s", err.text);
	ck_assert_uint_eq(count, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_str_eq(found[i].service, orders[i].service);
		ck_assert_str_eq(found[i].server, orders[i].server);
		ck_assert_int_eq(found[i].admin, orders[i].admin);
		ck_assert_int_eq(found[i].has_weight, orders[i].has_weight);
		ck_assert_int_eq(found[i].weight, orders[i].weight);
		ck_assert_int_eq(found[i].weight_over, orders[i].weight_over);
		ck_assert_int_eq(found[i].has_limit, orders[i].has_limit);
		ck_assert_uint_eq(found[i].limit, orders[i].limit);
	}
	free(found);
}
END_TEST

START_TEST(every_damaged_byte_is_noticed)
{
	char slot[sizeof(GOLDEN)];
	struct lb_order *found;
	struct lb_err err;
	size_t count;

	for (size_t i = 0; i < strlen(GOLDEN); i++) {
		memcpy(slot, GOLDEN, sizeof(slot));
		slot[i] ^= 1;
		/* The generation is no part of the sum; another one is another write. */
		if (i >= 13 && i < 29)
			continue;
		ck_assert_msg(!decode(slot, strlen(GOLDEN), &found, &count, &err), "byte %zu", i);
		ck_assert_str_ne(err.text, "");
	}
	for (size_t len = 1; len < strlen(GOLDEN); len++)
		ck_assert_msg(!decode(GOLDEN, len, &found, &count, &err), "%zu bytes", len);
}
END_TEST

START_TEST(a_slot_never_written_has_no_error)
{
	static const char zeros[64];
	struct lb_order *found;
	struct lb_err err;
	size_t count;

	ck_assert(!decode(zeros, 0, &found, &count, &err) && err.text[0] == '\0');
	ck_assert(!decode(zeros, sizeof(zeros), &found, &count, &err) && err.text[0] == '\0');
}
END_TEST

START_TEST(lines_that_are_no_orders_are_refused)
{
	static const char *const bodies[] = {"web\n",
					     "web/ drain\n",
					     "web/a off\n",
					     "web/a\n",
					     "web/a drain x\n",
					     "web/a ready weight=300/1\n",
					     "web/a drain",
					     "web/a ready weight=0/1\n",
					     "web/a ready limit=-1/1\n",
					     "/a drain\n",
					     "web/a ready weight=7\n"};

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct lb_text text = {0};
		struct lb_order *found;
		struct lb_err err;
		uint64_t generation;
		size_t count;

		lb_text_addf(&text, "lbd-orders 1 %016x %08zx %016" PRIx64 "\n%s", 1, strlen(bodies[i]),
			     lb_hash(bodies[i], strlen(bodies[i])), bodies[i]);
		ck_assert_msg(
		    !state_orders_decode((const uint8_t *)text.data, text.len, &generation, &found, &count, &err), "%s",
		    bodies[i]);
		lb_text_free(&text);
	}
}
END_TEST

START_TEST(events_come_back_and_damage_is_noticed)
{
	struct lb_event event = {.id = 1025, .at = 5, .kind = "vip", .to = "active", .duration = 9}, found;
	uint8_t record[STATE_EVENT_RECORD], head[STATE_EVENTS_HEAD];

	ck_assert_uint_eq(state_event_offset(1025), STATE_EVENTS_HEAD + STATE_EVENT_RECORD);
	state_event_encode(&event, record);
	ck_assert(state_event_decode(record, &found));
	ck_assert_uint_eq(found.id, 1025);
	ck_assert_str_eq(found.to, "active");
	ck_assert_int_eq(found.duration, 9);
	for (size_t i = 0; i < sizeof(record); i++) {
		record[i] ^= 0x10;
		ck_assert_msg(!state_event_decode(record, &found), "byte %zu", i);
		record[i] ^= 0x10;
	}
	state_events_head(head);
	ck_assert(state_events_head_good(head));
	head[9] ^= 1;
	ck_assert(!state_events_head_good(head));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state_file");
	TCase *tc = tcase_create("state_file");

	tcase_add_test(tc, orders_are_text_that_a_person_can_read);
	tcase_add_test(tc, orders_come_back);
	tcase_add_test(tc, every_damaged_byte_is_noticed);
	tcase_add_test(tc, a_slot_never_written_has_no_error);
	tcase_add_test(tc, lines_that_are_no_orders_are_refused);
	tcase_add_test(tc, events_come_back_and_damage_is_noticed);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
