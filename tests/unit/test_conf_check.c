/* The rules between values: each broken alone, with the exact answer, and what stands close to a rule but is fine. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/conf_text.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

#define NODES_VIPS(nodes, vips) "cluster: k8s\nnodes: {" nodes "}\nvips: [" vips "]\n" SERVICE
#define SERVICES(lines)		TOP "services:\n" lines
#define X			"servers: {x: 10.0.0.3:80}}\n"

/* clang-format off */
static const struct {
	const char *text, *errors;
} broken[] = {
    /* Nodes and VIPs. */
    {NODES_VIPS("a: 10.0.0.1, b: 10.0.0.1", "10.0.0.9"), "f:2:22: node \"b\" has the address 10.0.0.1 of node \"a\"; give each its own\n"},
    {NODES_VIPS("a: 10.0.0.1, b: {address: 10.0.0.2, priority: 250}", "10.0.0.9"),
     "f:2:22: node \"b\" has the priority 250 of node \"a\"; give each its own, 250, 240, … by default\n"},
    {NODES_VIPS("a: 10.0.0.1, b: '2001:db8::1'", "10.0.0.9"), "f:2:22: node \"b\" has an IPv6 address and node \"a\" an IPv4 one; use one family\n"},
    {NODES_VIPS("a: 10.0.0.1, b: 10.0.0.2", "10.0.0.2"), "f:3:8: VIP 10.0.0.2 is the address of node \"b\"; use an address that no host has\n"},
    {NODES_VIPS("a: 10.0.0.1", "10.0.0.9, 10.0.0.9"), "f:3:18: VIP 10.0.0.9 is there twice; remove one\n"},
    {NODES_VIPS("a: 10.0.0.1", "'2001:db8::9'"), "f:3:8: VIP 2001:db8::9 is IPv6 and the nodes have IPv4 addresses; use one family\n"},

    /* Election. */
    {TOP SERVICE "election: {protocol: vrrp2}\n", "f:6:22: \"interval\" is 100ms and vrrp2 counts whole seconds; set interval: 1s\n"},
    {TOP SERVICE "election: {protocol: vrrp2, interval: 1500ms}\n", "f:6:39: \"interval\" is 1500ms and vrrp2 counts whole seconds; set interval: 1s\n"},
    {NODES_VIPS("a: '2001:db8::1'", "'2001:db8::9'") "election: {protocol: vrrp2, interval: 1s}\n",
     "f:6:22: \"protocol\" is vrrp2 and the nodes have IPv6 addresses; use vrrp3\n"},
    {TOP SERVICE "election: {auth: hmac}\n", "f:6:18: \"auth\" is hmac and there is no \"key_file\"; make one with: lbctl keygen FILE\n"},
    {TOP SERVICE "election: {auth: password, password_file: /p}\n", "f:6:18: \"auth\" is password, which only vrrp2 knows; use hmac with a key_file\n"},
    {TOP SERVICE "election: {auth: password, protocol: vrrp2, interval: 1s}\n", "f:6:18: \"auth\" is password and there is no \"password_file\"; add one\n"},
    {TOP SERVICE "election: {password_file: /p}\n", "f:6:27: \"password_file\" has no use without \"auth: password\"; remove it or add that\n"},

    /* Listeners. */
    {SERVICES("  s: {listen: [80, 80], " X), "f:5:20: port 80 on every VIP is taken by service \"s\" on line 5; use another port or address\n"},
    {SERVICES("  s: {listen: 80, " X "  t: {listen: 80, " X), "f:6:15: port 80 on every VIP is taken by service \"s\" on line 5; use another port or address\n"},
    {SERVICES("  s: {listen: 80, " X "  t: {listen: 10.0.0.9:80, " X), "f:6:15: port 80 on 10.0.0.9:80 is taken by service \"s\" on line 5; use another port or address\n"},
    {SERVICES("  s: {listen: 10.0.0.9:80, " X "  t: {listen: 80, " X), "f:6:15: port 80 on every VIP is taken by service \"s\" on line 5; use another port or address\n"},
    {SERVICES("  s: {listen: 10.0.0.1:80, " X "  t: {listen: 10.0.0.1:80, " X), "f:6:15: port 80 on 10.0.0.1:80 is taken by service \"s\" on line 5; use another port or address\n"},
    {SERVICES("  s: {listen: 80, " X) "metrics: {listen: 10.0.0.9:80}\n", "f:5:15: port 80 on every VIP is taken by \"metrics.listen\"; use another port or address\n"},

    /* Services. */
    {SERVICES("  s: {listen: 80, servers: {x: 10.0.0.9:80}}\n"),
     "f:5:29: server \"x\" is 10.0.0.9:80, where service \"s\" itself listens; name the server behind it\n"},
    {SERVICES("  s: {listen: 10.0.0.1:80, servers: {x: 10.0.0.1:80}}\n"),
     "f:5:38: server \"x\" is 10.0.0.1:80, where service \"s\" itself listens; name the server behind it\n"},
    {SERVICES("  s: {listen: 80, accept_proxy: true, " X),
     "f:5:3: service \"s\" has accept_proxy without accept_proxy_from; list who may say where clients come from\n"},
    {SERVICES("  s: {listen: 80, accept_proxy_from: [10.0.0.0/8], " X),
     "f:5:3: service \"s\" has accept_proxy_from without \"accept_proxy: true\"; add that\n"},
    {SERVICES("  s: {listen: 80, connect_timeout: 100ms, hedge_after: 100ms, " X),
     "f:5:3: service \"s\": hedge_after 100ms never comes within connect_timeout 100ms; make it shorter\n"},

    /* Checks. */
    {SERVICES("  s: {listen: 80, check: {interval: 1s, fast_interval: 2s}, " X),
     "f:5:19: \"fast_interval\" is 2s and \"interval\" 1s; expected one that is no longer\n"},
    {SERVICES("  s: {listen: 80, check: {type: https, cert_file: /c}, " X),
     "f:5:19: \"cert_file\" stands without \"key_file\"; a client certificate needs both\n"},
    {SERVICES("  s: {listen: 80, servers: {x: {address: 1.1.1.1:1, check: {fast_interval: 1h}}}}\n"),
     "f:5:53: \"fast_interval\" is 1h and \"interval\" 2s; expected one that is no longer\n"},
};

