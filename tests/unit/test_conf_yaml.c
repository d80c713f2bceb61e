/* What lbd.yaml may say: defaults, short and long forms, and every way of saying a value wrongly with its place. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "tests/unit/conf_text.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

START_TEST(defaults_of_the_cluster)
{
	struct lb_conf *c = conf_of(TOP SERVICE);

	ck_assert_str_eq(c->cluster, "k8s");
	ck_assert_uint_eq(c->node_count, 2);
	ck_assert_uint_eq(c->nodes[0].priority, 250);
	ck_assert_uint_eq(c->nodes[1].priority, 240);
	ck_assert_uint_eq(c->nodes[1].mark.line, 2);
	ck_assert_uint_eq(c->nodes[1].mark.column, 22);
	ck_assert_uint_eq(c->vip_count, 1);
	ck_assert_str_eq(c->vips[0].interface, "");
	ck_assert_str_eq(c->key_file, "");
	ck_assert_uint_eq(c->key_file_mark.line, 0);
	ck_assert_uint_eq(c->workers, 0);
	ck_assert_uint_eq(c->max_connections, 0);
	/* lb_hash("k8s") % 255 + 1, computed elsewhere: the wire depends on it. */
	ck_assert_uint_eq(c->election.vrid, 0x377c110e2cc9936aU % 255 + 1);
	ck_assert_int_eq(c->election.interval, LB_MSEC(100));
	ck_assert_int_eq(c->election.protocol, LB_VRRP3);
	ck_assert_int_eq(c->election.transport, LB_UNICAST);
	ck_assert_int_eq(c->election.auth, LB_AUTH_NONE);
	ck_assert_int_eq(c->election.failback, 0);
	ck_assert_int_eq(c->election.fence, LB_FENCE_AUTO);
	ck_assert_int_eq(c->election.v3_checksum, LB_CHECKSUM_AUTO);
	ck_assert_uint_eq(c->peer_port, 8650);
	ck_assert_str_eq(c->admin_group, "lbd");
	ck_assert_uint_eq(c->metrics_listen.port, 0);
	ck_assert_uint_eq(c->log_level, LB_LOG_INFO);
	ck_assert_int_eq(c->log_connections, LB_LOG_SESSIONS_ABNORMAL);
	lb_conf_free(c);
}
END_TEST

START_TEST(defaults_of_a_service)
{
	struct lb_conf *c = conf_of(TOP SERVICE);
	const struct lb_conf_service *s = lb_conf_service_by_name(c, "s");
	const struct lb_conf_server *x = lb_conf_server_by_name(s, "x");

	ck_assert_uint_eq(s->listen_count, 1);
	ck_assert_uint_eq(s->listen[0].endpoint.port, 80);
	ck_assert_uint_eq(s->listen[0].endpoint.addr.family, 0);
	ck_assert_int_eq(s->balance, LB_LEASTCONN);
	ck_assert_int_eq(s->source, LB_SOURCE_VIP);
	ck_assert_int_eq(s->connect_timeout, LB_SEC(1));
	ck_assert(s->hedge && s->hedge_auto);
	ck_assert_int_eq(s->idle_timeout, 0);
	ck_assert_int_eq(s->fin_timeout, LB_SEC(30));
	ck_assert_int_eq(s->keepalive_idle, LB_SEC(20));
	ck_assert_int_eq(s->keepalive_interval, LB_SEC(5));
	ck_assert_uint_eq(s->keepalive_count, 3);
	ck_assert_int_eq(s->user_timeout, LB_SEC(30));
	ck_assert_int_eq(s->send_proxy, LB_PROXY_OFF);
	ck_assert(!s->accept_proxy);
	ck_assert_uint_eq(s->allow_count + s->deny_count + s->accept_proxy_from_count, 0);
	ck_assert_uint_eq(s->max_connections + s->max_connections_per_source, 0);
	ck_assert_int_eq(s->slow_start, LB_SEC(10));
	ck_assert_int_eq(s->on_dead, LB_ON_DEAD_RESET);
	ck_assert_int_eq(s->when_all_down, LB_ALL_DOWN_REFUSE);
	ck_assert_uint_eq(x->weight, 100);
	ck_assert(!x->backup);
	ck_assert_uint_eq(x->max_connections, 0);
	ck_assert_ptr_eq(x->check, s->check);
	lb_conf_free(c);
}
END_TEST

