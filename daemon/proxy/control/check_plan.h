/*
 * One check of the configuration with the files it names already read: certificates, keys, tokens. Made while a
 * configuration is prepared, so that a file that cannot be used refuses the reload. Files that have changed since
 * (tokens and certificates are renewed all the time) are read again before a check.
 */
#ifndef CONTROL_CHECK_PLAN_H
#define CONTROL_CHECK_PLAN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <lb/conf.h>
#include <lb/err.h>
#include <lb/snapshot.h>

#define CHECK_PLAN_FILES 4

/* What tells one version of a file from another; all zero: none, or it cannot be seen. */
struct check_plan_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
};

struct check_plan {
	const struct lb_conf_check *check; /* borrowed from the configuration */
	SSL_CTX *tls;			   /* NULL unless the type is https */
	char *bearer;			   /* token without white space around it; NULL without a bearer_file */
	lb_wall certificate_ends;	   /* the client certificate is valid until then; 0 without one */
	bool has_files;			   /* the check names some */
	struct check_plan_stamp stamps[CHECK_PLAN_FILES]; /* of the files as they were read, or refused, last */
	lb_time looked_at;
};

/* False with a sentence that names the file; the plan then owns nothing. */
bool check_plan_init(struct check_plan *plan, const struct lb_conf_check *check, struct lb_err *err);
void check_plan_clear(struct check_plan *plan);

/* What became of the files of a plan. */
enum check_plan_news { CHECK_PLAN_SAME, CHECK_PLAN_RENEWED, CHECK_PLAN_REFUSED };

/*
 * Read the files again if one has changed; they are looked at once a second at most. What cannot be used is refused,
 * with a sentence in *err, once for each change, and the plan stays as it was.
 */
enum check_plan_news check_plan_refresh(struct check_plan *plan, lb_time now, struct lb_err *err);

/* When a certificate ends; 0 for NULL or a date that is none. */
lb_wall check_plan_certificate_end(const X509 *certificate);

/* Do both checks ask the same? (Where they stand in the file does not count.) */
bool check_plan_same(const struct lb_conf_check *a, const struct lb_conf_check *b);

#endif
