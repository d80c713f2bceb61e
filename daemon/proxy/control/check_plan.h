/*
 * One check of the configuration with the files it names already read: certificates, keys, tokens. Made while a
 * configuration is prepared, so that a file that cannot be used refuses the reload; a reload reads them again.
 */
#ifndef CONTROL_CHECK_PLAN_H
#define CONTROL_CHECK_PLAN_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include <lb/conf.h>
#include <lb/err.h>

struct check_plan {
	const struct lb_conf_check *check; /* borrowed from the configuration */
	SSL_CTX *tls;			   /* NULL unless the type is https */
	char *bearer;			   /* token without white space around it; NULL without a bearer_file */
};

/* False with a sentence that names the file; the plan then owns nothing. */
bool check_plan_init(struct check_plan *plan, const struct lb_conf_check *check, struct lb_err *err);
void check_plan_clear(struct check_plan *plan);

/* Do both checks ask the same? (Where they stand in the file does not count.) */
bool check_plan_same(const struct lb_conf_check *a, const struct lb_conf_check *b);

#endif
