/* The PROXY protocol against bytes written by hand from HAProxy's specification, not against itself. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/proxy_header.h>

#define SIGNATURE "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
#define ONES	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
#define IPV4_PAIR "\x0a\xc4\x23\x64\x0a\xc4\x23\x1e\xc7\x38\x19\x2b"
#define IPV6_PAIR                                                          \
	"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" \
	"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x04\xd2\x01\xbb"

/* A header with the addresses it tells; client "" = local. */
struct golden {
	const char *bytes;
	size_t length;
	enum lb_proxy_header version;
	const char *client, *destination;
};
#define BYTES(text)  (text), sizeof(text) - 1
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* What lbd itself writes, and must read. */
static const struct golden written[] = {
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), LB_PROXY_V1, "192.168.0.1:56324",   "192.168.0.11:443"  },
    {BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 1 6443\r\n"),     LB_PROXY_V1, "[2001:db8::1]:1",     "[2001:db8::2]:6443"},
    {BYTES("PROXY TCP6 " ONES " " ONES " 65535 65535\r\n"),	    LB_PROXY_V1, "[" ONES "]:65535",    "[" ONES "]:65535"  },
    {BYTES("PROXY UNKNOWN\r\n"),				 LB_PROXY_V1, "",			  ""		    },
    {BYTES(SIGNATURE "\x21\x11\x00\x0c" IPV4_PAIR),		    LB_PROXY_V2, "10.196.35.100:51000", "10.196.35.30:6443" },
    {BYTES(SIGNATURE "\x21\x21\x00\x24" IPV6_PAIR),		    LB_PROXY_V2, "[2001:db8::1]:1234",  "[2001:db8::2]:443" },
    {BYTES(SIGNATURE "\x20\x00\x00\x00"),			  LB_PROXY_V2, "",			   ""		     },
};

#define MAPPED_PAIR                                                        \
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\xc4\x23\x64" \
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x0a\xc4\x23\x1e\xc7\x38\x19\x2b"

/* What others may write: IPv4 as a socket of both families has it, but not where one end is not; the longest line; a
 * unique id and NOOP behind the addresses; LOCAL with addresses that must be ignored, also of a family nobody knows;
 * PROXY of UNSPEC, UDP and UNIX. */
static const struct golden read_only[] = {
    {BYTES("PROXY UNKNOWN " ONES " " ONES " 65535 65535\r\n"),			       LB_PROXY_V1, "",				""		  },
    {BYTES("PROXY UNKNOWN \r\n"),							  LB_PROXY_V1, "",				   ""		     },
    {BYTES(SIGNATURE "\x21\x11\x00\x15" IPV4_PAIR "\x05\x00\x02\xab\xcd\x04\x00\x01\x00"), LB_PROXY_V2,
     "10.196.35.100:51000",													     "10.196.35.30:6443"},
    {BYTES("PROXY TCP6 ::ffff:10.196.35.100 ::ffff:10.196.35.30 51000 6443\r\n"),	  LB_PROXY_V1, "10.196.35.100:51000",
     "10.196.35.30:6443"																   },
    {BYTES(SIGNATURE "\x21\x21\x00\x24" MAPPED_PAIR),				      LB_PROXY_V2, "10.196.35.100:51000",	  "10.196.35.30:6443"},
    {BYTES("PROXY TCP6 ::ffff:10.196.35.100 2001:db8::2 51000 6443\r\n"),		  LB_PROXY_V1, "[::ffff:10.196.35.100]:51000",
     "[2001:db8::2]:6443"																  },
    {BYTES(SIGNATURE "\x20\x11\x00\x0c" IPV4_PAIR),					    LB_PROXY_V2, "",			     ""		       },
    {BYTES(SIGNATURE "\x20\xff\x00\x01\xff"),					      LB_PROXY_V2, "",			       ""		 },
    {BYTES(SIGNATURE "\x21\x00\x00\x00"),						  LB_PROXY_V2, "",				   ""		     },
    {BYTES(SIGNATURE "\x21\x12\x00\x0c" IPV4_PAIR),					    LB_PROXY_V2, "",			     ""		       },
    {BYTES(SIGNATURE "\x21\x22\x00\x24" IPV6_PAIR),					    LB_PROXY_V2, "",			     ""		       },
    {BYTES(SIGNATURE "\x21\x31\x00\x02/\x00"),					       LB_PROXY_V2, "",				""		  },
};

static struct lb_endpoint endpoint(const char *text)
{
	struct lb_endpoint ep;

	ck_assert(lb_endpoint_parse(text, &ep));
	return ep;
}

/* Decode a copy of exactly len bytes, so that reading beyond them is seen by the sanitizer. */
static enum proxy_header_result decode(const char *bytes, size_t len, struct proxy_header *out)
{
	uint8_t *exact = malloc(len ? len : 1);

