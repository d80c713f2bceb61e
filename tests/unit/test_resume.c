/* What a keeper leaves behind, byte for byte, what one says that may follow it, and when it may go on in its place. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/hash.h>
#include <lb/resume.h>
#include <lb/vrrp_fsm.h>

#define LEASE LB_MSEC(290)

static const struct resume_record active = {
    .boot_id = {0xb0, 0x07},
    .identity = 0x1122334455667788,
    .active = true,
    .guarded = true,
    .arp_guarded = true,
    .advert = LB_SEC(1000),
    .since = LB_SEC(900),
    .since_wall = 0x1234567890,
    .sequence = 0xfedcba9876543210,
};

static uint8_t area[RESUME_AREA_BYTES];
static uint64_t generation;

static void start_over(void)
{
	memset(area, 0, sizeof(area));
	generation = 0;
}

static void write_active(lb_time advert)
{
	struct resume_record r = active;

	r.advert = advert;
	resume_record_write(area, &generation, &r);
}

START_TEST(a_record_is_these_bytes)
{
	static const uint8_t expected[] = {
	    'l',  'b',	'd',  'r',  'e',  's',	0,    1,    /* magic and version */
	    0,	  0,	0,    0,    0,	  0,	0,    1,    /* generation */
	    0xb0, 0x07, 0,    0,    0,	  0,	0,    0,    /* boot id */
	    0,	  0,	0,    0,    0,	  0,	0,    0,    /* */
	    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* identity */
	    0,	  0,	0,    0,    0,	  0,	0,    7,    /* active, guarded, ARP guarded */
	    0,	  0,	0,    0xe8, 0xd4, 0xa5, 0x10, 0,    /* 1,000,000,000,000 ns */
	    0,	  0,	0,    0xd1, 0x8c, 0x2e, 0x28, 0,    /* 900,000,000,000 ns */
	    0,	  0,	0,    0x12, 0x34, 0x56, 0x78, 0x90, /* */
	    0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10, /* */
	};

	start_over();
	resume_record_write(area, &generation, &active);
	ck_assert_mem_eq(area + RESUME_AREA_BYTES / 2, expected, sizeof(expected));
}
END_TEST

START_TEST(the_latest_record_is_read)
{
	struct resume_record r;
	uint64_t at;

	start_over();
	for (lb_time t = 1; t <= 5; t++) {
		write_active(t);
		ck_assert(resume_record_read(area, sizeof(area), &at, &r));
		ck_assert_int_eq(r.advert, t);
		ck_assert_uint_eq(at, (uint64_t)t);
	}
	ck_assert_mem_eq(r.boot_id, active.boot_id, sizeof(r.boot_id));
	ck_assert_uint_eq(r.identity, active.identity);
	ck_assert(r.active && r.guarded && r.arp_guarded);
	ck_assert_int_eq(r.since, active.since);
	ck_assert_int_eq(r.since_wall, active.since_wall);
	ck_assert_uint_eq(r.sequence, active.sequence);
}
END_TEST

/* A crash in the middle of writing: every byte of the latest slot damaged in turn. */
START_TEST(a_torn_record_leaves_the_one_before)
{
	struct resume_record r;
	uint64_t at;

	start_over();
	write_active(1);
	write_active(2);
	/* Generation 2 is in the first slot. */
	for (size_t i = 0; i < 88; i++) {
		area[i] ^= 1;
		ck_assert(resume_record_read(area, sizeof(area), &at, &r));
		ck_assert_int_eq(r.advert, 1);
		area[i] ^= 1;
	}
	ck_assert(resume_record_read(area, sizeof(area), &at, &r) && r.advert == 2);
}
END_TEST

START_TEST(garbage_is_no_record)
{
	struct resume_record r;
	uint64_t at = 7;

	start_over();
	ck_assert(!resume_record_read(area, sizeof(area), &at, &r));
	ck_assert_uint_eq(at, 0);
	memset(area, 0xff, sizeof(area));
	ck_assert(!resume_record_read(area, sizeof(area), &at, &r));
	start_over();
	write_active(1);
	ck_assert(!resume_record_read(area, sizeof(area) - 1, &at, &r));
}
END_TEST

/* Whole, but of a version that is not known here. */
START_TEST(a_record_of_another_version_is_none)
{
	struct resume_record r;
	uint64_t at;

	for (uint64_t version = 0; version < 4; version++) {
		start_over();
		write_active(1);
		uint8_t *slot = area + RESUME_AREA_BYTES / 2;
		lb_put64(slot, 0x6c62647265730000 | version);
		lb_put64(slot + 80, lb_hash(slot, 80));
		ck_assert_int_eq(resume_record_read(area, sizeof(area), &at, &r), version == 1);
	}
}
END_TEST

START_TEST(an_answer_is_this_line)
{
	const struct resume_answer answer = {1, 12, "0.2.0-1"};
	char line[64];

	ck_assert(resume_answer_write(&answer, line, sizeof(line)));
	ck_assert_str_eq(line, "resume=1-12 lbd=0.2.0-1");
	ck_assert(resume_answer_write(&answer, line, sizeof("resume=1-12 lbd=0.2.0-1")));
	ck_assert(!resume_answer_write(&answer, line, sizeof("resume=1-12 lbd=0.2.0-1") - 1));
}
END_TEST