START_TEST(defaults_of_a_check)
{
	struct lb_conf *c = conf_of(TOP SERVICE);
	const struct lb_conf_check *k = c->services[0].check;

	ck_assert_int_eq(k->type, LB_CHECK_TCP);
	ck_assert_str_eq(k->path, "/");
	ck_assert_str_eq(k->method, "GET");
	ck_assert_str_eq(k->host, "");
	ck_assert_uint_eq(k->port, 0);
	ck_assert_uint_eq(k->expect_count, 1);
	ck_assert_uint_eq(k->expect[0].first, 200);
	ck_assert_uint_eq(k->expect[0].last, 200);
	ck_assert_uint_eq(k->alive_count, 3);
	ck_assert_uint_eq(k->alive[2].first, 429);
	ck_assert(k->verify);
	ck_assert_str_eq(k->ca_file, "");
	ck_assert_int_eq(k->interval, LB_SEC(2));
	ck_assert_int_eq(k->fast_interval, LB_MSEC(500));
	ck_assert_int_eq(k->timeout, LB_MSEC(1500));
	ck_assert_uint_eq(k->rise, 2);
	ck_assert_uint_eq(k->fall, 3);
	lb_conf_free(c);
}
END_TEST

START_TEST(long_forms)
{
	struct lb_conf *c =
	    conf_of("cluster: k8s\n"
		    "nodes:\n"
		    "  a: {address: 10.0.0.1, priority: 7}\n"
		    "  b: 10.0.0.2\n"
		    "vips:\n"
		    "  - {address: 10.0.0.9, interface: enp5s0}\n"
		    "  - 10.0.0.10\n"
		    "key_file: /k\n"
		    "workers: 4\n"
		    "max_connections: 5000\n"
		    "election: {vrid: 51, interval: 40.95s, transport: multicast, failback: 5m, fence: off}\n"
		    "metrics: {listen: '[::1]:9100'}\n"
		    "log: {level: debug, connections: all}\n"
		    "services:\n"
		    "  s:\n"
		    "    servers:\n"
		    "      x: {address: 10.0.0.3:80, weight: 256, backup: true, max_connections: 9}\n"
		    "    listen: [80, 10.0.0.1:81, '[2001:db8::1]:82']\n"
		    "    hedge_after: 20ms\n"
		    "    keepalive: 1m/10s/9\n"
		    "    allow: [10.0.0.0/8, '2001:db8::/32', 192.0.2.1]\n");
	const struct lb_conf_service *s = &c->services[0];

	ck_assert_uint_eq(c->nodes[0].priority, 7);
	ck_assert_uint_eq(c->nodes[1].priority, 240);
	ck_assert_str_eq(c->vips[0].interface, "enp5s0");
	ck_assert_uint_eq(c->vip_count, 2);
	ck_assert_str_eq(c->key_file, "/k");
	ck_assert_uint_eq(c->key_file_mark.line, 8);
	ck_assert_uint_eq(c->key_file_mark.column, 11);
	ck_assert_uint_eq(c->workers, 4);
	ck_assert_uint_eq(c->max_connections, 5000);
	ck_assert_uint_eq(c->election.vrid, 51);
	ck_assert_int_eq(c->election.interval, LB_MSEC(40950));
	ck_assert_int_eq(c->election.transport, LB_MULTICAST);
	ck_assert_int_eq(c->election.auth, LB_AUTH_HMAC);
	ck_assert_int_eq(c->election.failback, LB_SEC(300));
	ck_assert_int_eq(c->election.fence, LB_FENCE_OFF);
	ck_assert_uint_eq(c->metrics_listen.port, 9100);
	ck_assert_uint_eq(c->log_level, LB_LOG_DEBUG);
	ck_assert_uint_eq(s->servers[0].weight, 256);
	ck_assert(s->servers[0].backup);
	ck_assert_uint_eq(s->servers[0].max_connections, 9);
	ck_assert_uint_eq(s->listen_count, 3);
	ck_assert_uint_eq(s->listen[1].endpoint.addr.family, AF_INET);
	ck_assert_uint_eq(s->listen[2].mark.line, 18);
	ck_assert(s->hedge && !s->hedge_auto);
	ck_assert_int_eq(s->hedge_after, LB_MSEC(20));
	ck_assert_int_eq(s->keepalive_idle, LB_SEC(60));
	ck_assert_uint_eq(s->keepalive_count, 9);
	ck_assert_uint_eq(s->allow_count, 3);
	ck_assert_uint_eq(s->allow[1].prefix, 32);
	lb_conf_free(c);
}
END_TEST

