/*
 * Messages between control and worker threads. The sender allocates with message_new, the receiver frees with
 * message_free; what a pointer inside belongs to is said at each kind.
 */
#ifndef SHARE_MESSAGE_H
#define SHARE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/flow.h>
#include <lb/session_state.h>
#include <lb/tuple_record.h>

#include "daemon/proxy/share/pool_view.h"

enum message_kind {
	/* control -> worker */
	MESSAGE_PUBLISH,       /* view: becomes the worker's */
	MESSAGE_END_SESSIONS,  /* end: which, why; answered by MESSAGE_SESSIONS_ENDED */
	MESSAGE_LIST_SESSIONS, /* list: answered by MESSAGE_SESSION_LIST */
	MESSAGE_STOP,	       /* end all sessions, answer MESSAGE_STOPPED, leave the thread */
	MESSAGE_PREVIEW,       /* which sockets will move; answered by MESSAGE_PREVIEWED */
	MESSAGE_NARROW,	       /* long queues are to get shorter; answered by MESSAGE_NARROWED */
	MESSAGE_FREEZE,	       /* the VIP's sessions stand still; answered by MESSAGE_FROZEN */
	MESSAGE_DUMP,	       /* every descriptor is under repair; size: of all records; answered by MESSAGE_DUMPED */
	MESSAGE_THAW,	       /* no descriptor is any more: go on; answered by MESSAGE_THAWED */
	MESSAGE_ADOPT,	       /* arrivals: the caller's until MESSAGE_ADOPTED */
	MESSAGE_LIST_RESTING,  /* which descriptors are to leave repair; answered by MESSAGE_FROZEN */
	MESSAGE_REVIVE,	       /* adopted sessions begin to move; answered by MESSAGE_REVIVED */
	MESSAGE_TELL_TUPLES,   /* tell all connections of the VIP anew; count: workers, 0: tell nothing any more */
	MESSAGE_HOLD,	       /* nothing is accepted, all sessions stand still; answered by MESSAGE_HELD */
	MESSAGE_TELL,	       /* the next sessions for another process; answered by MESSAGE_TOLD */
	MESSAGE_TAKE,	       /* count, bytes, size, fds, fd_count: sessions of another process; the worker's */
	MESSAGE_RESUME,	       /* what stands still goes on, accept again; answered by MESSAGE_RESUMED */
	MESSAGE_LEAVE,	       /* everything is another process's: touch nothing any more; no answer */
	/* worker -> control */
	MESSAGE_VIEW_RETIRED, /* view: back to control */
	MESSAGE_SESSIONS_ENDED,
	MESSAGE_SESSION_LIST,	/* sessions: array owned by the receiver (free) */
	MESSAGE_CONNECT_FAILED, /* server: could not be connected; sent at most each 10 ms per server and worker */
	MESSAGE_CONNECT_OK,	/* server: the first success after a reported failure */
	MESSAGE_CONNECT_SILENT, /* server: another one answered while it was silent; at most each 10 ms as well */
	MESSAGE_TUPLES,		/* news: goes with the message; token: of the order to tell */
	MESSAGE_STOPPED,
	MESSAGE_FROZEN, /* fds, count: sockets of sessions that stand still; fds belongs to the receiver (free) */
	MESSAGE_DUMPED, /* bytes, size: records (session_state.h), owned by the receiver (free); count: how many; stay
			 */
	MESSAGE_PREVIEWED, /* bytes, size: local endpoints in a row (move_endpoint.h), owned by the receiver (free) */
	MESSAGE_NARROWED,  /* size: bytes that wait in long queues */
	MESSAGE_THAWED,
	MESSAGE_ADOPTED, /* count: sessions that could be set up; the others' descriptors are closed */
	MESSAGE_REVIVED, /* count */
	MESSAGE_HELD,	 /* count: sessions that come or go with the VIP just now; then nothing was done */
	MESSAGE_TOLD,	 /* count, bytes, size, fds, fd_count, session_id: the newest; count 0: there are no more */
	MESSAGE_TAKEN,	 /* count: sessions that could be set up; those that could not are closed */
	MESSAGE_RESUMED, /* count */
};

/* Connections that were closed, then those that were opened (worker/tuples.h). */
struct tuple_news {
	uint32_t count;
	uint64_t untold; /* sessions so far for which there was no room */
	struct tuple_change changes[];
};

enum end_scope {
	END_VIP,     /* every session whose client came to a VIP (on_vip listener) */
	END_SERVER,  /* every session on server */
	END_SESSION, /* the one with session_id */
	END_PARKED,  /* every adopted one that was not revived */
	END_ALL,
};

/* Which sessions a step of a move is about: those that nothing has moved on for a while go before the VIP stands still.
 */
enum move_part { MOVE_ALL, MOVE_IDLE, MOVE_BUSY };

/* A session of another node, with sockets under repair that are bound to its local addresses; -1: no server yet. */
struct session_arrival {
	struct session_state state;
	int fd[2];
};

/* What people see of one session. */
struct session_info {
	uint64_t id;
	struct lb_endpoint client, local; /* local: where the client came to */
	lb_name service, server;
	lb_time started;
	uint64_t bytes_in, bytes_out; /* from the client, to the client */
	enum flow_state state;
	bool half_closed;
};

struct message {
	struct message *next; /* private to the mailbox */
	enum message_kind kind;
	uint32_t worker; /* sender or receiver */
	uint32_t token;	 /* pairs an answer with its question */
	struct pool_view *view;
	struct server_block *server;
	enum end_scope scope;
	enum flow_end reason;
	enum move_part part; /* FREEZE, ADOPT, LIST_RESTING, REVIVE */
	uint64_t session_id;
	uint32_t count;
	uint32_t stay; /* DUMPED: sessions that could not be told; FROZEN: that were ended, as they cannot move */
	struct session_info *sessions;
	int *fds;
	uint32_t fd_count;
	const char *refusal; /* TOLD, TAKEN: why not all of them, a literal; NULL: all */
	uint8_t *bytes;
	size_t size;
	struct session_arrival *arrivals;
	struct tuple_news *news;
};

/* Zeroed; aborts the process when memory is short (a message that cannot be sent has no other answer). */
struct message *message_new(enum message_kind kind);
void message_free(struct message *m);

#endif
