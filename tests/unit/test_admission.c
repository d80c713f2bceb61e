/* Who is let in: the longest prefix decides, whatever the order of the lists, and ten thousand networks are no matter.
 */
#include <check.h>
#include <stdlib.h>
#include <time.h>

#include <lb/admission.h>
#include <lb/hash.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { MANY = 10000, RANDOM_NETS = 400, QUESTIONS = 200000 };

static struct lb_cidr net(const char *text)
{
	struct lb_cidr cidr;

	ck_assert_msg(lb_cidr_parse(text, &cidr), "%s", text);
	return cidr;
}

static bool allows(const struct admission *a, const char *text)
{
	struct lb_addr addr;

	ck_assert_msg(lb_addr_parse(text, &addr), "%s", text);
	return admission_allows(a, &addr);
}

START_TEST(without_lists_everybody_is_let_in)
{
	struct admission *a = admission_new(NULL, 0, NULL, 0);

	ck_assert(allows(a, "0.0.0.0") && allows(a, "255.255.255.255") && allows(a, "::1"));
	ck_assert(admission_allows(a, &(struct lb_addr){0}));
	admission_free(a);
	admission_free(NULL);
}
END_TEST

START_TEST(an_allow_list_leaves_all_others_out)
{
	struct lb_cidr allow[] = {net("192.168.0.0/16"), net("10.0.0.0/8")};
	struct admission *a = admission_new(allow, COUNT(allow), NULL, 0);

	ck_assert(allows(a, "10.0.0.0") && allows(a, "10.255.255.255") && allows(a, "192.168.3.4"));
	ck_assert(!allows(a, "9.255.255.255") && !allows(a, "11.0.0.0") && !allows(a, "::ffff"));
	ck_assert(!admission_allows(a, &(struct lb_addr){0}));
	admission_free(a);
}
END_TEST

START_TEST(a_deny_list_lets_all_others_in)
{
	struct lb_cidr deny[] = {net("255.255.255.255"), net("0.0.0.0/8"), net("2001:db8::/32")};
	struct admission *a = admission_new(NULL, 0, deny, COUNT(deny));

	ck_assert(!allows(a, "255.255.255.255") && !allows(a, "0.1.2.3") && !allows(a, "2001:db8::1"));
	/* The end of one family is not the beginning of the other. */
	ck_assert(allows(a, "255.255.255.254") && allows(a, "::") && allows(a, "2001:db9::"));
	admission_free(a);
}
END_TEST

START_TEST(the_longest_prefix_decides)
{
	struct lb_cidr allow[] = {net("10.66.7.0/24"), net("10.0.0.0/8"), net("10.66.7.9")};
	struct lb_cidr deny[] = {net("10.66.7.8/29"), net("10.66.0.0/16"), net("10.66.7.0/25"), net("10.1.2.3")};
	struct admission *a = admission_new(allow, COUNT(allow), deny, COUNT(deny));

	ck_assert(allows(a, "10.65.255.255") && !allows(a, "10.66.0.0") && !allows(a, "10.66.6.255"));
	ck_assert(!allows(a, "10.66.7.0") && !allows(a, "10.66.7.127") && allows(a, "10.66.7.128"));
	ck_assert(allows(a, "10.66.7.9") && !allows(a, "10.66.7.10") && !allows(a, "10.66.8.0"));
	ck_assert(!allows(a, "10.1.2.3") && allows(a, "10.1.2.4") && allows(a, "10.67.0.0") && !allows(a, "11.0.0.0"));
	admission_free(a);
}
END_TEST

START_TEST(the_same_network_in_both_lists_is_denied)
{
	struct lb_cidr both[] = {net("10.0.0.0/8"), net("fd00::/8")};
	struct admission *a = admission_new(both, COUNT(both), both, COUNT(both));

	ck_assert(!allows(a, "10.0.0.1") && !allows(a, "fd00::1") && !allows(a, "9.9.9.9"));
	admission_free(a);
}
END_TEST

/* ---- against a search through the lists ---- */

static struct lb_cidr allow_list[RANDOM_NETS], deny_list[RANDOM_NETS];