START_TEST(server_check_inherits_the_service_check)
{
	struct lb_conf *c =
	    conf_of(IN_SERVICE LISTEN
		    "    servers:\n"
		    "      x: {address: 10.0.0.3:80, check: {path: /x, interval: 100ms}}\n"
		    "      y: {address: 10.0.0.4:80, check: {type: tcp}}\n"
		    "      z: 10.0.0.5:80\n"
		    "    check: {type: http, path: /s, expect: [200-299, 404], alive: [], rise: 5, port: 81}\n");
	const struct lb_conf_service *s = &c->services[0];
	const struct lb_conf_check *x = s->servers[0].check;

	ck_assert_int_eq(x->type, LB_CHECK_HTTP);
	ck_assert_str_eq(x->path, "/x");
	ck_assert_uint_eq(x->expect_count, 2);
	ck_assert_uint_eq(x->expect[0].last, 299);
	ck_assert_uint_eq(x->alive_count, 0);
	ck_assert_uint_eq(x->rise, 5);
	ck_assert_uint_eq(x->port, 81);
	ck_assert_int_eq(x->interval, LB_MSEC(100));
	/* Looking faster than every 500 ms anyway, so the fast interval follows. */
	ck_assert_int_eq(x->fast_interval, LB_MSEC(100));
	ck_assert_uint_eq(x->mark.line, 8);
	ck_assert_int_eq(s->servers[1].check->type, LB_CHECK_TCP);
	ck_assert_ptr_eq(s->servers[2].check, s->check);
	ck_assert_str_eq(s->check->path, "/s");
	ck_assert_int_eq(s->check->fast_interval, LB_MSEC(500));
	lb_conf_free(c);
}
END_TEST

START_TEST(auth_follows_the_key)
{
	static const struct {
		const char *text;
		enum lb_auth auth;
	} cases[] = {
	    {TOP SERVICE,										  LB_AUTH_NONE},
	    {TOP SERVICE "key_file: /k\n",								 LB_AUTH_HMAC},
	    {TOP SERVICE "key_file: /k\nelection: {auth: none}\n",					   LB_AUTH_NONE},
	    {TOP SERVICE "election: {protocol: vrrp2, interval: 1s}\n",					LB_AUTH_NONE},
	    {TOP SERVICE "election: {protocol: vrrp2, interval: 1s, auth: password, password_file: /p}\n",
	     LB_AUTH_PASSWORD											  },
	};

	for (int i = 0; i < COUNT(cases); i++) {
		struct lb_conf *c = conf_of(cases[i].text);

		ck_assert_int_eq(c->election.auth, cases[i].auth);
		lb_conf_free(c);
	}
}
END_TEST

/* ---- the same file, written differently ---- */

