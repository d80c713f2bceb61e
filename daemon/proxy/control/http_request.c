#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/proxy/control/http_state.h"
#include "daemon/proxy/control/must.h"

#define BODY_MAX (256u * 1024)

int http_request_socket(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

void http_request_resume(struct http_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
	http_server_run_soon(r->server);
}

static void suspend(struct http_request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->connection);
}

static struct http_request *new_request(struct http_server *s, struct MHD_Connection *connection, const char *method,
					const char *url)
{
	struct http_request *r = must(calloc(1, sizeof(*r)));
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	r->server = s;
	r->connection = connection;
	r->client = info->socket_context;
	r->client->busy = true;
	r->method = method;
	r->path = must(strdup(url));
	lb_list_add_tail(&s->requests, &r->node);
	return r;
}

static void add_body(struct http_request *r, const char *data, size_t len)
{
	if (r->too_long || r->body_len + len > BODY_MAX) {
		r->too_long = true;
		return;
	}
	r->body = must(realloc(r->body, r->body_len + len + 1));
	memcpy(r->body + r->body_len, data, len);
	r->body_len += len;
	r->body[r->body_len] = '\0';
}

static enum MHD_Result queue_answer(struct http_request *r)
{
	return MHD_queue_response(r->connection, r->status, r->answer);
}

/* MHD calls this for the head, for each piece of body, at the end, and again after each resume. */
enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *connection, const char *url,
				       const char *method, const char *version, const char *data, size_t *len,
				       void **con_cls)
{
	struct http_server *s = cls;
	struct http_request *r = *con_cls;

	(void)version;
	if (!r) {
		*con_cls = new_request(s, connection, method, url);
		return MHD_YES;
	}
	if (*len > 0) {
		add_body(r, data, *len);
		*len = 0;
		return MHD_YES;
	}
	if (!r->asked) {
		r->asked = true;
		if (s->ending || r->too_long)
			http_request_reply(r, s->ending ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_CONTENT_TOO_LARGE,
					   "text/plain", must(strdup(s->ending ? "stopping\n" : "body too long\n")));
		else
			s->on_request(s->ctx, r);
	}
	if (r->answer)
		return queue_answer(r);
	suspend(r);
	return MHD_YES;
}

void http_request_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			       enum MHD_RequestTerminationCode code)
{
	struct http_request *r = *con_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (!r)
		return;
	*con_cls = NULL;
	r->client->busy = false;
	if (r->stream.on_close)
		r->stream.on_close(r->stream.ctx);
	if (r->answer)
		MHD_destroy_response(r->answer);
	lb_list_del(&r->node);
	free(r->path);
	free(r->body);
	free(r);
}

const char *http_request_method(const struct http_request *r)
{
	return r->method;
}

const char *http_request_path(const struct http_request *r)
{
	return r->path;
}

const char *http_request_query(const struct http_request *r, const char *name)
{
	const char *value = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);

	return value;
}

const char *http_request_body(const struct http_request *r, size_t *len)
{
	*len = r->body_len;
	return r->body ? r->body : "";
}

int http_request_fd(const struct http_request *r)
{
	return http_request_socket(r->connection);
}

void http_request_allow(struct http_request *r, const char *methods)
{
	r->allow = methods;
}

void http_request_reply(struct http_request *r, unsigned status, const char *type, char *body)
{
	r->status = body ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
	r->answer = must(body ? MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE)
			      : MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT));
	MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (r->allow)
		MHD_add_response_header(r->answer, MHD_HTTP_HEADER_ALLOW, r->allow);
	http_request_resume(r);
}

/* ---- streams ---- */

/* Of a stream, held by each of its readers: a few lines. */
#define PIECE_BYTES ((size_t)1024)

static bool client_left(const struct http_request *r)
{
	char byte;

	return recv(http_request_socket(r->connection), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static ssize_t on_stream(void *cls, uint64_t pos, char *buf, size_t cap)
{
	struct http_request *r = cls;
	size_t n;

	(void)pos;
	if (r->server->ending)
		return MHD_CONTENT_READER_END_OF_STREAM;
	n = r->stream.next(r->stream.ctx, buf, cap);
	if (n > 0)
		return (ssize_t)n;
	/* Put aside, MHD does not look at the socket: somebody must notice that the reader has gone. */
	if (client_left(r))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	suspend(r);
	return 0;
}

void http_request_stream(struct http_request *r, const struct http_stream *stream)
{
	r->stream = *stream;
	r->status = MHD_HTTP_OK;
	r->answer = must(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES, on_stream, r, NULL));
	MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CONTENT_TYPE, stream->type);
	MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	http_request_resume(r);
}
