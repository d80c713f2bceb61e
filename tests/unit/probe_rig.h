/*
 * What tests of a probe share: a loop, a check with its plan, the outcome, sockets to listen on, a TLS server's
 * certificate.
 */
#ifndef PROBE_RIG_H
#define PROBE_RIG_H

#include <check.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/probe.h"

static struct ev_loop *loop;
static struct knock_set *knocks;
static struct lb_conf_check check;
static struct check_plan plan;
static struct probe_outcome outcome;
static unsigned outcomes;

static inline void setup(void)
{
	loop = ev_loop_new(0);
	knocks = knock_set_new(loop);
	ck_assert_ptr_nonnull(knocks);
	memset(&check, 0, sizeof(check));
	check.type = LB_CHECK_TCP;
	check.timeout = LB_SEC(3);
	strcpy(check.path, "/readyz");
	strcpy(check.method, "GET");
	check.expect[0] = (struct lb_code_range){200, 200};
	check.alive[0] = (struct lb_code_range){403, 403};
	check.expect_count = check.alive_count = 1;
	outcomes = 0;
}

static inline void teardown(void)
{
	check_plan_clear(&plan);
	knock_set_free(knocks);
	ev_loop_destroy(loop);
}

static inline struct lb_endpoint bind_loopback(int *fd, int backlog)
{
	struct sockaddr_storage sa;
	struct lb_endpoint any, at;
	socklen_t len = sizeof(sa);

	ck_assert(lb_addr_parse("127.0.0.1", &any.addr));
	any.port = 0;
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(*fd, (struct sockaddr *)&sa, lb_endpoint_to_sockaddr(&any, &sa)), 0);
	if (backlog > 0)
		ck_assert_int_eq(listen(*fd, backlog), 0);
	ck_assert_int_eq(getsockname(*fd, (struct sockaddr *)&sa, &len), 0);
	ck_assert(lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, &at));
	return at;
}

static inline void on_done(void *ctx, const struct probe_outcome *o)
{
	(void)ctx;
	outcome = *o;
	outcomes++;
	ev_break(loop, EVBREAK_ALL);
}

static inline void make_plan(void)
{
	struct lb_err err;

	ck_assert_msg(check_plan_init(&plan, &check, &err), "%s", err.text);
}

/* A certificate for 127.0.0.1 that signed itself, valid from..to seconds from now; its PEM goes to path. */
static inline SSL_CTX *make_server(long from, long to, const char *path)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509V3_CTX ctx;
	X509_EXTENSION *san;
	FILE *file = fopen(path, "we");

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), from);
	X509_gmtime_adj(X509_getm_notAfter(cert), to);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1,
				   -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	san = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "IP:127.0.0.1");
	X509_add_ext(cert, san, -1);
	X509_EXTENSION_free(san);
	ck_assert_int_gt(X509_sign(cert, key, EVP_sha256()), 0);
	ck_assert_int_eq(SSL_CTX_use_certificate(tls, cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(tls, key), 1);
	PEM_write_X509(file, cert);
	fclose(file);
	X509_free(cert);
	EVP_PKEY_free(key);
	return tls;
}

#endif