static const char *const same_as_reference[] = {
    "---\n" TOP SERVICE "...\n",
    "\xef\xbb\xbf" TOP SERVICE,
    "# comment\r\ncluster: \"k8s\"\r\nnodes:\r\n          a: 10.0.0.1\r\n          b: 10.0.0.2\r\nvips:\r\n- "
    "10.0.0.9\r\n" SERVICE,
    "{\"cluster\": \"k8s\", \"nodes\": {\"a\": \"10.0.0.1\", \"b\": \"10.0.0.2\"}, \"vips\": [\"10.0.0.9\"],\n"
    "\t\"services\": {\"s\": {\"listen\": 80, \"servers\": {\"x\": \"10.0.0.3:80\"}}}}\n",
    SERVICE TOP,
    TOP "election: {}\nkey_file: none\n" SERVICE,
    TOP "services:\n s:\n  listen: [80]\n  servers: {x: {address: 10.0.0.3:80, weight: 100}}\n  idle_timeout: 0s\n",
};

START_TEST(writing_style_does_not_matter)
{
	struct lb_conf *want = conf_of(TOP SERVICE), *got = conf_of(same_as_reference[_i]);

	ck_assert_uint_eq(want->hash, got->hash);
	ck_assert_uint_ne(want->hash, 0);
	lb_conf_free(want);
	lb_conf_free(got);
}
END_TEST

/* ---- errors ---- */

#include "tests/unit/conf_refusals.h"

START_TEST(refusal)
{
	refused_with(refusals[_i].text, strlen(refusals[_i].text), refusals[_i].errors);
}
END_TEST

START_TEST(all_errors_are_told_in_order)
{
	static const char text[] = "vips: [10.0.0.9, 10.0.0.x]\n"
				   "cluster: K8s\n"
				   "services:\n"
				   "  s: {listen: 80, servers: {x: 10.0.0.3}}\n"
				   "  t: {listen: 81, servers: {x: 10.0.0.9:81}}\n"
				   "nodes: {a: 10.0.0.9}\n";

	refused_with(
	    text, strlen(text),
	    "f:1:8: VIP 10.0.0.9 is the address of node \"a\"; use an address that no host has\n"
	    "f:1:18: \"vips\" contains 10.0.0.x; expected an IPv4 or IPv6 address\n"
	    "f:2:10: \"cluster\" is K8s; expected 1 to 63 of a-z, 0-9 and \"-\"\n"
	    "f:4:32: \"x\" is 10.0.0.3; expected ADDR:PORT, the port from 1 to 65535 and IPv6 as \"[ADDR]:PORT\"\n"
	    "f:5:29: server \"x\" is 10.0.0.9:81, where service \"t\" itself listens; name the server behind it\n");
}
END_TEST

START_TEST(errors_beyond_the_list_are_counted)
{
	static struct lb_conf_errors errors;
	struct lb_text text = {0}, out = {0};

	lb_text_add(&text, TOP SERVICE);
	for (int i = 0; i < LB_CONF_ERRORS_MAX + 10; i++)
		lb_text_addf(&text, "z%d: 1\n", i);
	ck_assert_ptr_null(lb_conf_load(text.data, text.len, &errors));
	ck_assert_uint_eq(errors.count, LB_CONF_ERRORS_MAX);
	ck_assert_uint_eq(errors.dropped, 10);
	ck_assert_uint_eq(errors.list[LB_CONF_ERRORS_MAX - 1].mark.line, 5 + LB_CONF_ERRORS_MAX);

	/* One that belongs before them still gets its place. */
	lb_conf_errors_add(&errors, (struct lb_mark){1, 1}, "first");
	ck_assert_str_eq(errors.list[0].message, "first");
	ck_assert_uint_eq(errors.dropped, 11);
	lb_conf_errors_text(&errors, "f", &out);
	ck_assert_ptr_nonnull(strstr(out.data, "f: 11 more errors\n"));
	lb_text_free(&text);
	lb_text_free(&out);
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
	refused_with("cluster: k8s\nn\0: 1\n", 19, "f:2:2: control character U+0000; remove it\n");
	refused_with("a: \xff\n", 5, "f:1:4: byte 0xff is not UTF-8; save the file as UTF-8\n");
	refused_with("a: \xc0\xaf\n", 6, "f:1:4: byte 0xc0 is not UTF-8; save the file as UTF-8\n");
	refused_with("a: \xe0\x9f\xbf\n", 7, "f:1:4: byte 0xe0 is not UTF-8; save the file as UTF-8\n");
	refused_with("a: \xed\xa0\x80\n", 7, "f:1:4: byte 0xed is not UTF-8; save the file as UTF-8\n");
	refused_with("a: \xe2\x82", 5, "f:1:4: byte 0xe2 is not UTF-8; save the file as UTF-8\n");
	refused_with("\xff\xfe"
		     "a\0:\0",
		     6, "f:1:1: byte 0xff is not UTF-8; save the file as UTF-8\n");
	refused_with("\xc3\xa4: \x1b[2J", 8, "f:1:4: control character U+001B; remove it\n");
	refused_with("", 0, "f:1:1: the file is empty; expected cluster, nodes, vips and services\n");
}
END_TEST

