#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "daemon/proxy/control/probe_step.h"

/* The name that the server is asked for and must prove: sni, else host, else its address. */
static bool set_name(struct probe *p)
{
	const struct lb_conf_check *check = p->params.plan->check;
	const char *name = check->sni[0] ? check->sni : check->host;
	char text[LB_ADDR_TEXT];
	struct lb_addr addr;

	if (!name[0])
		name = lb_addr_text(&p->params.address.addr, text);
	/* RFC 6066 section 3: literal addresses are not permitted in the server name indication. */
	if (lb_addr_parse(name, &addr))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(p->ssl), name) == 1;
	return SSL_set_tlsext_host_name(p->ssl, name) == 1 && SSL_set1_host(p->ssl, name) == 1;
}

enum probe_step probe_tls_failed(struct probe *p, int rc)
{
	long verdict = SSL_get_verify_result(p->ssl);
	unsigned long code;
	const char *why;
	int saved = errno;

	switch (SSL_get_error(p->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return PROBE_READ;
	case SSL_ERROR_WANT_WRITE:
		return PROBE_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return probe_over(p, HEALTH_RESULT_RESET, "tls: closed");
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return probe_failed(p, saved ? saved : ECONNRESET);
	default:
		break;
	}
	code = ERR_peek_error();
	why = ERR_reason_error_string(code);
	if (verdict != X509_V_OK && SSL_get_verify_mode(p->ssl) != SSL_VERIFY_NONE)
		why = X509_verify_cert_error_string(verdict);
	ERR_clear_error();
	return probe_over(p, HEALTH_RESULT_TLS, "tls: %s", why ? why : "handshake failed");
}

/* Called for each certificate of a chain, also of one that is not accepted: the first is the server's own. */
static int on_certificate(int accepted, X509_STORE_CTX *chain)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct probe *p = ssl ? SSL_get_app_data(ssl) : NULL;

	if (p)
		p->outcome.certificate_ends = check_plan_certificate_end(X509_STORE_CTX_get0_cert(chain));
	return accepted;
}

enum probe_step probe_tls_handshake(struct probe *p)
{
	int rc;

	if (!p->ssl) {
		p->ssl = SSL_new(p->params.plan->tls);
		if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1 || !set_name(p)) {
			ERR_clear_error();
			return probe_over(p, HEALTH_RESULT_TLS, "tls: cannot begin");
		}
		SSL_set_app_data(p->ssl, p);
		SSL_set_verify(p->ssl, SSL_get_verify_mode(p->ssl), on_certificate);
	}
	errno = 0;
	rc = SSL_connect(p->ssl);
	if (rc == 1)
		return PROBE_NEXT;
	/* A server that hangs up instead of shaking hands does not speak TLS here. */
	if (SSL_get_error(p->ssl, rc) == SSL_ERROR_ZERO_RETURN)
		return probe_over(p, HEALTH_RESULT_RESET, "tls: closed");
	return probe_tls_failed(p, rc);
}
