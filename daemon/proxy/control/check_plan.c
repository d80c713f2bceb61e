#include "daemon/proxy/control/check_plan.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BEARER_MAX 16384
/* Between two looks whether files have changed. */
#define LOOK_INTERVAL LB_SEC(1)

/* Say why openssl did not take a file; a file that cannot be opened is told by the system's own words. */
static bool refuse_file(struct lb_err *err, const char *key, const char *path)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(code);

	if (access(path, R_OK) != 0)
		lb_err_errno(err, errno, "%s %s cannot be read", key, path);
	else
		lb_err_set(err, "%s %s cannot be used: %s", key, path, why ? why : "unknown error");
	ERR_clear_error();
	return false;
}

static bool load_client_certificate(SSL_CTX *tls, const struct lb_conf_check *check, struct lb_err *err)
{
	const char *key_file = check->key_file[0] ? check->key_file : check->cert_file;

	if (!check->cert_file[0])
		return true;
	if (SSL_CTX_use_certificate_chain_file(tls, check->cert_file) != 1)
		return refuse_file(err, "cert_file", check->cert_file);
	if (SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) != 1)
		return refuse_file(err, "key_file", key_file);
	return true;
}

static SSL_CTX *make_tls(const struct lb_conf_check *check, struct lb_err *err)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	/* A server that closes without close_notify has ended its answer, not attacked us. */
	SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_verify(tls, check->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (check->ca_file[0] ? SSL_CTX_load_verify_locations(tls, check->ca_file, NULL) != 1 : false) {
		refuse_file(err, "ca_file", check->ca_file);
		goto free_tls;
	}
	if (!check->ca_file[0] && check->verify)
		SSL_CTX_set_default_verify_paths(tls);
	if (!load_client_certificate(tls, check, err))
		goto free_tls;
	return tls;

free_tls:
	SSL_CTX_free(tls);
	return NULL;
}

/* A token may have a line end behind it, never inside: it goes into a header line. */
static char *read_bearer(const char *path, struct lb_err *err)
{
	char buf[BEARER_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
	int saved = errno;
	size_t begin = 0, end;

	if (fd >= 0)
		close(fd);
	if (n < 0) {
		lb_err_errno(err, saved, "bearer_file %s cannot be read", path);
		return NULL;
	}
	if (n > BEARER_MAX) {
		lb_err_set(err, "bearer_file %s is longer than %d bytes", path, BEARER_MAX);
		return NULL;
	}
	for (end = (size_t)n; end > 0 && isspace((unsigned char)buf[end - 1]); end--)
		;
	while (begin < end && isspace((unsigned char)buf[begin]))
		begin++;
	for (size_t i = begin; i < end; i++)
		if (!isgraph((unsigned char)buf[i])) {
			lb_err_set(err, "bearer_file %s holds more than one token", path);
			return NULL;
		}
	if (begin == end) {
		lb_err_set(err, "bearer_file %s is empty", path);
		return NULL;
	}
	return strndup(buf + begin, end - begin);
}

lb_wall check_plan_certificate_end(const X509 *certificate)
{
	struct tm tm;

	if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
		return 0;
	return (lb_wall)timegm(&tm) * INT64_C(1000000000);
}

/* Taken before the files are read: what changes in between is seen at the next look. */
static void take_stamps(const struct lb_conf_check *check, struct check_plan_stamp stamps[CHECK_PLAN_FILES])
{
	const char *const paths[CHECK_PLAN_FILES] = {check->ca_file, check->cert_file, check->key_file,
						     check->bearer_file};
	struct stat st;

	memset(stamps, 0, CHECK_PLAN_FILES * sizeof(*stamps));
	for (size_t i = 0; i < CHECK_PLAN_FILES; i++)
		if (paths[i][0] && stat(paths[i], &st) == 0) {
			stamps[i].device = st.st_dev;
			stamps[i].inode = st.st_ino;
			stamps[i].size = st.st_size;
			stamps[i].modified = st.st_mtim;
		}
}

bool check_plan_init(struct check_plan *plan, const struct lb_conf_check *check, struct lb_err *err)
{
	*plan = (struct check_plan){.check = check};
	plan->has_files = check->ca_file[0] || check->cert_file[0] || check->bearer_file[0];
	take_stamps(check, plan->stamps);
	if (check->type == LB_CHECK_HTTPS && !(plan->tls = make_tls(check, err)))
		return false;
	if (plan->tls)
		plan->certificate_ends = check_plan_certificate_end(SSL_CTX_get0_certificate(plan->tls));
	if (check->bearer_file[0] && !(plan->bearer = read_bearer(check->bearer_file, err))) {
		check_plan_clear(plan);
		return false;
	}
	return true;
}

void check_plan_clear(struct check_plan *plan)
{
	SSL_CTX_free(plan->tls);
	if (plan->bearer)
		explicit_bzero(plan->bearer, strlen(plan->bearer));
	free(plan->bearer);
	*plan = (struct check_plan){0};
}

enum check_plan_news check_plan_refresh(struct check_plan *plan, lb_time now, struct lb_err *err)
{
	const struct lb_conf_check *check = plan->check;
	struct check_plan_stamp stamps[CHECK_PLAN_FILES];
	struct check_plan renewed;

	if (!plan->has_files || now - plan->looked_at < LOOK_INTERVAL)
		return CHECK_PLAN_SAME;
	plan->looked_at = now;
	take_stamps(check, stamps);
	if (memcmp(stamps, plan->stamps, sizeof(stamps)) == 0)
		return CHECK_PLAN_SAME;
	memcpy(plan->stamps, stamps, sizeof(stamps));
	if (!check_plan_init(&renewed, check, err))
		return CHECK_PLAN_REFUSED;
	/* A check that is under way keeps the TLS context it began with by openssl's own count. */
	check_plan_clear(plan);
	*plan = renewed;
	plan->looked_at = now;
	return CHECK_PLAN_RENEWED;
}

static bool same_codes(const struct lb_code_range *a, size_t na, const struct lb_code_range *b, size_t nb)
{
	if (na != nb)
		return false;
	for (size_t i = 0; i < na; i++)
		if (a[i].first != b[i].first || a[i].last != b[i].last)
			return false;
	return true;
}

bool check_plan_same(const struct lb_conf_check *a, const struct lb_conf_check *b)
{
	return a->type == b->type && a->port == b->port && a->verify == b->verify && a->interval == b->interval &&
	       a->fast_interval == b->fast_interval && a->timeout == b->timeout && a->rise == b->rise &&
	       a->fall == b->fall && !strcmp(a->path, b->path) && !strcmp(a->method, b->method) &&
	       !strcmp(a->host, b->host) && !strcmp(a->body, b->body) && !strcmp(a->ca_file, b->ca_file) &&
	       !strcmp(a->sni, b->sni) && !strcmp(a->cert_file, b->cert_file) && !strcmp(a->key_file, b->key_file) &&
	       !strcmp(a->bearer_file, b->bearer_file) &&
	       same_codes(a->expect, a->expect_count, b->expect, b->expect_count) &&
	       same_codes(a->alive, a->alive_count, b->alive, b->alive_count);
}