/* Few different bits, so that networks lie in each other and side by side. */
static struct lb_addr random_addr(uint64_t *state, bool ipv6)
{
	struct lb_addr addr = {.family = ipv6 ? AF_INET6 : AF_INET};

	for (size_t i = 0; i < lb_addr_size(&addr); i++)
		addr.bytes[i] = (uint8_t)(lb_random_below(state, 4) == 0 ? 0xff : lb_random_below(state, 3));
	return addr;
}

static struct lb_cidr random_net(uint64_t *state)
{
	struct lb_cidr cidr = {.addr = random_addr(state, lb_random_below(state, 2) == 1)};
	size_t bits = 8 * lb_addr_size(&cidr.addr);

	cidr.prefix = (uint8_t)lb_random_below(state, (uint32_t)bits + 1);
	for (size_t bit = cidr.prefix; bit < bits; bit++)
		cidr.addr.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return cidr;
}

static int longest(const struct lb_cidr *list, size_t count, const struct lb_addr *addr)
{
	int best = -1;

	for (size_t i = 0; i < count; i++)
		if (lb_cidr_contains(&list[i], addr) && list[i].prefix > best)
			best = list[i].prefix;
	return best;
}

START_TEST(answers_as_a_search_through_the_lists_does)
{
	uint64_t state = (uint64_t)_i;
	size_t yes_count = lb_random_below(&state, RANDOM_NETS), no_count = lb_random_below(&state, RANDOM_NETS);

	for (size_t i = 0; i < RANDOM_NETS; i++) {
		allow_list[i] = random_net(&state);
		deny_list[i] = random_net(&state);
	}
	struct admission *a = admission_new(allow_list, yes_count, deny_list, no_count);
	for (int i = 0; i < 5000; i++) {
		struct lb_addr addr = random_addr(&state, i % 2 == 0);
		int yes = longest(allow_list, yes_count, &addr), no = longest(deny_list, no_count, &addr);
		bool expected = yes < 0 && no < 0 ? yes_count == 0 : yes > no;

		ck_assert_int_eq(admission_allows(a, &addr), expected);
	}
	admission_free(a);
}
END_TEST

/* ---- size ---- */

/* Seconds of processor time for many questions to so many networks. */
static double seconds_to_ask(size_t count)
{
	static struct lb_cidr nets[MANY];
	uint64_t state = 1;
	unsigned yes = 0;

	for (size_t i = 0; i < count; i++)
		nets[i] = (struct lb_cidr){
		    .addr = {AF_INET, {(uint8_t)(i >> 8), (uint8_t)i, (uint8_t)(i * 7)}},
			  .prefix = 24
		      };
	struct admission *a = admission_new(nets, count, NULL, 0);
	clock_t before = clock();
	for (int i = 0; i < QUESTIONS; i++) {
		struct lb_addr addr = {.family = AF_INET};

		for (int b = 0; b < 4; b++)
			addr.bytes[b] = (uint8_t)lb_random_next(&state);
		yes += admission_allows(a, &addr);
	}
	double took = (double)(clock() - before) / CLOCKS_PER_SEC;
	ck_assert_uint_lt(yes, QUESTIONS);
	admission_free(a);
	return took;
}

/* A search through the list would take 500 times as long. */
START_TEST(ten_thousand_networks_cost_little_more_than_twenty)
{
	double few = seconds_to_ask(20), many = seconds_to_ask(MANY);

	ck_assert_msg(many < 12 * few + 0.01, "%.4f s for 20, %.4f s for %d", few, many, MANY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("admission");
	TCase *tc = tcase_create("admission");

	tcase_add_test(tc, without_lists_everybody_is_let_in);
	tcase_add_test(tc, an_allow_list_leaves_all_others_out);
	tcase_add_test(tc, a_deny_list_lets_all_others_in);
	tcase_add_test(tc, the_longest_prefix_decides);
	tcase_add_test(tc, the_same_network_in_both_lists_is_denied);
	tcase_add_loop_test(tc, answers_as_a_search_through_the_lists_does, 0, 40);
	tcase_add_test(tc, ten_thousand_networks_cost_little_more_than_twenty);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