	memcpy(exact, bytes, len);
	enum proxy_header_result result = proxy_header_decode(exact, len, out);
	free(exact);
	return result;
}

START_TEST(writes_golden_bytes)
{
	const struct golden *g = &written[_i];
	bool local = g->client[0] == '\0';
	struct lb_endpoint client = {.port = 0}, destination = {.port = 0};
	uint8_t out[PROXY_HEADER_ENCODED_MAX];

	if (!local) {
		client = endpoint(g->client);
		destination = endpoint(g->destination);
	}
	for (size_t cap = 0; cap <= sizeof(out); cap++) {
		size_t n =
		    proxy_header_encode(g->version, local ? NULL : &client, local ? NULL : &destination, out, cap);

		ck_assert_uint_eq(n, cap < g->length ? 0 : g->length);
		if (n > 0)
			ck_assert_mem_eq(out, g->bytes, n);
	}
}
END_TEST

static void addresses_are(const struct proxy_header *h, const struct golden *g)
{
	ck_assert_int_eq(h->local, g->client[0] == '\0');
	if (h->local) {
		ck_assert_int_eq(h->client.addr.family, 0);
		ck_assert_int_eq(h->destination.addr.family, 0);
		return;
	}
	struct lb_endpoint client = endpoint(g->client), destination = endpoint(g->destination);

	ck_assert(lb_endpoint_equal(&h->client, &client));
	ck_assert(lb_endpoint_equal(&h->destination, &destination));
}

/* Every beginning needs more; the whole is understood, and what follows it is not looked at. */
static void reads(const struct golden *g)
{
	struct proxy_header h;
	char longer[256];

	for (size_t len = 0; len < g->length; len++)
		ck_assert_int_eq(decode(g->bytes, len, &h), PROXY_HEADER_NEED_MORE);
	memcpy(longer, g->bytes, g->length);
	memcpy(longer + g->length, "\r\nGE", 4);
	for (size_t more = 0; more <= 4; more++) {
		memset(&h, 0xee, sizeof(h));
		ck_assert_int_eq(decode(longer, g->length + more, &h), PROXY_HEADER_OK);
		ck_assert_uint_eq(h.length, g->length);
		ck_assert_int_eq(h.version, g->version);
		addresses_are(&h, g);
	}
}

START_TEST(reads_what_it_writes)
{
	reads(&written[_i]);
}
END_TEST

START_TEST(reads_what_others_write)
{
	reads(&read_only[_i]);
}
END_TEST

/* Each is refused; known says after how many bytes the verdict must be there. */
static const struct {
	const char *bytes;
	size_t length, known;
} refused[] = {
    {BYTES("GET / HTTP/1.1\r\n"),				   1 },
    {BYTES("\x16\x03\x01\x02"),				     1 },
    {BYTES("PROXX"),						5 },
    {BYTES("PROXY\tTCP4 "),					 6 },
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\n"),      46},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\rX"),	47},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324\r\n"),	     43},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 \r\n"),	  48},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443 1\r\n"),  49},
    {BYTES("PROXY TCP4  192.168.0.1 192.168.0.11 56324 443\r\n"),	  48},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 65536 443\r\n"),	 47},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 1 4294967297\r\n"), 50},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 0443 443\r\n"),	46},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 +1 443\r\n"),	      44},
    {BYTES("PROXY TCP4 192.168.0.1 192.168.0.11 1 \r\n"),		  40},
    {BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 1 443\r\n"),	    42},
    {BYTES("PROXY TCP6 192.168.0.1 192.168.0.11 1 443\r\n"),	     43},
    {BYTES("PROXY TCP4 192.168.0.256 192.168.0.11 1 443\r\n"),      45},
    {BYTES("PROXY TCP4 192.168.0.1\0 192.168.0.11 1 443\r\n"),      23},
    {BYTES("PROXY UDP4 192.168.0.1 192.168.0.11 1 443\r\n"),	     43},
    {BYTES("PROXY tcp4 192.168.0.1 192.168.0.11 1 443\r\n"),	     43},
    {BYTES("PROXY UNKNOWNX\r\n"),				   16},
    {BYTES("PROXY \r\n"),					   8 },
    {BYTES("PROXY TCP4\r\n"),				       12},
    {BYTES(SIGNATURE "\x11\x11\x00\x0c"),				  13}, /* version 1 in binary */
    {BYTES(SIGNATURE "\x22\x11\x00\x0c"),				  13}, /* a command nobody knows */
    {BYTES(SIGNATURE "\x21\x13\x00\x0c"),				  16}, /* a transport nobody knows */
    {BYTES(SIGNATURE "\x21\x41\x00\x0c"),				  16}, /* a family nobody knows */
    {BYTES(SIGNATURE "\x21\x11\x00\x0b"),				  16}, /* too short for its addresses */
    {BYTES(SIGNATURE "\x21\x21\x00\x23"),				  16},
    {BYTES(SIGNATURE "\x21\x11\xff\xff"),				  16}, /* longer than anybody needs */
    {BYTES("\r\n\r\n\1"),					   5 },
    {BYTES("\r\n\r\n\0\r\nQUIT\r"),				    12},
};

