#include "daemon/proxy/control/probe.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/probe_step.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/tcp_sock.h"

static enum probe_step connected(struct probe *p);

/* A TCP check ends with the connection; what was sent before (PROXY header) is all the server gets. */
static enum probe_step pass(struct probe *p)
{
	static const char text[] = "connected";

	p->outcome.result = HEALTH_RESULT_OK;
	memcpy(p->outcome.text, text, sizeof(text));
	return PROBE_OVER;
}

static const struct probe_row tcp_rows[] = {{connected}, {probe_stream_proxy_header}, {pass}};
/* Whether it is connected is told by sending; the answer is never there at once. */
static const struct probe_row http_rows[] = {
    {probe_stream_proxy_header}, {probe_http_ask}, {probe_stream_send}, {probe_stream_await}, {probe_http_judge}};
static const struct probe_row https_rows[] = {{connected},	{probe_stream_proxy_header}, {probe_tls_handshake},
					      {probe_http_ask}, {probe_stream_send},	     {probe_http_judge}};
/* A connection that stayed open is asked at once. */
static const struct probe_row again_rows[] = {
    {probe_http_ask}, {probe_stream_send}, {probe_stream_await}, {probe_http_judge}};
static const struct probe_row agent_rows[] = {{connected}, {probe_stream_proxy_header}, {probe_agent_judge}};

/* Every table's last step ends the conversation, so none needs an end mark. */
static const struct probe_row *rows_of(enum lb_check_type type)
{
	switch (type) {
	case LB_CHECK_TCP:
		break;
	case LB_CHECK_HTTP:
		return http_rows;
	case LB_CHECK_HTTPS:
		return https_rows;
	case LB_CHECK_AGENT:
		return agent_rows;
	}
	return tcp_rows;
}

enum probe_step probe_over(struct probe *p, enum health_result result, const char *fmt, ...)
{
	va_list args;

	p->outcome.result = result;
	va_start(args, fmt);
	vsnprintf(p->outcome.text, sizeof(p->outcome.text), fmt, args);
	va_end(args);
	return PROBE_OVER;
}

enum probe_step probe_failed(struct probe *p, int errnum)
{
	char why[64];

	switch (errnum) {
	case ECONNREFUSED:
		return probe_over(p, HEALTH_RESULT_REFUSED, "refused");
	case ECONNRESET:
	case EPIPE:
		return probe_over(p, HEALTH_RESULT_RESET, "reset");
	case ETIMEDOUT:
		return probe_over(p, HEALTH_RESULT_TIMEOUT, "timeout");
	default:
		return probe_over(p, HEALTH_RESULT_UNREACHABLE, "%s", strerror_r(errnum, why, sizeof(why)));
	}
}

static enum probe_step connected(struct probe *p)
{
	int errnum = tcp_sock_error(p->fd);

	if (errnum)
		return probe_failed(p, errnum);
	/* Whoever is asked nothing speaks first. */
	if (p->params.plan->check->type == LB_CHECK_AGENT)
		tcp_sock_acknowledge(p->fd);
	return PROBE_NEXT;
}

/*
 * An answered question is closed in order; everything else is cut with RST, so that a server which does not listen to
 * us does not leave a TIME_WAIT here for each check.
 */
static void close_connection(struct probe *p)
{
	ev_io_stop(p->params.loop, &p->io);
	knock_cancel(p->knock);
	p->knock = NULL;
	if (p->fd < 0)
		return;
	if (p->ssl && p->answered) {
		SSL_shutdown(p->ssl);
		ERR_clear_error();
	}
	SSL_free(p->ssl);
	p->ssl = NULL;
	if (p->answered)
		close(p->fd);
	else
		tcp_sock_reset(p->fd);
	p->fd = -1;
}

static void free_request(struct probe *p)
{
	free(p->request);
	p->request = NULL;
}

static void release(struct probe *p)
{
	ev_timer_stop(p->params.loop, &p->budget);
	close_connection(p);
	free_request(p);
	free(p);
}

static void finish(struct probe *p)
{
	struct probe_outcome outcome = p->outcome;
	probe_on_done *on_done = p->params.on_done;
	void *ctx = p->params.ctx;

	outcome.duration = clock_now() - p->started;
	if (probe_rest_possible(p)) {
		ev_timer_stop(p->params.loop, &p->budget);
		free_request(p);
		outcome.open = p;
	} else {
		release(p);
	}
	on_done(ctx, &outcome);
}

