/* The status screen of lbctl and the exit code it stands for. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lbctl/format.h"
#include "daemon/lbctl/status.h"

#define SERVERS                                                                                                       \
	"[{'name': 'k8s-master-1', 'address': '10.196.35.20:6443', 'state': 'up', 'admin': 'ready', 'weight': 100,"   \
	"  'effective_weight': 40, 'backup': false, 'sessions': 137, 'sessions_total': 30070, 'bytes_in': 1500,"      \
	"  'bytes_out': 20000000, 'connect_ms': 0.31, 'since': '2026-01-01T10:58:00.000Z',"                           \
	"  'check': {'result': '200', 'duration_ms': 3.1}},"                                                          \
	" {'name': 'k8s-master-2', 'address': '10.196.35.21:6443', 'state': 'down', 'admin': 'drain', 'weight': 100," \
	"  'effective_weight': 100, 'backup': true, 'sessions': 0, 'sessions_total': 7, 'bytes_in': 0, 'bytes_out': " \
	"0,"                                                                                                          \
	"  'connect_ms': 0, 'since': '2026-01-01T09:00:00.000Z', 'check': {'result': 'refused'}}]"

#define PICTURE                                                                                                       \
	"{'cluster': 'k8s', 'node': 'k8s-lb-1', 'version': '0.1.0', 'config': '7f3a21c0', 'role': 'active',"          \
	" 'since': '2026-01-01T10:00:00.123Z', 'reason': 'active-down-timer', 'owner': 'k8s-lb-1', 'standby': false," \
	" 'vips': [{'address': '10.196.35.30', 'interface': 'enp5s0', 'present': true, 'fenced': false}],"            \
	" 'nodes': [{'name': 'k8s-lb-1', 'address': '10.196.35.25', 'self': true, 'role': 'active',"                  \
	"            'can_serve': true, 'version': '0.1.0'},"                                                         \
	"           {'name': 'k8s-lb-2', 'address': '10.196.35.26', 'self': false, 'role': 'backup',"                 \
	"            'can_serve': true, 'heard': true, 'heard_ms': 42, 'hears_us': true, 'config': '7f3a21c0',"       \
	"            'version': '0.1.0'}],"                                                                           \
	" 'services': [{'name': 'kube-api', 'listen': ['10.196.35.30:6443'], 'balance': 'leastconn',"                 \
	"               'sessions': 137, 'sessions_total': 30077, 'bytes_in': 1500, 'bytes_out': 20000000,"           \
	"               'servers': " SERVERS "}]}"

#define NOW 1767265260.0 /* 2026-01-01T11:01:00Z */

/* JSON written with single quotes. */
static json_t *parse(const char *text)
{
	char *quoted = strdup(text);
	json_t *json;

	for (char *at = quoted; (at = strchr(at, '\'')) != NULL; at++)
		*at = '"';
	json = json_loads(quoted, 0, NULL);
	free(quoted);
	ck_assert_ptr_nonnull(json);
	return json;
}

/* The picture with one member of an object changed: status itself, or a node, service or server below it. */
static json_t *picture_with(const char *list, size_t index, const char *key, const char *value)
{
	json_t *status = parse(PICTURE);
	json_t *object = list ? json_array_get(json_object_get(status, list), index) : status;
	json_t *changed = json_loads(value, JSON_DECODE_ANY, NULL);

	ck_assert_ptr_nonnull(object);
	ck_assert_ptr_nonnull(changed);
	json_object_set_new(object, key, changed);
	return status;
}

static void judged(json_t *status, enum status_verdict verdict, const char *sentence)
{
	struct lb_text problems = {0};

	ck_assert_int_eq(status_judge(status, &problems), verdict);
	ck_assert_str_eq(lb_text_str(&problems), sentence);
	lb_text_free(&problems);
	json_decref(status);
}

/* The line about waking is there. */
static void says(const char *wake, const char *role, const char *line)
{
	json_t *status = picture_with(NULL, 0, "role", role);
	struct lb_text out = {0};

	json_object_set_new(status, "wake", parse(wake));
	status_text(status, NOW, false, &out);
	ck_assert_msg(strstr(lb_text_str(&out), line) != NULL, "no '%s' in:\n%s", line, lb_text_str(&out));
	lb_text_free(&out);
	json_decref(status);
}

