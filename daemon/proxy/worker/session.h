/*
 * One client connection and the server connection it is relayed to: a flow, two sockets, what is still to be written.
 * session.c is its life in order; connect.c finds a server, relay.c moves bytes.
 */
#ifndef WORKER_SESSION_H
#define WORKER_SESSION_H

#include <stdbool.h>

#include <lb/flow.h>
#include <lb/list.h>

#include "daemon/proxy/worker/thread.h"

/* A socket of a session, and the bytes read from it that the other side has not taken. */
struct session_side {
	struct poll_io io; /* io.fd -1: not connected */
	struct buffer *held;
	struct splice_pipe *pipe;
	uint8_t full_reads, short_reads; /* in a row; they decide between copy and splice */
	bool wide;			 /* the last reads were full: use the whole scratch buffer */
	bool splicing, no_splice;
	bool unread;  /* reading stopped before it was dry, and nothing will tell */
	bool hung_up; /* the other end has closed or reset: read until that comes */
};

/* A side takes no more bytes; what it had sent before is read and delivered. */
enum farewell { FAREWELL_NONE, FAREWELL_CLOSED, FAREWELL_RESET };

/* A session that is on its way to another node, or has come from one (move.h). */
enum session_rest {
	SESSION_RUNS,
	SESSION_FROZEN, /* stands still; its sockets may be under repair */
	SESSION_DUMPED, /* told as well: it goes on elsewhere unless it is thawed */
	SESSION_PARKED, /* adopted; its sockets are under repair */
};

struct session {
	struct lb_list node;  /* worker->sessions.list */
	struct lb_list fresh; /* worker->tuples.fresh, while no peer was told of it */
	struct wheel_entry timer;
	struct worker *worker;
	struct worker_service *service;
	struct worker_server *server;  /* NULL until one is connected */
	struct connecting *connecting; /* NULL unless attempts are under way */
	struct flow flow;
	struct flow_limits limits;
	struct session_side side[2];
	struct lb_endpoint client, local;
	struct lb_endpoint *destination; /* where a PROXY header says that the client came to; NULL: local */
	uint64_t id, source_key;
	lb_time started;
	lb_duration connect_time;
	bool on_vip, source_counted, options_set;
	bool awaits_header;   /* a PROXY header of the client; no server is chosen before */
	uint8_t send_proxy;   /* enum lb_proxy_header */
	uint32_t tuple_slot;  /* 1 + the one that peers know it by; 0: they do not */
	uint16_t header_seen; /* bytes of an unfinished PROXY header */
	uint8_t farewell;     /* enum farewell */
	uint8_t rest;	      /* enum session_rest */
	bool narrowed;	      /* a side may take little, see move_narrow */
	bool went_early;      /* it goes, or came, before the VIP stood still */
};

/* Where a connection was accepted. */
struct session_origin {
	struct worker_service *service;
	struct lb_endpoint local;
	bool on_vip;
};

/*
 * A client was accepted: judge it, make a session, begin to connect. Takes the descriptor whatever happens; the session
 * may have ended before this returns.
 */
void session_start(struct worker *w, const struct session_origin *origin, int fd, const struct lb_endpoint *client);

/* It is known who the client is: judge and count it, choose a server. */
void session_admitted(struct session *s);
/* Count one more connection of its client; false when it has all that it may have. */
bool session_count_source(struct session *s);
/* Make fd the socket of that side; it is not watched before session_update_interest. */
void session_set_socket(struct session *s, enum flow_side side, int fd);
/* A server is connected (entered, see pool_choose): its socket, watched, goes from io to the session. */
void session_take_server(struct session *s, struct worker_server *server, struct poll_io *io);
/* Relay to the server that was taken. ready: what was told of its socket at the same time. */
void session_connected(struct session *s, unsigned ready);

/* Tell the flow what happened and do what it answers. False when the session has ended: do not touch it again. */
bool session_event(struct session *s, enum flow_event_kind kind, enum flow_side side, size_t n);
/* End now; the reason reaches log and counters. The session is gone. */
void session_end(struct session *s, enum flow_end reason);

/*
 * The only place that decides what of the sockets and which deadline is waited for. Do it last: a socket that cannot be
 * watched ends the session.
 */
void session_update_interest(struct session *s);
/* The wheel has come round to the session. */
void session_on_timer(struct session *s);

#endif
