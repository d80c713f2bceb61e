/*
 * The inside of the HTTP server, shared by its parts: http_server.c has the loop, connections and life,
 * http_request.c what happens to one request.
 */
#ifndef CONTROL_HTTP_STATE_H
#define CONTROL_HTTP_STATE_H

#include <microhttpd.h>

#include <lb/list.h>

#include "daemon/proxy/control/http_server.h"

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

/* Call MHD in the next loop round; it must not be called from inside itself. */
void http_server_run_soon(struct http_server *s);

/* MHD's callbacks about requests; cls is the server. */
enum MHD_Result http_request_on_access(void *cls, struct MHD_Connection *connection, const char *url,
				       const char *method, const char *version, const char *data, size_t *len,
				       void **con_cls);
void http_request_on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			       enum MHD_RequestTerminationCode code);

/* Go on with a request that was put aside, if it was. */
void http_request_resume(struct http_request *r);
/* The descriptor of a connection. */
int http_request_socket(struct MHD_Connection *connection);

#endif