START_TEST(what_becomes_of_clients_if_the_owner_dies)
{
	says("{'possible': true, 'nodes': 1, 'told': 412, 'held': 0}", "\"active\"",
	     "\n1 node knows 412 connections to wake if this node dies\n");
	says("{'possible': true, 'nodes': 0, 'told': 0, 'held': 0}", "\"active\"",
	     "\n0 nodes know 0 connections to wake if this node dies\n");
	says("{'possible': true, 'nodes': 0, 'told': 0, 'held': 412}", "\"backup\"",
	     "\n412 connections are known here to wake if the owner dies\n");
	says("{'possible': false, 'nodes': 0, 'told': 0, 'held': 0}", "\"backup\"",
	     "\nwithout key_file no node can wake the clients of an owner that dies\n");
}
END_TEST

START_TEST(screen)
{
	static const char expected[] =
	    "k8s on k8s-lb-1: active for 1h 00m (active-down-timer), owner k8s-lb-1, configuration 7f3a21c0\n"
	    "\n"
	    "VIP           INTERFACE  HERE  LEASE\n"
	    "10.196.35.30  enp5s0     yes   alive\n"
	    "\n"
	    "NODE      ADDRESS       ROLE    SERVES  HEARD  HEARS US  CONFIG    VERSION\n"
	    "k8s-lb-1  10.196.35.25  active  yes         -  -         7f3a21c0  0.1.0\n"
	    "k8s-lb-2  10.196.35.26  backup  yes     42 ms  yes       7f3a21c0  0.1.0\n"
	    "\n"
	    "SERVICE                  ADDRESS            STATE             WEIGHT  SESSIONS  TOTAL      IN    OUT  "
	    "CONNECT"
	    "  CHECK       FOR\n"
	    "kube-api                 10.196.35.30:6443  1/2 leastconn                  137  30077  1.5 kB  20 MB\n"
	    "  k8s-master-1           10.196.35.20:6443  up             40 of 100       137  30070  1.5 kB  20 MB  "
	    "0.31 ms"
	    "  200      3m 00s\n"
	    "  k8s-master-2 (backup)  10.196.35.21:6443  down,drain           100         0      7     0 B    0 B      "
	    "  -"
	    "  refused  2h 01m\n";
	json_t *status = parse(PICTURE);
	struct lb_text out = {0};

	status_text(status, NOW, false, &out);
	ck_assert_str_eq(lb_text_str(&out), expected);
	lb_text_free(&out);
	json_decref(status);
}
END_TEST

START_TEST(colour_is_asked_for)
{
	json_t *status = parse(PICTURE);
	struct lb_text out = {0};

	status_text(status, NOW, true, &out);
	ck_assert_ptr_nonnull(strstr(lb_text_str(&out), "\033[32mactive\033[0m"));
	lb_text_free(&out);
	json_decref(status);
}
END_TEST

/* As in the middle of an upgrade: seen, and nothing that is wrong. */
START_TEST(another_version)
{
	/* This one's keeper, which may have stayed when its proxy was upgraded, and another one. */
	for (size_t node = 0; node < 2; node++) {
		json_t *status = picture_with("nodes", node, "version", "\"0.2.0\"");
		struct lb_text out = {0};

		status_text(status, NOW, true, &out);
		ck_assert_ptr_nonnull(strstr(lb_text_str(&out), "\033[33m0.2.0\033[0m"));
		ck_assert_ptr_null(strstr(lb_text_str(&out), "\033[33m0.1.0\033[0m"));
		lb_text_free(&out);
		judged(status, STATUS_ACTIVE, "");
	}
}
END_TEST

START_TEST(well)
{
	judged(parse(PICTURE), STATUS_ACTIVE, "");
	judged(picture_with(NULL, 0, "role", "\"backup\""), STATUS_BACKUP, "");
}
END_TEST

START_TEST(degraded)
{
	judged(picture_with(NULL, 0, "standby", "true"), STATUS_DEGRADED,
	       "this node is in standby; end it with: lbctl standby off\n");
	judged(picture_with(NULL, 0, "role", "\"fault\""), STATUS_DEGRADED,
	       "this node is in fault (active-down-timer)\n");
	judged(picture_with("nodes", 1, "config", "\"00000001\""), STATUS_DEGRADED,
	       "k8s-lb-2 runs another configuration: 7f3a21c0 here, 00000001 there\n");
	judged(picture_with("nodes", 1, "can_serve", "false"), STATUS_DEGRADED, "k8s-lb-2 cannot serve\n");
	judged(picture_with("nodes", 0, "role", "\"backup\""), STATUS_DEGRADED, "nobody owns the VIP\n");
	judged(picture_with("nodes", 1, "standby", "true"), STATUS_DEGRADED, "k8s-lb-2 is on standby\n");
	judged(picture_with("services", 0, "servers", "[]"), STATUS_DEGRADED,
	       "service kube-api has no healthy server\n");
}
END_TEST