START_TEST(large_files_and_values)
{
	struct lb_text text = {0};

	lb_text_add(&text, TOP SERVICE "#");
	while (text.len < LB_CONF_BYTES_MAX)
		lb_text_add(&text, "x");
	lb_conf_free(conf_of(text.data));
	lb_text_add(&text, "x");
	refused_with(text.data, text.len, "f:1:1: the file is too large; expected at most 262144 bytes\n");

	text.len = 0;
	lb_text_add(&text, TOP SERVICE "key_file: /");
	for (int i = 0; i < 4096; i++)
		lb_text_add(&text, "x");
	refused_with(text.data, text.len, "f:6:11: the value has 4097 bytes; expected at most 4096\n");
	refused_with(text.data, text.len - 1,
		     "f:6:11: \"key_file\" is "
		     "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...; expected at most 4095 bytes; it "
		     "has 4096\n");
	lb_text_free(&text);
}
END_TEST

START_TEST(thousands_of_names)
{
	struct lb_text text = {0};
	struct lb_conf *c;

	lb_text_add(&text, TOP "services:\n  s:\n" LISTEN "    servers:\n");
	for (int i = 0; i < LB_SERVERS_MAX; i++)
		lb_text_addf(&text, "      x%d: 1.1.1.1:1\n", i);
	c = conf_of(text.data);
	ck_assert_uint_eq(c->services[0].server_count, LB_SERVERS_MAX);
	lb_conf_free(c);
	lb_text_add(&text, "      x1: 1.1.1.1:1\n");
	refused_with(text.data, text.len, "f:4104:7: duplicate key \"x1\"; it stands on line 9 already; remove one\n");
	text.len -= strlen("      x1: 1.1.1.1:1\n");
	lb_text_add(&text, "      y: 1.1.1.1:1\n");
	refused_with(text.data, text.len, "f:7:5: \"servers\" has 4097 entries; expected 1 to 4096\n");
	lb_text_free(&text);
}
END_TEST

START_TEST(nothing_to_free)
{
	lb_conf_free(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_yaml");
	TCase *all = tcase_create("all");

	tcase_add_test(all, defaults_of_the_cluster);
	tcase_add_test(all, defaults_of_a_service);
	tcase_add_test(all, defaults_of_a_check);
	tcase_add_test(all, long_forms);
	tcase_add_test(all, server_check_inherits_the_service_check);
	tcase_add_test(all, auth_follows_the_key);
	tcase_add_loop_test(all, writing_style_does_not_matter, 0, COUNT(same_as_reference));
	tcase_add_loop_test(all, refusal, 0, COUNT(refusals));
	tcase_add_test(all, all_errors_are_told_in_order);
	tcase_add_test(all, errors_beyond_the_list_are_counted);
	tcase_add_test(all, bytes_that_are_no_text);
	tcase_add_test(all, large_files_and_values);
	tcase_add_test(all, thousands_of_names);
	tcase_add_test(all, nothing_to_free);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
