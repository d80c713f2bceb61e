/* What a reload would change, the text of a running configuration, and its fingerprint. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/conf_diff.h>
#include <lb/conf_keys.h>

#include "tests/unit/conf_text.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* A service on the lines of a test: two servers and what is given. */
#define WITH(keys)	      TOP "services:\n  s: {listen: 80, " keys "servers: {x: 10.0.0.3:80, y: 10.0.0.4:80}}\n"
#define WITH_SERVERS(servers) TOP "services:\n  s: {listen: 80, servers: {" servers "}}\n"

/* clang-format off */
static const struct {
	const char *from, *to, *diff;
} changes[] = {
    {TOP SERVICE, TOP SERVICE "workers: auto # the default\n", ""},
    {TOP SERVICE, TOP SERVICE "workers: 2\n", "~ workers: auto -> 2 (needs a restart)\n"},
    {TOP SERVICE, TOP SERVICE "election: {vrid: 7, failback: 5m}\n",
     "~ election.vrid: 199 -> 7 (needs a restart)\n~ election.failback: never -> 5m\n"},
    {TOP SERVICE, TOP SERVICE "key_file: /k\n", "~ key_file: none -> /k (needs a restart)\n~ election.auth: none -> hmac (needs a restart)\n"},
    {TOP SERVICE "election: {vrid: 7}\n", "cluster: k9s\nnodes: {a: 10.0.0.1, b: 10.0.0.2}\nvips: [10.0.0.9]\n" SERVICE "election: {vrid: 7}\n",
     "~ cluster: k8s -> k9s (needs a restart)\n"},
    {TOP SERVICE, "cluster: k8s\nnodes: {b: 10.0.0.2, c: 10.0.0.5}\nvips: [10.0.0.9, {address: 10.0.0.8, interface: eth1}]\n" SERVICE,
     "~ nodes.a: 10.0.0.1 -> (none) (needs a restart)\n~ nodes.b.priority: 240 -> 250\n~ nodes.c: (none) -> 10.0.0.5 (needs a restart)\n"
     "~ vips: 10.0.0.9 -> 10.0.0.9, 10.0.0.8 on eth1\n"},
    {TOP SERVICE, "cluster: k8s\nnodes: {a: 10.0.0.1, b: 10.0.0.5}\nvips: [10.0.0.9]\n" SERVICE,
     "~ nodes.b.address: 10.0.0.2 -> 10.0.0.5 (needs a restart)\n"},
    {TOP SERVICE, TOP "services:\n  t: {listen: 81, servers: {x: 1.1.1.1:1}}\n", "- service s\n+ service t\n"},
    {WITH(""), WITH("balance: source, check: {type: http}, "),
     "~ service s balance: leastconn -> source\n"
     "~ service s check.type: tcp -> http\n~ service s check.path: (none) -> /\n~ service s check.method: (none) -> GET\n"
     "~ service s check.host: (none) -> \"\"\n~ service s check.expect: (none) -> [200]\n"
     "~ service s check.alive: (none) -> [401, 403, 429]\n~ service s check.body: (none) -> \"\"\n"},
    {WITH(""), WITH("allow: [10.0.0.0/8], "), "~ service s allow: all -> [\"10.0.0.0/8\"]\n"},
    {WITH_SERVERS("x: 10.0.0.3:80, y: 10.0.0.4:80"), WITH_SERVERS("z: 10.0.0.5:80, y: 10.0.0.4:81"),
     "- server s/x\n- server s/y\n+ server s/y\n+ server s/z\n"},
    {WITH_SERVERS("x: 10.0.0.3:80"), WITH_SERVERS("x: {address: 10.0.0.3:80, weight: 5, backup: true, check: {rise: 9}}"),
     "~ server s/x weight: 100 -> 5\n~ server s/x backup: false -> true\n~ server s/x check.rise: 2 -> 9\n"},
    /* Order is a setting where the first one is taken. */
    {WITH_SERVERS("x: 10.0.0.3:80, y: 10.0.0.4:80"), WITH_SERVERS("y: 10.0.0.4:80, x: 10.0.0.3:80"), ""},
    {TOP "services:\n  s: {listen: 80, balance: first, servers: {x: 10.0.0.3:80, y: 10.0.0.4:80}}\n",
     TOP "services:\n  s: {listen: 80, balance: first, servers: {y: 10.0.0.4:80, x: 10.0.0.3:80}}\n",
     "~ service s servers: x, y -> y, x\n"},
};
/* clang-format on */

