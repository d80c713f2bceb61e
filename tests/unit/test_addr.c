/* Addresses, endpoints and prefixes: what is accepted, what is refused, and the way back to text. */
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <lb/addr.h>

static const struct {
	const char *text, *canonical;
} addresses[] = {
    {"10.196.35.30",	     "10.196.35.30"   },
    {"0.0.0.0",		 "0.0.0.0"	  },
    {"255.255.255.255",	"255.255.255.255"},
    {"::",		    "::"		},
    {"2001:db8:0:0:0:0:0:1", "2001:db8::1"	  },
    {"2001:DB8::a",	     "2001:db8::a"	  },
    {"::ffff:10.0.0.1",	"::ffff:10.0.0.1"},
};

START_TEST(addresses_round_trip)
{
	struct lb_addr addr;
	char buf[LB_ADDR_TEXT];

	ck_assert(lb_addr_parse(addresses[_i].text, &addr));
	ck_assert_str_eq(lb_addr_text(&addr, buf), addresses[_i].canonical);
	ck_assert_uint_eq(lb_addr_size(&addr), strchr(addresses[_i].text, ':') ? 16 : 4);
}
END_TEST

START_TEST(address_bytes_are_in_network_order)
{
	static const uint8_t want[16] = {10, 196, 35, 30};
	struct lb_addr addr;

	ck_assert(lb_addr_parse("10.196.35.30", &addr));
	ck_assert_uint_eq(addr.family, AF_INET);
	ck_assert_mem_eq(addr.bytes, want, 16);
}
END_TEST

static const char *const bad_addresses[] = {
    "",	     "10.196.35",    "10.196.35.256", "10.196.35.030", " 10.0.0.1", "10.0.0.1 ",
    "[::1]", "fe80::1%eth0", "host",	      "1.2.3.4:80",    ":::",
};

START_TEST(bad_addresses_leave_the_result)
{
	struct lb_addr addr = {.family = 77};

	ck_assert_msg(!lb_addr_parse(bad_addresses[_i], &addr), "%s", bad_addresses[_i]);
	ck_assert_uint_eq(addr.family, 77);
}
END_TEST

static const struct {
	const char *text;
	uint16_t port;
} endpoints[] = {
    {"10.196.35.20:6443",			       6443 },
    {"0.0.0.0:1",				       1	   },
    {"[2001:db8::1]:65535",			     65535},
    {"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff1]:65535", 65535},
};

START_TEST(endpoints_round_trip)
{
	struct lb_endpoint ep, back;
	struct sockaddr_storage sa;
	char buf[LB_ENDPOINT_TEXT];

	ck_assert(lb_endpoint_parse(endpoints[_i].text, &ep));
	ck_assert_uint_eq(ep.port, endpoints[_i].port);
	ck_assert_str_eq(lb_endpoint_text(&ep, buf), endpoints[_i].text);

	socklen_t len = lb_endpoint_to_sockaddr(&ep, &sa);
	ck_assert(lb_endpoint_from_sockaddr((const struct sockaddr *)&sa, len, &back));
	ck_assert(lb_endpoint_equal(&ep, &back));
	ck_assert(!lb_endpoint_from_sockaddr((const struct sockaddr *)&sa, len - 1, &back));
}
END_TEST

START_TEST(sockaddr_of_the_kernel)
{
	struct lb_endpoint ep = {
	    {AF_INET, {192, 0, 2, 1}},
	       443
	  };
	struct sockaddr_storage sa;
	const uint8_t *raw = (const uint8_t *)&sa;

	ck_assert_uint_eq(lb_endpoint_to_sockaddr(&ep, &sa), sizeof(struct sockaddr_in));
	ck_assert_mem_eq(raw + 2, "\x01\xbb\xc0\x00\x02\x01", 6);
	sa.ss_family = AF_UNIX;
	ck_assert(!lb_endpoint_from_sockaddr((const struct sockaddr *)&sa, sizeof(sa), &ep));
	ck_assert(!lb_endpoint_from_sockaddr((const struct sockaddr *)&sa, 0, &ep));
	ck_assert_uint_eq(ep.port, 443);
}
END_TEST

