#include "daemon/proxy/control/http_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/list.h>
#include <lb/log.h>

#include "daemon/proxy/control/must.h"

#define CONNECTIONS_MAX 64
/* Room to take a new connection while the one that makes way for it is being closed. */
#define CONNECTIONS_SPARE 16
#define IDLE_SECONDS	  30u
#define BODY_MAX	  (256u * 1024)
#define STREAM_LOOK	  5. /* seconds between looks whether the reader of a silent stream is still there */

struct http_server {
	struct ev_loop *loop;
	struct MHD_Daemon *daemon;
	http_on_request *on_request;
	void *ctx;
	ev_io ready;
	ev_timer due, look;
	struct lb_list clients;	 /* oldest first */
	struct lb_list requests; /* of all clients */
	size_t client_count;
	bool again; /* MHD has work that it does not tell of: requests to go on with, room for a new connection */
	bool ending;
};

/* A connection; the server's word for it is taken by MHD. */
struct client {
	struct lb_list node;
	int fd;
	bool busy; /* has a request under way: not idle */
};

struct http_request {
	struct lb_list node;
	struct http_server *server;
	struct MHD_Connection *connection;
	struct client *client;
	const char *method;
	char *path, *body;
	size_t body_len;
	bool too_long, asked, suspended;
	struct MHD_Response *answer; /* NULL until it is known */
	unsigned status;
	const char *allow;
	struct http_stream stream; /* next NULL: not a stream */
};

/* ---- the loop ---- */

/* Let MHD do what is due and learn when it wants to be called again. */
static void run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG ms;

	s->again = false;
	MHD_run(s->daemon);
	ev_timer_stop(s->loop, &s->due);
	if (s->again)
		ms = 0;
	else if (MHD_get_timeout(s->daemon, &ms) != MHD_YES)
		return;
	ev_timer_set(&s->due, (double)ms / 1000, 0.);
	ev_timer_start(s->loop, &s->due);
}

static void on_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

static void on_due(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	run(w->data);
}

/* Call MHD in the next loop round; it must not be called from inside itself. */
static void run_soon(struct http_server *s)
{
	s->again = true;
	ev_timer_stop(s->loop, &s->due);
	ev_timer_set(&s->due, 0., 0.);
	ev_timer_start(s->loop, &s->due);
}

/* Go on with a request that was put aside. */
static void resume(struct http_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	MHD_resume_connection(r->connection);
	run_soon(r->server);
}

static void suspend(struct http_request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->connection);
}

void http_server_wake(struct http_server *s)
{
	lb_list_foreach (node, &s->requests) {
		struct http_request *r = lb_container_of(node, struct http_request, node);

		if (r->stream.next)
			resume(r);
	}
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	http_server_wake(w->data);
}

/* ---- connections ---- */

/* The longest waiting connection without a request makes way; MHD sees its end like a client's. */
static void make_room(struct http_server *s)
{
	lb_list_foreach (node, &s->clients) {
		struct client *client = lb_container_of(node, struct client, node);

		if (!client->busy && client->fd >= 0) {
			shutdown(client->fd, SHUT_RDWR);
			client->fd = -1;
			s->client_count--;
			return;
		}
	}
}

static int fd_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;
	struct client *client = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		if (s->client_count >= CONNECTIONS_MAX)
			make_room(s);
		client = must(calloc(1, sizeof(*client)));
		client->fd = fd_of(connection);
		s->client_count++;
		lb_list_add_tail(&s->clients, &client->node);
		*socket_context = client;
	} else if (client) {
		s->client_count -= client->fd >= 0;
		lb_list_del(&client->node);
		free(client);
		*socket_context = NULL;
		/* MHD that was full listens again only when it is called once more. */
		run_soon(s);
	}
}

/* ---- a request ---- */

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
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				 const char *version, const char *data, size_t *len, void **con_cls)
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

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
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
	return fd_of(r->connection);
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
	resume(r);
}

/* ---- streams ---- */

static bool client_left(const struct http_request *r)
{
	char byte;

	return recv(fd_of(r->connection), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
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
	r->answer = must(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, on_stream, r, NULL));
	MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CONTENT_TYPE, stream->type);
	MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	resume(r);
}

/* ---- life ---- */

static void on_log(void *cls, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
static void on_log(void *cls, const char *fmt, va_list args)
{
	char line[256];
	int n = vsnprintf(line, sizeof(line), fmt, args);

	(void)cls;
	if (n > 0 && (size_t)n < sizeof(line) && line[n - 1] == '\n')
		line[n - 1] = '\0';
	lb_debug("http %s", line);
}

struct http_server *http_server_new(struct ev_loop *loop, int listen_fd, http_on_request *on_request, void *ctx,
				    struct lb_err *err)
{
	struct http_server *s = must(calloc(1, sizeof(*s)));
	const union MHD_DaemonInfo *info;

	s->loop = loop;
	s->on_request = on_request;
	s->ctx = ctx;
	lb_list_init(&s->clients);
	lb_list_init(&s->requests);
	s->daemon =
	    MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access, s,
			     MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
			     MHD_OPTION_CONNECTION_LIMIT, (unsigned)(CONNECTIONS_MAX + CONNECTIONS_SPARE),
			     MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
			     MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
	if (!s->daemon) {
		lb_err_errno(err, errno, "the API cannot be started");
		close(listen_fd);
		free(s);
		return NULL;
	}
	info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	ev_io_init(&s->ready, on_ready, info->epoll_fd, EV_READ);
	ev_timer_init(&s->due, on_due, 0., 0.);
	ev_timer_init(&s->look, on_look, STREAM_LOOK, STREAM_LOOK);
	s->ready.data = s->due.data = s->look.data = s;
	ev_io_start(loop, &s->ready);
	ev_timer_start(loop, &s->due);
	ev_timer_start(loop, &s->look);
	return s;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	s->ending = true;
	lb_list_foreach (node, &s->requests) {
		struct http_request *r = lb_container_of(node, struct http_request, node);

		if (r->asked && !r->answer)
			http_request_reply(r, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", must(strdup("stopping\n")));
		resume(r);
	}
	MHD_run(s->daemon);
	ev_io_stop(s->loop, &s->ready);
	ev_timer_stop(s->loop, &s->look);
	MHD_stop_daemon(s->daemon);
	/* Last: connections that end ask for another run. */
	ev_timer_stop(s->loop, &s->due);
	free(s);
}