START_TEST(refuses_at_the_first_wrong_byte)
{
	struct proxy_header h, untouched;

	memset(&h, 0xee, sizeof(h));
	memcpy(&untouched, &h, sizeof(h));
	for (size_t len = 0; len <= refused[_i].length; len++) {
		enum proxy_header_result want = len < refused[_i].known ? PROXY_HEADER_NEED_MORE : PROXY_HEADER_BAD;

		ck_assert_msg(decode(refused[_i].bytes, len, &h) == want, "row %d after %zu bytes", _i, len);
	}
	ck_assert_mem_eq(&h, &untouched, sizeof(h));
}
END_TEST

/* A line that never ends is refused at 107 bytes, and the longest one allowed has exactly as many. */
START_TEST(an_endless_line_is_refused)
{
	char buf[PROXY_HEADER_MAX];
	struct proxy_header h;

	memset(buf, 'x', sizeof(buf));
	memcpy(buf, "PROXY UNKNOWN ", 14);
	ck_assert_int_eq(decode(buf, 106, &h), PROXY_HEADER_NEED_MORE);
	ck_assert_int_eq(decode(buf, 107, &h), PROXY_HEADER_BAD);
	memcpy(buf + 106, "\r\n", 2);
	ck_assert_int_eq(decode(buf, sizeof(buf), &h), PROXY_HEADER_BAD);
	memcpy(buf + 105, "\r\n", 2);
	ck_assert_int_eq(decode(buf, 106, &h), PROXY_HEADER_NEED_MORE);
	ck_assert_int_eq(decode(buf, sizeof(buf), &h), PROXY_HEADER_OK);
	ck_assert_uint_eq(h.length, 107);
}
END_TEST

/* A buffer of PROXY_HEADER_MAX bytes always gives a verdict. */
START_TEST(the_longest_header_fits_the_peek_buffer)
{
	char buf[PROXY_HEADER_MAX] = SIGNATURE "\x21\x11\x0f\xf0";
	struct proxy_header h;

	ck_assert_int_eq(decode(buf, sizeof(buf) - 1, &h), PROXY_HEADER_NEED_MORE);
	ck_assert_int_eq(decode(buf, sizeof(buf), &h), PROXY_HEADER_OK);
	ck_assert_uint_eq(h.length, PROXY_HEADER_MAX);
	buf[15] = (char)0xf1;
	ck_assert_int_eq(decode(buf, 16, &h), PROXY_HEADER_BAD);
}
END_TEST

/* What cannot be named truthfully is not named at all. */
START_TEST(ends_of_two_families_are_local)
{
	struct lb_endpoint v4 = endpoint("10.0.0.1:1"), v6 = endpoint("[2001:db8::1]:2"), none = {.port = 3};
	uint8_t out[PROXY_HEADER_ENCODED_MAX];

	ck_assert_uint_eq(proxy_header_encode(LB_PROXY_V1, &v4, &v6, out, sizeof(out)), 15);
	ck_assert_mem_eq(out, "PROXY UNKNOWN\r\n", 15);
	ck_assert_uint_eq(proxy_header_encode(LB_PROXY_V2, &v6, &v4, out, sizeof(out)), 16);
	ck_assert_mem_eq(out, SIGNATURE "\x20\x00\x00\x00", 16);
	ck_assert_uint_eq(proxy_header_encode(LB_PROXY_V2, &v4, NULL, out, sizeof(out)), 16);
	ck_assert_uint_eq(proxy_header_encode(LB_PROXY_V2, NULL, &v4, out, sizeof(out)), 16);
	ck_assert_uint_eq(proxy_header_encode(LB_PROXY_V1, &none, &none, out, sizeof(out)), 15);
	ck_assert_uint_eq(proxy_header_encode(LB_PROXY_OFF, &v4, &v4, out, sizeof(out)), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proxy_header");
	TCase *golden = tcase_create("golden"), *bounds = tcase_create("bounds");

	tcase_add_loop_test(golden, writes_golden_bytes, 0, COUNT(written));
	tcase_add_loop_test(golden, reads_what_it_writes, 0, COUNT(written));
	tcase_add_loop_test(golden, reads_what_others_write, 0, COUNT(read_only));
	tcase_add_loop_test(bounds, refuses_at_the_first_wrong_byte, 0, COUNT(refused));
	tcase_add_test(bounds, an_endless_line_is_refused);
	tcase_add_test(bounds, the_longest_header_fits_the_peek_buffer);
	tcase_add_test(bounds, ends_of_two_families_are_local);
	suite_add_tcase(suite, golden);
	suite_add_tcase(suite, bounds);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