static const char *const fine[] = {
    NODES_VIPS("a: '2001:db8::1', b: '2001:db8::2'", "'2001:db8::9'"),
    TOP SERVICE "election: {protocol: vrrp2, interval: 40s, auth: password, password_file: /p}\n",
    TOP SERVICE "key_file: /k\nelection: {auth: hmac}\n",
    /* The same port on different addresses, and a server at a VIP on another port. */
    SERVICES("  s: {listen: 80, " X "  t: {listen: 10.0.0.1:80, " X "  u: {listen: [81, 10.0.0.2:80], servers: {x: 10.0.0.9:80}}\n"),
    SERVICES("  s: {listen: 10.0.0.1:80, servers: {x: 10.0.0.9:80}}\n"),
    SERVICES("  s: {listen: 80, accept_proxy: true, accept_proxy_from: [10.0.0.0/8], " X),
    SERVICES("  s: {listen: 80, connect_timeout: 101ms, hedge_after: 100ms, " X),
    SERVICES("  s: {listen: 80, connect_timeout: 50ms, hedge_after: off, " X),
    SERVICES("  s: {listen: 80, check: {interval: 200ms}, " X),
    SERVICES("  s: {listen: 80, check: {type: https, cert_file: /c, key_file: /k}, " X),
    SERVICES("  s: {listen: 8650, " X),
};
/* clang-format on */

START_TEST(broken_rule)
{
	refused_with(broken[_i].text, strlen(broken[_i].text), broken[_i].errors);
}
END_TEST

START_TEST(fine_as_it_is)
{
	lb_conf_free(conf_of(fine[_i]));
}
END_TEST

/* The rules alone, over a configuration that only parsing has seen. */
START_TEST(the_two_steps)
{
	static struct lb_conf_errors errors;
	struct lb_conf *c = lb_conf_parse(broken[0].text, strlen(broken[0].text), &errors);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(errors.count, 0);
	ck_assert(!lb_conf_check(c, &errors));
	ck_assert_uint_eq(errors.count, 1);
	lb_conf_free(c);
}
END_TEST

START_TEST(names_and_addresses_are_found)
{
	struct lb_conf *c = conf_of(TOP SERVICE);
	struct lb_addr addr;

	ck_assert(lb_addr_parse("10.0.0.2", &addr));
	ck_assert_int_eq(lb_conf_node_by_addr(c, &addr), 1);
	ck_assert(lb_addr_parse("10.0.0.9", &addr));
	ck_assert_int_eq(lb_conf_node_by_addr(c, &addr), -1);
	ck_assert_ptr_eq(lb_conf_service_by_name(c, "s"), &c->services[0]);
	ck_assert_ptr_null(lb_conf_service_by_name(c, "S"));
	ck_assert_ptr_eq(lb_conf_server_by_name(&c->services[0], "x"), &c->services[0].servers[0]);
	ck_assert_ptr_null(lb_conf_server_by_name(&c->services[0], "s"));
	lb_conf_free(c);
}
END_TEST

START_TEST(every_vip_is_written_out_once)
{
	static const char *const want[] = {"10.0.0.9:80", "10.0.0.8:80", "10.0.0.1:81"};
	struct lb_conf *c = conf_of("cluster: k8s\nnodes: {a: 10.0.0.1}\nvips: [10.0.0.9, 10.0.0.8]\n"
				    "services:\n  s: {listen: [80, 10.0.0.1:81], servers: {x: 1.1.1.1:1}}\n");
	struct lb_endpoint out[8];
	char text[LB_ENDPOINT_TEXT];

	ck_assert_uint_eq(lb_conf_service_endpoints(c, &c->services[0], out, 8), 3);
	for (size_t i = 0; i < 3; i++)
		ck_assert_str_eq(lb_endpoint_text(&out[i], text), want[i]);
	ck_assert_uint_eq(lb_conf_service_endpoints(c, &c->services[0], out, 2), 2);
	lb_conf_free(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_check");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, broken_rule, 0, COUNT(broken));
	tcase_add_loop_test(all, fine_as_it_is, 0, COUNT(fine));
	tcase_add_test(all, the_two_steps);
	tcase_add_test(all, names_and_addresses_are_found);
	tcase_add_test(all, every_vip_is_written_out_once);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
