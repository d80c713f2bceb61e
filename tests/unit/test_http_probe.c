/* The HTTP of health checks: the request byte for byte; answers whole, byte by byte, cut short, and hostile. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <lb/http_probe.h>

static struct lb_conf_check check;

static void setup(void)
{
	memset(&check, 0, sizeof(check));
	strcpy(check.method, "GET");
	strcpy(check.path, "/readyz");
	check.expect[0] = (struct lb_code_range){200, 299};
	check.expect[1] = (struct lb_code_range){404, 404};
	check.expect_count = 2;
	check.alive[0] = (struct lb_code_range){401, 403};
	check.alive_count = 1;
}

START_TEST(the_request)
{
	static const char expected[] = "GET /readyz HTTP/1.1\r\nHost: 10.196.35.20\r\nUser-Agent: lbd-check\r\n"
				       "Accept: */*\r\nConnection: close\r\n\r\n";
	char out[256];

	ck_assert_uint_eq(http_probe_request(&check, "10.196.35.20", NULL, HTTP_PROBE_CLOSE, out, sizeof(out)),
			  strlen(expected));
	ck_assert_str_eq(out, expected);
}
END_TEST

START_TEST(the_request_with_a_token)
{
	static const char expected[] = "HEAD /readyz HTTP/1.1\r\nHost: k8s\r\nUser-Agent: lbd-check\r\nAccept: */*\r\n"
				       "Authorization: Bearer abc\r\nConnection: close\r\n\r\n";
	char out[sizeof(expected)];

	strcpy(check.method, "HEAD");
	ck_assert_uint_eq(http_probe_request(&check, "k8s", "abc", HTTP_PROBE_CLOSE, out, sizeof(out)),
			  strlen(expected));
	ck_assert_str_eq(out, expected);
	/* Half a request is never sent. */
	ck_assert_uint_eq(http_probe_request(&check, "k8s", "abc", HTTP_PROBE_CLOSE, out, sizeof(out) - 1), 0);
}
END_TEST

/* RFC 9112 section 9.3: a connection persists unless somebody says otherwise. */
START_TEST(the_request_that_is_not_the_last)
{
	static const char expected[] =
	    "GET /readyz HTTP/1.1\r\nHost: k8s\r\nUser-Agent: lbd-check\r\nAccept: */*\r\n\r\n";
	char out[sizeof(expected)];

	ck_assert_uint_eq(http_probe_request(&check, "k8s", NULL, HTTP_PROBE_STAY, out, sizeof(out)), strlen(expected));
	ck_assert_str_eq(out, expected);
}
END_TEST

/* Feed in pieces; returns how many bytes it took to know, 0 when the verdict came only with the end. */
static size_t feed(const char *answer, size_t len, size_t piece, enum health_result *result)
{
	struct http_probe p = {0};

	for (size_t i = 0; i < len; i += piece) {
		size_t n = len - i < piece ? len - i : piece;

		if (http_probe_feed(&p, &check, answer + i, n, false, result))
			return i + n;
	}
	ck_assert(http_probe_feed(&p, &check, NULL, 0, true, result));
	return 0;
}

/* The same verdict in pieces of every small size and at once. */
static void expect(const char *answer, size_t len, enum health_result wanted)
{
	for (size_t piece = 1; piece <= 20; piece++) {
		enum health_result result = HEALTH_RESULT_COUNT_;

		feed(answer, len, piece < 20 ? piece : len + 1, &result);
		ck_assert_msg(result == wanted, "%s: %s in pieces of %zu", answer, health_result_name(result), piece);
	}
}

