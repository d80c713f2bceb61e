/*
 * An HTTP/1.1 server in the control loop (libmicrohttpd on its epoll descriptor, no thread): collects a request,
 * hands it over once, takes the answer now or later. Control thread only.
 *
 * Bounds: 64 connections (a new one ends the longest idle one; where none is idle only root gets in, and ends the
 * oldest), 30 s idle, 256 kB body.
 */
#ifndef CONTROL_HTTP_SERVER_H
#define CONTROL_HTTP_SERVER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <lb/err.h>

struct http_server;
struct http_request;

/* A complete request. It must be answered exactly once, from here or later. */
typedef void http_on_request(void *ctx, struct http_request *r);

/* Serve on a listening socket (taken in any case). NULL with a sentence. */
struct http_server *http_server_new(struct ev_loop *loop, int listen_fd, http_on_request *on_request, void *ctx,
				    struct lb_err *err);
/* Accept nobody any more. */
void http_server_quiesce(struct http_server *s);
/* Requests without an answer get 503; on_close of streams is called. */
void http_server_free(struct http_server *s);

/* Borrowed until the answer. */
const char *http_request_method(const struct http_request *r);
const char *http_request_path(const struct http_request *r); /* decoded, without the query */
/* A value of the query, NULL when it is not there. */
const char *http_request_query(const struct http_request *r, const char *name);
const char *http_request_body(const struct http_request *r, size_t *len);
/* Descriptor of the connection, to ask the kernel who it is. */
int http_request_fd(const struct http_request *r);

/* Answer with body (malloc'd, taken; NULL: out of memory, 500). type is a literal. */
void http_request_reply(struct http_request *r, unsigned status, const char *type, char *body);
/* "METHOD, METHOD" of an answer 405, a literal; before http_request_reply. */
void http_request_allow(struct http_request *r, const char *methods);

/*
 * An answer without a known end. next writes up to cap bytes and returns how many, 0 when there is nothing now (it is
 * asked again after http_server_wake). on_close: the client has gone or the server ends; the request is over.
 */
struct http_stream {
	const char *type;
	size_t (*next)(void *ctx, char *buf, size_t cap);
	void (*on_close)(void *ctx);
	void *ctx;
};
void http_request_stream(struct http_request *r, const struct http_stream *stream);
/* Streams have something to say. */
void http_server_wake(struct http_server *s);

#endif