/* Something differs exactly when the fingerprints do. */
START_TEST(changes_are_told)
{
	struct lb_conf *from = conf_of(changes[_i].from), *to = conf_of(changes[_i].to);
	struct lb_text text = {0};
	struct lb_diff diff;

	ck_assert(lb_conf_diff(from, to, &diff));
	lb_conf_diff_text(&diff, &text);
	ck_assert_str_eq(lb_text_str(&text), changes[_i].diff);
	ck_assert((from->hash == to->hash) == (diff.count == 0));
	lb_conf_diff_free(&diff);
	ck_assert_uint_eq(diff.count, 0);
	lb_text_free(&text);
	lb_conf_free(from);
	lb_conf_free(to);
}
END_TEST

START_TEST(entries_carry_their_parts)
{
	struct lb_conf *from = conf_of(WITH_SERVERS("x: 10.0.0.3:80")),
		       *to = conf_of(WITH_SERVERS("x: {address: 10.0.0.3:80, weight: 5}"));
	struct lb_diff diff;

	ck_assert(lb_conf_diff(from, to, &diff));
	ck_assert_uint_eq(diff.count, 1);
	ck_assert_int_eq(diff.entries[0].kind, LB_DIFF_SERVER_CHANGED);
	ck_assert_str_eq(diff.entries[0].service, "s");
	ck_assert_str_eq(diff.entries[0].server, "x");
	ck_assert_str_eq(diff.entries[0].key, "weight");
	ck_assert_str_eq(diff.entries[0].from, "100");
	ck_assert_str_eq(diff.entries[0].to, "5");
	ck_assert(!diff.entries[0].needs_restart);
	lb_conf_diff_free(&diff);
	lb_conf_free(from);
	lb_conf_free(to);
}
END_TEST

/* ---- dump ---- */

static const char *const dumped[] = {
    TOP SERVICE,
    "cluster: null-\nnodes: {'null': '2001:db8::1', '-': '::2', 'true': '2001:db8::3'}\n"
    "vips: [{address: '2001:db8::', interface: eth0.5}, '::9']\n"
    "key_file: '/a b/\"c\\d: #'\nworkers: 64\nmax_connections: 10\npeer_port: 1\n"
    "election: {vrid: 255, interval: 10ms, transport: multicast, auth: none, failback: 100ms, fence: address,\n"
    "           v3_checksum: message}\n"
    "admin: {group: a_b}\nmetrics: {listen: '[::1]:1'}\nlog: {level: error, connections: none}\n"
    "services:\n"
    "  '...':\n"
    "    listen: [1, '[2001:db8::1]:2', 10.0.0.1:3]\n"
    "    balance: random\n    source: node\n    connect_timeout: 1m\n    hedge_after: off\n    idle_timeout: 1h\n"
    "    fin_timeout: 0\n    keepalive: 1h/1m/127\n    user_timeout: 0\n    send_proxy: v2\n    accept_proxy: true\n"
    "    accept_proxy_from: ['::/0', 0.0.0.0/0]\n    allow: [10.0.0.1]\n    deny: ['2001:db8::/32']\n"
    "    max_connections: 7\n    max_connections_per_source: 8\n    slow_start: 0\n    on_dead: keep\n"
    "    when_all_down: try_all\n"
    "    check: {type: https, path: '/?a=\"b\"&c={d}', method: HEAD, host: 'h:1', port: 9, expect: 200-399, alive: "
    "[],\n"
    "            body: 'say: \"{#hi}\" \\ ä', verify: false, ca_file: /ca, sni: s, cert_file: /c, key_file: /k,\n"
    "            bearer_file: /b, interval: 1h, fast_interval: 10ms, timeout: 1m, rise: 1000, fall: 1}\n"
    "    servers:\n"
    "      a: {address: '[::1]:1', weight: 1, backup: true, max_connections: 1, check: {type: tcp, timeout: 11ms}}\n"
    "      b: {address: 1.2.3.4:5, check: {body: '~', path: '/''\"'}}\n",
    TOP "services:\n  s:\n    listen: 80\n    hedge_after: 1500us\n    check: {type: agent, port: 1}\n"
	"    servers: {x: {address: 1.1.1.1:1, check: {type: http, body: 'null'}}}\n",
};