static const struct {
	const char *answer;
	enum health_result result;
} answers[] = {
    {"HTTP/1.1 200 OK\r\n",										 HEALTH_RESULT_OK	    },
    {"HTTP/1.0 200 OK\r\n",										 HEALTH_RESULT_OK	    },
    {"HTTP/1.1 200\r\n",										    HEALTH_RESULT_OK	 },
    {"HTTP/1.1 200 \n",										     HEALTH_RESULT_OK	},
    {"HTTP/1.1 299 x\r\n",										  HEALTH_RESULT_OK	   },
    {"HTTP/1.1 404 Not Found\r\n\r\nnginx",								 HEALTH_RESULT_OK	    },
    {"HTTP/1.1 200 a reason phrase may be much longer than what is kept of the line, without any harm\r\n",
     HEALTH_RESULT_OK													    },
    {"HTTP/1.1 401 Unauthorized\r\n",								       HEALTH_RESULT_ALIVE	 },
    {"HTTP/1.1 403 Forbidden\r\n",									  HEALTH_RESULT_ALIVE  },
    {"HTTP/1.1 300 x\r\n",										  HEALTH_RESULT_WRONG  },
    {"HTTP/1.1 405 x\r\n",										  HEALTH_RESULT_WRONG  },
    {"HTTP/1.1 503 Service Unavailable\r\n",								HEALTH_RESULT_WRONG	},
    {"HTTP/1.1 101 Switching Protocols\r\n",								HEALTH_RESULT_WRONG	},
 /* Informational answers come first. */
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",							 HEALTH_RESULT_OK	 },
    {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 199 x\r\n\r\nHTTP/1.1 200 x\r\n",	       HEALTH_RESULT_OK     },
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 \n",							    HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1 100 Continue\r\n\r\nmore",								   HEALTH_RESULT_GARBAGE},
 /* No HTTP. */
    {"SSH-2.0-OpenSSH_9.2\r\n",									     HEALTH_RESULT_GARBAGE},
    {"HTTP/2.0 200 OK\r\n",										 HEALTH_RESULT_GARBAGE},
    {"HTTP/1.2 200 OK\r\n",										 HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1  200 OK\r\n",										HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1 2x0 OK\r\n",										 HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1 2000 OK\r\n",										HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1 000 OK\r\n",										 HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1 20\r\n",										     HEALTH_RESULT_GARBAGE},
    {"http/1.1 200 OK\r\n",										 HEALTH_RESULT_GARBAGE},
    {"\r\n",												HEALTH_RESULT_GARBAGE},
    {"\x15\x03\x01\x00\x02\x02\x46",									HEALTH_RESULT_GARBAGE}, /* a TLS alert */
  /* Closed early. */
    {"",												    HEALTH_RESULT_RESET  },
    {"H",												   HEALTH_RESULT_GARBAGE},
    {"HTTP/1.1 200 OK",										     HEALTH_RESULT_GARBAGE},
};

START_TEST(an_answer_is_judged_by_its_code)
{
	expect(answers[_i].answer, strlen(answers[_i].answer), answers[_i].result);
}
END_TEST

START_TEST(the_verdict_is_known_at_the_end_of_the_status_line)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n";
	enum health_result result;

	ck_assert_uint_eq(feed(answer, strlen(answer), 1, &result), strlen("HTTP/1.1 200 OK\r\n"));
	/* Another protocol than the one that was spoken is no beginning of an answer. */
	ck_assert_uint_eq(feed("HTTP/1.1 101 x\r\n\r\n", 18, 1, &result), 16);
	ck_assert_int_eq(result, HEALTH_RESULT_WRONG);
	/* What does not begin like HTTP is known with the first byte that differs. */
	ck_assert_uint_eq(feed("HTTQ", 4, 1, &result), 4);
	ck_assert_int_eq(result, HEALTH_RESULT_GARBAGE);
}
END_TEST

START_TEST(the_code_is_kept)
{
	struct http_probe p = {0};
	enum health_result result;

	ck_assert(http_probe_feed(&p, &check, "HTTP/1.1 503 x\r\n", 16, false, &result));
	ck_assert_uint_eq(p.code, 503);
}
END_TEST