static void wait_for(struct probe *p, int events)
{
	if (ev_is_active(&p->io) && (p->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(p->params.loop, &p->io);
	ev_io_set(&p->io, p->fd, events);
	ev_io_start(p->params.loop, &p->io);
}

static void begin(struct probe *p);

/* A question begins with nothing said and nothing heard. */
static void prepare(struct probe *p)
{
	free_request(p);
	p->request_len = p->request_sent = 0;
	p->http = (struct http_probe){0};
	p->awaited = p->answered = false;
	p->uses++;
}

/* What a connection that rested is closed for in the meantime is no news of the server: it is asked over another one.
 */
static void renew(struct probe *p)
{
	close_connection(p);
	p->uses = 0;
	p->outcome.code = 0;
	begin(p);
}

/* Go on with the conversation until it has to wait or is over. */
static void converse(struct probe *p)
{
	for (;;) {
		switch (p->row->step(p)) {
		case PROBE_NEXT:
			p->row++;
			break;
		case PROBE_READ:
			wait_for(p, EV_READ);
			return;
		case PROBE_WRITE:
			wait_for(p, EV_WRITE);
			return;
		case PROBE_OVER:
			if (p->uses > 1 && !p->answered)
				renew(p);
			else
				finish(p);
			return;
		}
	}
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct probe *p = w->data;

	(void)loop;
	(void)revents;
	if (p->resting)
		probe_rest_on_io(p);
	else
		converse(p);
}

static void on_knocked(void *ctx, int errnum)
{
	struct probe *p = ctx;

	p->knock = NULL;
	if (errnum)
		probe_failed(p, errnum);
	else
		pass(p);
	finish(p);
}

/* The budget is over; for a probe that failed at once the outcome is filled and the budget was nothing. */
static void on_budget(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct probe *p = w->data;

	(void)loop;
	(void)revents;
	if (p->fd >= 0 || p->knock)
		probe_over(p, HEALTH_RESULT_TIMEOUT, "timeout");
	finish(p);
}

/* A check that sends nothing is over when the server's kernel has answered: no program there need be woken for it. */
static bool is_knock(const struct probe_params *params)
{
	return params->plan->check->type == LB_CHECK_TCP && params->send_proxy == LB_PROXY_OFF;
}

/* A plain request goes out in one piece with the acknowledgement that ends the handshake. */
static int connect_plain(const struct lb_endpoint *address)
{
	int fd = tcp_sock_knocker(address->addr.family);

	if (fd < 0 || tcp_sock_knock(fd, address))
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* False with errno set. */
static bool begin_connection(struct probe *p)
{
	bool plain = p->params.plan->check->type == LB_CHECK_HTTP;

	if (is_knock(&p->params)) {
		p->knock = knock_start(p->params.knocks, &p->params.address, on_knocked, p);
		return p->knock != NULL;
	}
	p->fd = plain ? connect_plain(&p->params.address) : tcp_sock_connect(&p->params.address, NULL);
	if (p->fd < 0)
		return false;
	wait_for(p, EV_WRITE);
	return true;
}

static void set_budget(struct probe *p, lb_duration budget)
{
	ev_timer_stop(p->params.loop, &p->budget);
	/* In a long turn of the loop, as when thousands begin at the start, its clock stands and the budget would be
	 * cut. */
	ev_now_update(p->params.loop);
	ev_timer_set(&p->budget, lb_duration_seconds(budget), 0.);
	ev_timer_start(p->params.loop, &p->budget);
}

/* A new connection; one that fails at once is told by a budget that is over. */
static void begin(struct probe *p)
{
	prepare(p);
	p->row = rows_of(p->params.plan->check->type);
	if (begin_connection(p))
		return;
	probe_failed(p, errno);
	set_budget(p, 0);
}

/* Take the next question; its budget runs from here. */
static void take(struct probe *p, const struct probe_params *params)
{
	p->params = *params;
	p->started = clock_now();
	p->outcome = (struct probe_outcome){.orders = params->orders, .certificate_ends = p->outcome.certificate_ends};
	set_budget(p, params->plan->check->timeout);
}

struct probe *probe_start(const struct probe_params *params)
{
	struct probe *p = must(calloc(1, sizeof(*p)));

	p->fd = -1;
	ev_init(&p->io, on_io);
	/* After a pause of this process an answer that has arrived counts before the budget that ran out meanwhile. */
	ev_set_priority(&p->io, 1);
	p->io.data = p;
	ev_init(&p->budget, on_budget);
	p->budget.data = p;
	p->params.loop = params->loop;
	take(p, params);
	begin(p);
	return p;
}

/* The present connection is one as these would make. */
static bool fits(const struct probe *p, const struct probe_params *params)
{
	enum lb_check_type type = params->plan->check->type;

	return p->resting && p->uses < PROBE_USES && params->keep && http_probe_reusable(&p->http) &&
	       (type == LB_CHECK_HTTPS ? p->ssl && SSL_get_SSL_CTX(p->ssl) == params->plan->tls
				       : type == LB_CHECK_HTTP && !p->ssl) &&
	       params->send_proxy == p->params.send_proxy && lb_endpoint_equal(&params->address, &p->params.address);
}

bool probe_again(struct probe *p, const struct probe_params *params)
{
	if (!fits(p, params))
		return false;
	p->resting = false;
	take(p, params);
	prepare(p);
	p->row = again_rows;
	converse(p);
	return true;
}

void probe_cancel(struct probe *p)
{
	if (p)
		release(p);
}