START_TEST(split)
{
	judged(picture_with("nodes", 1, "heard", "false"), STATUS_SPLIT, "k8s-lb-2 is not heard\n");
	judged(picture_with("nodes", 1, "hears_us", "false"), STATUS_SPLIT, "k8s-lb-2 does not hear this node\n");
	judged(picture_with("nodes", 1, "role", "\"active\""), STATUS_SPLIT, "2 nodes own the VIP at once\n");
	judged(picture_with(NULL, 0, "foreign_owner", "true"), STATUS_SPLIT, "somebody else answers for the VIP\n");
	json_t *foreign = picture_with(NULL, 0, "foreign_owner", "true");
	json_object_set_new(foreign, "foreign_mac", json_string("02:00:00:00:00:09"));
	judged(foreign, STATUS_SPLIT, "somebody else answers for the VIP: 02:00:00:00:00:09\n");
}
END_TEST

/* A peer that is gone is a split only when no other is left; what is worse than degraded stays so. */
START_TEST(one_of_two_peers)
{
	json_t *status = picture_with("nodes", 1, "heard", "false");

	json_array_append_new(json_object_get(status, "nodes"),
			      parse("{'name': 'k8s-lb-3', 'role': 'backup', 'heard': true, 'heard_ms': 5,"
				    " 'hears_us': true, 'can_serve': true, 'config': '7f3a21c0'}"));
	judged(status, STATUS_DEGRADED, "k8s-lb-2 is not heard\n");
}
END_TEST

/* What an unheard peer said last counts neither as its role nor as its configuration. */
START_TEST(old_news)
{
	json_t *status = picture_with("nodes", 1, "role", "\"active\"");

	json_object_set_new(json_array_get(json_object_get(status, "nodes"), 1), "heard", json_false());
	judged(status, STATUS_SPLIT, "k8s-lb-2 is not heard\n");
}
END_TEST

/* A node that said goodbye is no fault of the network. */
START_TEST(stopped)
{
	json_t *status = picture_with("nodes", 1, "role", "\"init\"");

	json_object_set_new(json_array_get(json_object_get(status, "nodes"), 1), "heard", json_false());
	judged(status, STATUS_SPLIT, "k8s-lb-2 was stopped\n");
}
END_TEST

START_TEST(cut_text_is_marked)
{
	char cut[FORMAT_CUT];

	ck_assert_str_eq(format_cut("all of it", 9, cut), "all of it");
	ck_assert_str_eq(format_cut("one line\n", 40, cut), "one line");
	ck_assert_str_eq(format_cut("first\nsecond", 40, cut), "first…");
	ck_assert_str_eq(format_cut("zwölf Zeichen", 5, cut), "zwölf…");
}
END_TEST

START_TEST(figures)
{
	char buf[FORMAT_TEXT];

	ck_assert_str_eq(format_age(59.9, buf), "59s");
	ck_assert_str_eq(format_age(3600, buf), "1h 00m");
	ck_assert_str_eq(format_age(200000, buf), "2d 7h");
	ck_assert_str_eq(format_bytes(999, buf), "999 B");
	ck_assert_str_eq(format_bytes(999999, buf), "1.0 MB");
	ck_assert_str_eq(format_ms(1500, buf), "1.5 s");
	ck_assert_str_eq(format_whole_ms(9.4, buf), "9 ms");
	ck_assert_str_eq(format_whole_ms(9999, buf), "9999 ms");
	ck_assert_str_eq(format_whole_ms(12345, buf), "12 s");
	ck_assert_double_eq_tol(format_instant("2026-01-01T11:01:00.250Z"), NOW + 0.25, 1e-6);
	ck_assert_double_lt(format_instant("yesterday"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lbctl status");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, what_becomes_of_clients_if_the_owner_dies);
	tcase_add_test(tc, screen);
	tcase_add_test(tc, colour_is_asked_for);
	tcase_add_test(tc, another_version);
	tcase_add_test(tc, well);
	tcase_add_test(tc, degraded);
	tcase_add_test(tc, split);
	tcase_add_test(tc, one_of_two_peers);
	tcase_add_test(tc, old_news);
	tcase_add_test(tc, stopped);
	tcase_add_test(tc, cut_text_is_marked);
	tcase_add_test(tc, figures);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