#define CHUNKED "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct {
	const char *body, *answer;
	enum health_result result;
} bodies[] = {
    {"ok",		   "HTTP/1.1 200 OK\r\n\r\nok",							      HEALTH_RESULT_OK	},
    {"ok",		   "HTTP/1.1 200 OK\nServer: x\n\nall is ok now",						  HEALTH_RESULT_OK	  },
    {"o",		    "HTTP/1.1 200 OK\r\nServer: ooo\r\n\r\nyes: o",						  HEALTH_RESULT_OK	  },
    {"aab",		  "HTTP/1.1 200 OK\r\n\r\naaaab",							   HEALTH_RESULT_OK	    },
    {"healthz check passed", "HTTP/1.1 200 OK\r\n\r\n[+]ping ok\nhealthz check passe healthz check passed\n",
     HEALTH_RESULT_OK														       },
    {"ok",		   "HTTP/1.1 200 OK\r\n\r\no k",							     HEALTH_RESULT_WRONG  },
    {"ok",		   "HTTP/1.1 200 OK\r\n\r\n",								HEALTH_RESULT_WRONG	 },
    {"ok",		   "HTTP/1.1 200 ok\r\nX-State: ok\r\n\r\n",						     HEALTH_RESULT_WRONG	},
    {"ok",		   "HTTP/1.1 200 OK\r\nX: y\r\nok",							  HEALTH_RESULT_WRONG  }, /* the head never ends */
    {"ok",		   "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",				     HEALTH_RESULT_OK     },
 /* The end of the body is known without the end of the connection; what frames it is not part of it. */
    {"is ok",		CHUNKED "3\r\nis \r\n2\r\nok\r\n0\r\n\r\n",						  HEALTH_RESULT_OK	  },
    {"is ok",		CHUNKED "1;x=ok\r\ni\r\n00000004\r\ns ok\r\n0\r\nTrailer: x\r\n\r\n",			    HEALTH_RESULT_OK	    },
    {"ok",		   CHUNKED "2;is=ok\r\nno\r\n0\r\nis: ok\r\n\r\n",					   HEALTH_RESULT_WRONG  },
    {"ok",		   CHUNKED "1\no\n1\nk\n0\n\n",							      HEALTH_RESULT_OK	},
    {"ok",		   CHUNKED "A\r\n..........\r\n0\r\n\r\nok",						     HEALTH_RESULT_WRONG	},
    {"ok",		   CHUNKED "ok\r\n",									 HEALTH_RESULT_GARBAGE},
    {"ok",		   CHUNKED "\r\nok",									 HEALTH_RESULT_GARBAGE},
    {"ok",		   CHUNKED "1\r\nno\r\n",								    HEALTH_RESULT_GARBAGE},
    {"ok",		   CHUNKED "fffffffff\r\n",								  HEALTH_RESULT_GARBAGE},
    {"ok",		   CHUNKED "5\r\nis o",								      HEALTH_RESULT_WRONG  },
    {"ok",		   "HTTP/1.1 200 x\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok", HEALTH_RESULT_OK     },
    {"is ok",
     "HTTP/1.1 200 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nis\r\n3\r\n ok\r\n0\r\n\r\n",      HEALTH_RESULT_OK     },
    {"ok",		   "HTTP/1.1 200 x\r\ncontent-length:\t2\r\n\r\nok",					     HEALTH_RESULT_OK     },
    {"ok",		   "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nnook",					      HEALTH_RESULT_WRONG	 },
    {"ok",		   "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\nok",					    HEALTH_RESULT_WRONG  },
    {"ok",		   "HTTP/1.1 200 x\r\nContent-Length: two\r\n\r\nok",					      HEALTH_RESULT_OK     },
    {"ok",		   "HTTP/1.1 103 x\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 x\r\n\r\nok",			  HEALTH_RESULT_OK	  },
 /* Another code decides alone. */
    {"ok",		   "HTTP/1.1 503 x\r\n\r\nok",							       HEALTH_RESULT_WRONG  },
    {"ok",		   "HTTP/1.1 401 x\r\n\r\nno",							       HEALTH_RESULT_ALIVE  },
};

START_TEST(a_body_that_is_asked_for_must_be_there)
{
	strcpy(check.body, bodies[_i].body);
	expect(bodies[_i].answer, strlen(bodies[_i].answer), bodies[_i].result);
}
END_TEST

START_TEST(a_match_ends_the_reading)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\n\r\nok and a long rest";
	enum health_result result;

	strcpy(check.body, "ok");
	ck_assert_uint_eq(feed(answer, strlen(answer), 1, &result), strlen("HTTP/1.1 200 OK\r\n\r\nok"));
}
END_TEST

/* A server that keeps the connection open is not waited for once the body it announced is there. */
START_TEST(the_announced_end_ends_the_reading)
{
	static const char sized[] = "HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nno";
	static const char chunked[] = CHUNKED "2\r\nno\r\n0\r\n";
	static const char empty[] = "HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n";
	enum health_result result;

	strcpy(check.body, "ok");
	ck_assert_uint_eq(feed(sized, strlen(sized), 1, &result), strlen(sized));
	ck_assert_uint_eq(feed(chunked, strlen(chunked), 1, &result), strlen(chunked));
	ck_assert_uint_eq(feed(empty, strlen(empty), 1, &result), strlen(empty));
	ck_assert_int_eq(result, HEALTH_RESULT_WRONG);
}
END_TEST

/* What becomes of the connection behind an answer. */
enum then { TAKES_ANOTHER, GOES_ON, IS_OF_NO_USE };

