#include "daemon/proxy/control/http_server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/proxy/control/access.h"
#include "daemon/proxy/control/http_state.h"
#include "daemon/proxy/control/must.h"

#define CONNECTIONS_MAX 64
/* Room to take a new connection while the one that makes way for it is being closed. */
#define CONNECTIONS_SPARE 16
#define IDLE_SECONDS	  30u
/* Head of a request and what is under way of a body; crowds of clients hold so much each. */
#define CONNECTION_BYTES ((size_t)8 * 1024)
#define STREAM_LOOK	 5. /* seconds between looks whether the reader of a silent stream is still there */

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

void http_server_run_soon(struct http_server *s)
{
	s->again = true;
	ev_timer_stop(s->loop, &s->due);
	ev_timer_set(&s->due, 0., 0.);
	ev_timer_start(s->loop, &s->due);
}

void http_server_wake(struct http_server *s)
{
	lb_list_foreach (node, &s->requests) {
		struct http_request *r = lb_container_of(node, struct http_request, node);

		if (r->stream.next)
			http_request_resume(r);
	}
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	http_server_wake(w->data);
}

/* ---- connections ---- */

/* Its socket is shut down; MHD sees that like a client's end. */
static void end_client(struct http_server *s, struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	client->fd = -1;
	s->client_count--;
}

/* The longest waiting connection makes way: one without a request, or with `busy` any. */
static bool make_room(struct http_server *s, bool busy)
{
	lb_list_foreach (node, &s->clients) {
		struct client *client = lb_container_of(node, struct client, node);

		if ((!client->busy || busy) && client->fd >= 0) {
			end_client(s, client);
			return true;
		}
	}
	return false;
}

static bool is_root(int fd)
{
	struct access_peer peer;

	return access_peer(fd, &peer) && peer.uid == 0;
}

/* Where all are at work the newcomer goes, but for root, who must get in to end what keeps others out. */
static void admit(struct http_server *s, struct client *client)
{
	bool crowded = s->client_count >= CONNECTIONS_MAX && !make_room(s, false);

	s->client_count++;
	lb_list_add_tail(&s->clients, &client->node);
	if (!crowded)
		return;
	if (!is_root(client->fd)) {
		end_client(s, client);
		return;
	}
	make_room(s, true);
	/* A stream that was put aside notices its end when it is asked for more. */
	http_server_wake(s);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;
	struct client *client = *socket_context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		client = must(calloc(1, sizeof(*client)));
		client->fd = http_request_socket(connection);
		admit(s, client);
		*socket_context = client;
	} else if (client) {
		s->client_count -= client->fd >= 0;
		lb_list_del(&client->node);
		free(client);
		*socket_context = NULL;
		/* MHD that was full listens again only when it is called once more. */
		http_server_run_soon(s);
	}
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
	s->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, http_request_on_access, s,
	    MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)(CONNECTIONS_MAX + CONNECTIONS_SPARE), MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
	    http_request_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_END);
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

void http_server_quiesce(struct http_server *s)
{
	int listener = MHD_quiesce_daemon(s->daemon);

	if (listener >= 0)
		close(listener);
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
		http_request_resume(r);
	}
	MHD_run(s->daemon);
	ev_io_stop(s->loop, &s->ready);
	ev_timer_stop(s->loop, &s->look);
	MHD_stop_daemon(s->daemon);
	/* Last: connections that end ask for another run. */
	ev_timer_stop(s->loop, &s->due);
	free(s);
}