START_TEST(dump_loads_again)
{
	struct lb_conf *c = conf_of(dumped[_i]), *again;
	struct lb_text first = {0}, second = {0};

	lb_conf_dump(c, &first);
	again = conf_of(lb_text_str(&first));
	ck_assert_uint_eq(c->hash, again->hash);
	lb_conf_dump(again, &second);
	ck_assert_str_eq(lb_text_str(&first), lb_text_str(&second));
	lb_text_free(&first);
	lb_text_free(&second);
	lb_conf_free(c);
	lb_conf_free(again);
}
END_TEST

START_TEST(dump_is_written_for_people)
{
	struct lb_conf *c = conf_of(TOP SERVICE);
	struct lb_text text = {0};

	lb_conf_dump(c, &text);
	ck_assert_ptr_nonnull(strstr(text.data, "cluster: k8s\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\nelection:\n  vrid: 199\n  interval: 100ms\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\nnodes:\n  a: {address: 10.0.0.1, priority: 250}\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\n  s:\n    listen: [80]\n    balance: leastconn\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\n    keepalive: 20s/5s/3\n"));
	/* What a tcp check does not know is not shown. */
	ck_assert_ptr_null(strstr(text.data, "path:"));
	ck_assert_ptr_null(strstr(text.data, " \n"));
	lb_text_free(&text);
	lb_conf_free(c);
}
END_TEST

/* ---- fingerprint ---- */

#define TWO(first, second) "cluster: k8s\nnodes: {a: 10.0.0.1, b: 10.0.0.2}\nvips: [10.0.0.9]\nservices:\n" first second
#define S_OF(servers)	   "  s: {listen: 80, servers: {" servers "}}\n"
#define T		   "  t: {listen: 81, servers: {x: 1.1.1.1:1}}\n"

START_TEST(order_of_keys_is_no_meaning)
{
	struct lb_conf *a = conf_of(TWO(S_OF("x: 1.1.1.1:1, y: 1.1.1.2:1"), T)),
		       *b = conf_of(TWO(T, S_OF("y: 1.1.1.2:1, x: 1.1.1.1:1"))),
		       *other = conf_of(TWO(T, S_OF("y: 1.1.1.1:1, x: 1.1.1.2:1")));

	ck_assert_uint_eq(a->hash, b->hash);
	ck_assert_uint_ne(a->hash, other->hash);
	lb_conf_free(a);
	lb_conf_free(b);
	lb_conf_free(other);
}
END_TEST

/* ---- keys ---- */

START_TEST(keys_are_listed)
{
	size_t nested = 0, holders = 0;

	for (unsigned object = 0; object < LB_CONF_OBJECTS_; object++)
		for (size_t i = 0; i < lb_conf_key_count((enum lb_conf_object)object); i++) {
			struct lb_conf_key key = lb_conf_key_at((enum lb_conf_object)object, i);

			nested += strchr(key.name, '.') != NULL;
			holders += key.holds_objects;
		}
	ck_assert_uint_eq(nested, 14);
	ck_assert_uint_eq(holders, 6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_diff");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, changes_are_told, 0, COUNT(changes));
	tcase_add_test(all, entries_carry_their_parts);
	tcase_add_loop_test(all, dump_loads_again, 0, COUNT(dumped));
	tcase_add_test(all, dump_is_written_for_people);
	tcase_add_test(all, order_of_keys_is_no_meaning);
	tcase_add_test(all, keys_are_listed);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
