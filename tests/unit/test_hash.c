/* The hashes are part of the wire and of configuration fingerprints: golden values, not only properties. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

static const struct {
	const char *text;
	uint64_t hash;
} golden[] = {
    {"",	 0xefd01f60ba992926},
    {"a",	  0x82a2a958a9bece5b},
    {"foobar", 0x2c22194922d1672b},
    {"k8s",    0x377c110e2cc9936a},
};

START_TEST(hash_has_its_golden_values)
{
	ck_assert_uint_eq(lb_hash(golden[_i].text, strlen(golden[_i].text)), golden[_i].hash);
}
END_TEST

START_TEST(mix_depends_on_order)
{
	uint64_t ab = lb_hash_mix(lb_hash_mix(0, 1), 2), ba = lb_hash_mix(lb_hash_mix(0, 2), 1);

	ck_assert_uint_ne(ab, ba);
	ck_assert_uint_ne(lb_hash_mix(0, 0), 0);
}
END_TEST

/* The first outputs of Vigna's splitmix64.c for seed 1234567. */
START_TEST(random_is_splitmix64)
{
	static const uint64_t want[] = {6457827717110365317U, 3203168211198807973U, 9817491932198370423U};
	uint64_t state = 1234567;

	for (size_t i = 0; i < 3; i++)
		ck_assert_uint_eq(lb_random_next(&state), want[i]);
}
END_TEST

START_TEST(random_below_is_even)
{
	uint32_t seen[7] = {0};
	uint64_t state = 1;

	for (int i = 0; i < 70000; i++) {
		uint32_t r = lb_random_below(&state, 7);

		ck_assert_uint_lt(r, 7);
		seen[r]++;
	}
	for (size_t i = 0; i < 7; i++) {
		ck_assert_uint_gt(seen[i], 9500);
		ck_assert_uint_lt(seen[i], 10500);
	}
	ck_assert_uint_eq(lb_random_below(&state, 1), 0);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Three quarters of 2^32: without redrawing, every third number would come twice as often. */
START_TEST(random_below_is_even_for_large_bounds)
{
	uint32_t seen[3] = {0};
	uint64_t state = 1;

	for (int i = 0; i < 30000; i++)
		seen[lb_random_below(&state, 3U << 30) % 3]++;
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_gt(seen[i], 9500);
		ck_assert_uint_lt(seen[i], 10500);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hash");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, hash_has_its_golden_values, 0, COUNT(golden));
	tcase_add_test(all, mix_depends_on_order);
	tcase_add_test(all, random_is_splitmix64);
	tcase_add_test(all, random_below_is_even);
	tcase_add_test(all, random_below_is_even_for_large_bounds);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
