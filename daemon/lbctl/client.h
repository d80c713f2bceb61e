/*
 * HTTP to the local daemon over its UNIX socket.
 */
#ifndef LBCTL_CLIENT_H
#define LBCTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include <lb/err.h>
#include <lb/text.h>

struct client;

/* One request; NULL members are left out. */
struct client_request {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *path;   /* with its query, values escaped by client_escape */
	const char *body;
	size_t body_len;
	const char *content_type; /* of the body, default application/json */
};

struct client_reply {
	long status; /* HTTP status */
	struct lb_text body;
	json_t *json; /* the body, NULL where it is not JSON */
};

/* socket_path is borrowed. Nothing is connected yet. NULL when memory is short. */
struct client *client_new(const char *socket_path);

/*
 * Send and wait for the answer; true whatever its HTTP status is (client_reply_free afterwards). False with one
 * sentence when no daemon answers; reply is then empty.
 */
bool client_call(struct client *c, const struct client_request *request, struct client_reply *reply,
		 struct lb_err *err);
void client_reply_free(struct client_reply *reply);

/* Called with each complete line of a streamed answer, without its newline; false ends the stream. */
typedef bool client_on_line(void *ctx, const char *line);

/* GET path and hand over its lines for as long as the daemon sends them. False with a sentence as in client_call. */
bool client_follow(struct client *c, const char *path, client_on_line *on_line, void *ctx, struct lb_err *err);

/* Text for use in a path or query, appended to out. */
void client_escape(struct client *c, const char *text, struct lb_text *out);

void client_free(struct client *c);

#endif