static const char *const bad_endpoints[] = {
    "",
    ":80",
    "10.0.0.1",
    "10.0.0.1:",
    "10.0.0.1:0",
    "10.0.0.1:65536",
    "10.0.0.1:99999999999999999999",
    "10.0.0.1:+80",
    "10.0.0.1: 80",
    "10.0.0.1:080",
    "10.0.0.1:80x",
    "2001:db8::1:80",
    "[2001:db8::1]",
    "[2001:db8::1]80",
    "[10.0.0.1]:80",
    "[2001:db8::1",
    "[]:80",
    "host:80",
    "[2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80",
};

START_TEST(bad_endpoints_are_refused)
{
	struct lb_endpoint ep = {.port = 7};

	ck_assert_msg(!lb_endpoint_parse(bad_endpoints[_i], &ep), "%s", bad_endpoints[_i]);
	ck_assert_uint_eq(ep.port, 7);
}
END_TEST

static const struct {
	const char *cidr, *inside, *outside;
} prefixes[] = {
    {"10.0.0.0/8",	   "10.255.1.2",	 "11.0.0.0"	   },
    {"0.0.0.0/0",	  "255.1.1.1",	       "::"		   },
    {"192.0.2.128/25", "192.0.2.200",      "192.0.2.127"	   },
    {"192.0.2.1",	  "192.0.2.1",	       "192.0.2.2"	  },
    {"2001:db8::/33",  "2001:db8:7fff::1", "2001:db8:8000::1"},
    {"::/0",	     "fe80::1",		"10.0.0.1"	  },
};

START_TEST(prefixes_contain)
{
	struct lb_cidr cidr;
	struct lb_addr inside, outside;

	ck_assert(lb_cidr_parse(prefixes[_i].cidr, &cidr));
	ck_assert(lb_addr_parse(prefixes[_i].inside, &inside) && lb_addr_parse(prefixes[_i].outside, &outside));
	ck_assert(lb_cidr_contains(&cidr, &inside));
	ck_assert(!lb_cidr_contains(&cidr, &outside));
}
END_TEST

static const char *const bad_prefixes[] = {
    "",	  "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/08", "10.0.0.0/-1", "2001:db8::/129", "2001:db8::1/64",
    "/8", "10/8",
};

START_TEST(bad_prefixes_are_refused)
{
	struct lb_cidr cidr = {.prefix = 99};

	ck_assert_msg(!lb_cidr_parse(bad_prefixes[_i], &cidr), "%s", bad_prefixes[_i]);
	ck_assert_uint_eq(cidr.prefix, 99);
}
END_TEST

START_TEST(order_is_numeric)
{
	static const char *const ascending[] = {"9.0.0.0", "10.0.0.1", "10.0.0.2", "200.0.0.0", "::1", "2001:db8::"};
	struct lb_addr a, b;

	for (size_t i = 0; i < 6; i++)
		for (size_t j = 0; j < 6; j++) {
			int want = (i > j) - (i < j);

			ck_assert(lb_addr_parse(ascending[i], &a) && lb_addr_parse(ascending[j], &b));
			int got = lb_addr_compare(&a, &b);
			ck_assert_int_eq((got > 0) - (got < 0), want);
			ck_assert(lb_addr_equal(&a, &b) == (want == 0));
		}
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("addr");
	TCase *all = tcase_create("all");

	tcase_add_loop_test(all, addresses_round_trip, 0, COUNT(addresses));
	tcase_add_test(all, address_bytes_are_in_network_order);
	tcase_add_loop_test(all, bad_addresses_leave_the_result, 0, COUNT(bad_addresses));
	tcase_add_loop_test(all, endpoints_round_trip, 0, COUNT(endpoints));
	tcase_add_test(all, sockaddr_of_the_kernel);
	tcase_add_loop_test(all, bad_endpoints_are_refused, 0, COUNT(bad_endpoints));
	tcase_add_loop_test(all, prefixes_contain, 0, COUNT(prefixes));
	tcase_add_loop_test(all, bad_prefixes_are_refused, 0, COUNT(bad_prefixes));
	tcase_add_test(all, order_is_numeric);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