static const struct {
	const char *body, *method, *answer;
	enum then then;
} ends[] = {
    {"",	 "GET",	"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok",				 TAKES_ANOTHER},
    {"ok", "GET",  "HTTP/1.1 200 x\r\nContent-Length: 8\r\n\r\nok, yes!",			 TAKES_ANOTHER},
    {"",	 "GET",	"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n",			       TAKES_ANOTHER},
    {"",	 "GET",	"HTTP/1.1 403 x\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nno", TAKES_ANOTHER},
    {"",	 "GET",	"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n1",      TAKES_ANOTHER},
    {"",	 "GET",	CHUNKED "2\r\nok\r\n0\r\n\r\n",						TAKES_ANOTHER},
    {"ok", "GET",  CHUNKED "2;a\r\nok\r\n3\r\nabc\r\n0\r\nSum: 1\r\nX: y\r\n\r\n",		  TAKES_ANOTHER},
    {"",	 "GET",	"HTTP/1.1 204 x\r\n\r\n",						  TAKES_ANOTHER},
    {"",	 "HEAD", "HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\n",			   TAKES_ANOTHER},
    {"",	 "GET",	"HTTP/1.1 200 x\r\n",						      GOES_ON	     },
    {"",	 "GET",	"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\no",				GOES_ON      },
    {"",	 "GET",	CHUNKED,								   GOES_ON	},
    {"",	 "GET",	CHUNKED "2\r\nok\r\n0\r\nSum: 1\r\n",				      GOES_ON	     },
 /* The end of these is never known, or far. */
    {"",	 "GET",	"HTTP/1.1 200 x\r\n\r\nok",						IS_OF_NO_USE },
    {"",	 "GET",	"HTTP/1.1 200 x\r\nContent-Length: 70000\r\n\r\nok",			     IS_OF_NO_USE },
    {"",	 "GET",	"HTTP/1.1 200 x\r\nContent-Length: two\r\n\r\nok",			   IS_OF_NO_USE },
    {"",	 "GET",	"HTTP/1.1 200 x\r\nTransfer-Encoding: gzip\r\n\r\nok",		       IS_OF_NO_USE },
    {"",	 "GET",	CHUNKED "x\r\n",							   IS_OF_NO_USE },
 /* These servers want no more. */
    {"",	 "GET",	"HTTP/1.0 200 x\r\nContent-Length: 2\r\n\r\nok",				 IS_OF_NO_USE },
    {"",	 "GET",	"HTTP/1.1 200 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",      IS_OF_NO_USE },
    {"",	 "GET",	"HTTP/1.1 200 x\r\nconnection: x, Close\r\nContent-Length: 2\r\n\r\nok",	 IS_OF_NO_USE },
    {"",	 "GET",	"HTTP/1.1 101 x\r\nContent-Length: 0\r\n\r\n",			       IS_OF_NO_USE },
 /* What was not asked for. */
    {"",	 "GET",	"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok?",			  IS_OF_NO_USE },
    {"",	 "GET",	CHUNKED "0\r\n\r\nH",						      IS_OF_NO_USE },
    {"",	 "GET",	"SSH-2.0-OpenSSH_9.2\r\n",						 IS_OF_NO_USE },
};

START_TEST(what_becomes_of_the_connection)
{
	size_t len = strlen(ends[_i].answer);

	strcpy(check.body, ends[_i].body);
	strcpy(check.method, ends[_i].method);
	for (size_t piece = 1; piece <= len; piece++) {
		struct http_probe p = {0};
		enum health_result result;
		unsigned verdicts = 0;

		for (size_t i = 0; i < len; i += piece)
			verdicts += http_probe_feed(&p, verdicts ? NULL : &check, ends[_i].answer + i,
						    len - i < piece ? len - i : piece, false, &result);
		ck_assert_uint_eq(verdicts, 1);
		ck_assert_int_eq(http_probe_reusable(&p), ends[_i].then == TAKES_ANOTHER);
		ck_assert_int_eq(http_probe_goes_on(&p), ends[_i].then == GOES_ON);
		ck_assert(!http_probe_feed(&p, NULL, NULL, 0, true, NULL));
		ck_assert(!http_probe_reusable(&p) && !http_probe_goes_on(&p));
	}
}
END_TEST

/* Chunks of one byte, forever: given up. */
START_TEST(framing_is_bounded)
{
	static char endless[128 * 1024];
	size_t n = strlen(CHUNKED);
	enum health_result result;

	strcpy(check.body, "ok");
	memcpy(endless, CHUNKED, n);
	memset(endless + n, '1', sizeof(endless) - n);
	for (size_t i = n; i + 6 <= sizeof(endless); i += 6)
		memcpy(endless + i, "1\r\nx\r\n", 6);
	ck_assert_uint_le(feed(endless, sizeof(endless), 7, &result), 64 * 1024);
	ck_assert_int_ne(result, HEALTH_RESULT_OK);
}
END_TEST

