/*
 * The inside of a probe, shared by its parts: probe.c connects and keeps time, probe_stream.c moves bytes (plain or
 * TLS), probe_tls.c shakes hands, probe_http.c and probe_agent.c know what to ask and how to judge the answer,
 * probe_rest.c looks after a connection between two questions.
 */
#ifndef CONTROL_PROBE_STEP_H
#define CONTROL_PROBE_STEP_H

#include <stdbool.h>

#include <lb/http_probe.h>

#include "daemon/proxy/control/probe.h"

/* Room for a request with its path, host and bearer token, and for a PROXY header. */
#define PROBE_REQUEST_MAX (20 * 1024)
#define PROBE_LINE_MAX	  128

/* What a step of the conversation came to. */
enum probe_step {
	PROBE_NEXT,  /* done, go on with the next step */
	PROBE_READ,  /* call again when readable */
	PROBE_WRITE, /* call again when writable */
	PROBE_OVER,  /* outcome is filled */
};

struct probe {
	struct probe_params params;
	ev_io io;
	ev_timer budget;
	struct knock *knock; /* NULL: none under way; a probe that knocks has no socket of its own */
	int fd;
	lb_time started;
	const struct probe_row *row; /* the step that is under way */
	SSL *ssl;		     /* NULL: plain */
	char *request;		     /* what is to be sent, NULL before it was made */
	size_t request_len, request_sent;
	struct http_probe http;
	char line[PROBE_LINE_MAX]; /* of an agent */
	size_t line_len;
	bool awaited;  /* the socket was waited for since the question */
	bool answered; /* the server said what it was asked for */
	unsigned uses; /* questions that this connection was given */
	bool resting;
	probe_on_closed *on_closed; /* while it rests */
	void *closed_ctx;
	struct probe_outcome outcome;
};

/* Conversations are tables of steps; the last one ends the probe. */
struct probe_row {
	enum probe_step (*step)(struct probe *p);
};

/* Fill the outcome; for use as "return probe_over(…)". */
enum probe_step probe_over(struct probe *p, enum health_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a failed socket call. */
enum probe_step probe_failed(struct probe *p, int errnum);

/* Steps: send a PROXY header in front of everything (plain); shake hands; send p->request. */
enum probe_step probe_stream_proxy_header(struct probe *p);
enum probe_step probe_tls_handshake(struct probe *p);
enum probe_step probe_stream_send(struct probe *p);
/* Wait until there is something to receive. */
enum probe_step probe_stream_await(struct probe *p);

/* Receive up to cap bytes: *len 0 at the end of the stream. PROBE_NEXT when it did. */
enum probe_step probe_stream_receive(struct probe *p, void *buf, size_t cap, size_t *len);
/* What an unsuccessful call into openssl means: wait, or the outcome. */
enum probe_step probe_tls_failed(struct probe *p, int rc);

/* Whether the connection of an answered question takes another one. */
bool probe_rest_possible(const struct probe *p);
/* The connection of a resting probe has something to read; the probe may be over afterwards. */
void probe_rest_on_io(struct probe *p);

enum probe_step probe_http_ask(struct probe *p);
enum probe_step probe_http_judge(struct probe *p);
enum probe_step probe_agent_judge(struct probe *p);

#endif