START_TEST(an_answer_is_read)
{
	/* What a later program says besides, in lines of its own. */
	static const char text[] = "resume=1-12 lbd=0.2.0 (beta)\nmore=yes\n";
	struct resume_answer answer;

	ck_assert(resume_answer_read(text, &answer));
	ck_assert_uint_eq(answer.oldest, 1);
	ck_assert_uint_eq(answer.newest, 12);
	ck_assert_str_eq(answer.version, "0.2.0 (beta)");
}
END_TEST

START_TEST(anything_else_is_no_answer)
{
	static const char *const others[] = {
	    "",
	    "\n",
	    "--resume-test --config /etc/lbd/lbd.yaml\n",
	    "resume=1-1 lbd=0.2.0", /* cut */
	    "resume=1-1 lbd=\n",
	    "resume=1 lbd=0.2.0\n",
	    "resume=1-1 haproxy=2.8\n",
	    "resume=0-1 lbd=0.2.0\n",
	    "resume=2-1 lbd=0.2.0\n",
	    "resume=-1-1 lbd=0.2.0\n",
	    "resume=1--1 lbd=0.2.0\n",
	    "resume=1-999999 lbd=0.2.0\n",
	};
	struct resume_answer answer = {7, 7, "as it was"};
	char line[160];

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		ck_assert_msg(!resume_answer_read(others[i], &answer), "%s", others[i]);
	/* As long as it may be, and longer. */
	snprintf(line, sizeof(line), "resume=1-1 lbd=%0*d\n", (int)sizeof(answer.version), 0);
	ck_assert(!resume_answer_read(line, &answer));
	ck_assert_uint_eq(answer.oldest, 7);
	ck_assert_str_eq(answer.version, "as it was");
	snprintf(line, sizeof(line), "resume=1-1 lbd=%0*d\n", (int)sizeof(answer.version) - 1, 0);
	ck_assert(resume_answer_read(line, &answer));
}
END_TEST

START_TEST(what_this_program_leaves_must_be_understood)
{
	ck_assert(resume_answer_fits(&(struct resume_answer){RESUME_VERSION, RESUME_VERSION, ""}));
	ck_assert(resume_answer_fits(&(struct resume_answer){1, RESUME_VERSION + 5, ""}));
	ck_assert(!resume_answer_fits(&(struct resume_answer){RESUME_VERSION + 1, RESUME_VERSION + 5, ""}));
	ck_assert(!resume_answer_fits(&(struct resume_answer){0, RESUME_VERSION - 1, ""}));
}
END_TEST

static enum resume_verdict judge(const struct resume_record *r, lb_time now)
{
	return resume_judge(r, &(struct resume_facts){.boot_id = active.boot_id,
						      .identity = active.identity,
						      .now = now,
						      .lease = vrrp_lease(LB_MSEC(100))});
}

START_TEST(only_for_as_long_as_the_lease_lasts)
{
	ck_assert_int_eq(vrrp_lease(LB_MSEC(100)), LEASE);
	ck_assert_int_eq(judge(&active, active.advert), RESUME_ACTIVE);
	ck_assert_int_eq(judge(&active, active.advert + LEASE - 1), RESUME_ACTIVE);
	ck_assert_int_eq(judge(&active, active.advert + LEASE), RESUME_TOO_OLD);
	/* Of another clock. */
	ck_assert_int_eq(judge(&active, active.advert - 1), RESUME_TOO_OLD);
}
END_TEST

START_TEST(only_the_same_owner_goes_on)
{
	struct resume_record r = active;

	ck_assert_int_eq(judge(NULL, active.advert), RESUME_NOTHING_KEPT);
	r.boot_id[15] = 1;
	ck_assert_int_eq(judge(&r, active.advert), RESUME_OTHER_BOOT);
	r = active;
	r.identity++;
	ck_assert_int_eq(judge(&r, active.advert), RESUME_OTHER_ELECTION);
	r = active;
	r.active = false;
	ck_assert_int_eq(judge(&r, active.advert), RESUME_NOT_ACTIVE);
	r = active;
	r.advert = 0;
	ck_assert_int_eq(judge(&r, 1), RESUME_NOT_ACTIVE);
	for (int v = 0; v < RESUME_VERDICT_COUNT_; v++)
		ck_assert_str_ne(resume_verdict_text((enum resume_verdict)v), "unknown");
	ck_assert_str_eq(resume_verdict_text(RESUME_VERDICT_COUNT_), "unknown");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resume");
	TCase *tc = tcase_create("resume");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, a_record_is_these_bytes);
	tcase_add_test(tc, the_latest_record_is_read);
	tcase_add_test(tc, a_torn_record_leaves_the_one_before);
	tcase_add_test(tc, garbage_is_no_record);
	tcase_add_test(tc, a_record_of_another_version_is_none);
	tcase_add_test(tc, an_answer_is_this_line);
	tcase_add_test(tc, an_answer_is_read);
	tcase_add_test(tc, anything_else_is_no_answer);
	tcase_add_test(tc, what_this_program_leaves_must_be_understood);
	tcase_add_test(tc, only_for_as_long_as_the_lease_lasts);
	tcase_add_test(tc, only_the_same_owner_goes_on);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