START_TEST(a_warning_names_the_cause)
{
	ck_assert_ptr_nonnull(strstr(http_probe_warning(401, false), "set bearer_file"));
	ck_assert_ptr_nonnull(strstr(http_probe_warning(401, true), "renew"));
	ck_assert_ptr_nonnull(strstr(http_probe_warning(403, false), "without an identity"));
	ck_assert_ptr_nonnull(strstr(http_probe_warning(403, true), "may not read this path"));
	ck_assert_ptr_nonnull(strstr(http_probe_warning(429, true), "too many"));
	ck_assert_ptr_nonnull(strstr(http_probe_warning(302, true), "alive"));
}
END_TEST

/* The needle at every place of a body, with every size of pieces around its own length. */
START_TEST(a_match_across_pieces)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	char answer[128];
	enum health_result result;

	strcpy(check.body, "abcabd");
	for (size_t place = 0; place < 20; place++)
		for (size_t piece = 1; piece < 16; piece++) {
			size_t end = strlen(head) + place + 6;

			memset(answer, 'a', sizeof(answer));
			memcpy(answer, head, strlen(head));
			memcpy(answer + strlen(head) + place, "abcabd", 6);
			ck_assert_uint_ge(feed(answer, sizeof(answer), piece, &result), end);
			ck_assert_int_eq(result, HEALTH_RESULT_OK);
			answer[end - 1] = 'c';
			feed(answer, sizeof(answer), piece, &result);
			ck_assert_int_eq(result, HEALTH_RESULT_WRONG);
		}
}
END_TEST

/* A head that never ends is given up, one byte beyond the limit and not before. */
START_TEST(the_head_is_bounded)
{
	static char endless[HTTP_PROBE_HEAD_MAX + 100];
	enum health_result result = HEALTH_RESULT_COUNT_;

	memset(endless, 'x', sizeof(endless));
	memcpy(endless, "HTTP/1.1 200 ", 13);
	ck_assert_uint_eq(feed(endless, sizeof(endless), 1, &result), HTTP_PROBE_HEAD_MAX + 1);
	ck_assert_int_eq(result, HEALTH_RESULT_GARBAGE);

	strcpy(check.body, "ok");
	memcpy(endless, "HTTP/1.1 200 OK\r\n", 17);
	ck_assert_uint_eq(feed(endless, sizeof(endless), 1, &result), HTTP_PROBE_HEAD_MAX + 1);
	ck_assert_int_eq(result, HEALTH_RESULT_GARBAGE);
}
END_TEST

/* Only the first 16 kB of a body are looked at, to the byte. */
START_TEST(the_body_is_bounded)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n\r\n";
	static char answer[sizeof(head) - 1 + HTTP_PROBE_BODY_MAX + 100];
	char *body = answer + strlen(head);
	enum health_result result;

	strcpy(check.body, "ok");
	for (int over = 0; over <= 1; over++)
		for (size_t piece = 1; piece < sizeof(answer) * 2; piece = piece * 7 + 1) {
			memset(answer, 'x', sizeof(answer));
			memcpy(answer, head, strlen(head));
			memcpy(body + HTTP_PROBE_BODY_MAX - 2 + over, "ok", 2);
			ck_assert_uint_gt(feed(answer, sizeof(answer), piece, &result), 0);
			ck_assert_int_eq(result, over ? HEALTH_RESULT_WRONG : HEALTH_RESULT_OK);
		}
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

int main(void)
{
	Suite *suite = suite_create("http_probe");
	TCase *all = tcase_create("all");

	tcase_add_checked_fixture(all, setup, NULL);
	tcase_add_test(all, the_request);
	tcase_add_test(all, the_request_with_a_token);
	tcase_add_test(all, the_request_that_is_not_the_last);
	tcase_add_loop_test(all, an_answer_is_judged_by_its_code, 0, COUNT(answers));
	tcase_add_test(all, the_verdict_is_known_at_the_end_of_the_status_line);
	tcase_add_test(all, the_code_is_kept);
	tcase_add_loop_test(all, a_body_that_is_asked_for_must_be_there, 0, COUNT(bodies));
	tcase_add_test(all, a_match_ends_the_reading);
	tcase_add_test(all, the_announced_end_ends_the_reading);
	tcase_add_loop_test(all, what_becomes_of_the_connection, 0, COUNT(ends));
	tcase_add_test(all, framing_is_bounded);
	tcase_add_test(all, a_warning_names_the_cause);
	tcase_add_test(all, a_match_across_pieces);
	tcase_add_test(all, the_head_is_bounded);
	tcase_add_test(all, the_body_is_bounded);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
