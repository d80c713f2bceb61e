/*
 * Small configurations for the tests of lib/conf, and their errors as one text.
 */
#ifndef TESTS_UNIT_CONF_TEXT_H
#define TESTS_UNIT_CONF_TEXT_H

#include <check.h>
#include <string.h>

#include <lb/conf.h>

/* Three lines that every file needs, and a service on the two after them. */
#define TOP	"cluster: k8s\nnodes: {a: 10.0.0.1, b: 10.0.0.2}\nvips: [10.0.0.9]\n"
#define SERVICE "services:\n  s: {listen: 80, servers: {x: 10.0.0.3:80}}\n"
/* The beginning of a service whose next key stands on line 6. */
#define IN_SERVICE TOP "services:\n  s:\n"
#define SERVERS	   "    servers: {x: 10.0.0.3:80}\n"
#define LISTEN	   "    listen: 80\n"

/* A configuration that must load. */
static inline struct lb_conf *conf_of(const char *text)
{
	static struct lb_conf_errors errors;
	struct lb_text out = {0};
	struct lb_conf *conf;

	errors = (struct lb_conf_errors){.count = 0};
	conf = lb_conf_load(text, strlen(text), &errors);
	lb_conf_errors_text(&errors, "f", &out);
	ck_assert_msg(conf != NULL, "%s", lb_text_str(&out));
	ck_assert_uint_eq(errors.count, 0);
	lb_text_free(&out);
	return conf;
}

/* A file that must be refused with exactly these lines. */
static inline void refused_with(const char *text, size_t len, const char *expected)
{
	static struct lb_conf_errors errors;
	struct lb_text out = {0};

	errors = (struct lb_conf_errors){.count = 0};
	ck_assert_ptr_null(lb_conf_load(text, len, &errors));
	lb_conf_errors_text(&errors, "f", &out);
	ck_assert_str_eq(lb_text_str(&out), expected);
	lb_text_free(&out);
}

#endif
