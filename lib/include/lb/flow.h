/*
 * A relayed session as a pure state machine: what the two sockets did goes in, which interest, shutdown, reset or end
 * follows comes out. It holds no socket and no byte; the worker's session owns those.
 */
#ifndef LB_FLOW_H
#define LB_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/time.h>

enum flow_side { FLOW_CLIENT, FLOW_SERVER };

enum flow_state {
	FLOW_CHOOSING,	 /* accepted, no server chosen yet (also: waiting for a PROXY header) */
	FLOW_CONNECTING, /* one or two connection attempts are under way */
	FLOW_RELAYING,	 /* both ways open, or one half closed */
	FLOW_ENDED,
};

/* Why a session ended; each has HAProxy's two-letter termination code (flow_end_code). */
enum flow_end {
	FLOW_END_NONE,
	FLOW_END_CLOSED,	   /* both sides closed in order                 -- */
	FLOW_END_CLIENT_RESET,	   /*                                            CD */
	FLOW_END_SERVER_RESET,	   /*                                            SD */
	FLOW_END_CLIENT_TIMEOUT,   /* idle timeout                               cD */
	FLOW_END_SERVER_TIMEOUT,   /* server side silent (user timeout)          sD */
	FLOW_END_FIN_TIMEOUT,	   /* one side closed, the other did not follow  cD/sD */
	FLOW_END_CLIENT_GONE,	   /* client left before a server answered       CC */
	FLOW_END_CONNECT_FAILED,   /* no server could be connected               SC */
	FLOW_END_NO_SERVER,	   /* none usable                                SC */
	FLOW_END_CONNECT_TIMEOUT,  /*                                            sC */
	FLOW_END_REFUSED,	   /* denied by allow/deny                       PR */
	FLOW_END_LIMIT,		   /* over a connection limit                    PR */
	FLOW_END_BAD_PROXY_HEADER, /*                                            PR */
	FLOW_END_SERVER_DOWN,	   /* reset because the server was found dead    DD */
	FLOW_END_KILLED,	   /* administrator                              KK */
	FLOW_END_HANDOVER,	   /* the VIP left this node                     LH */
	FLOW_END_MOVED,		   /* it goes on at the node that took the VIP   HH */
	FLOW_END_RESOURCE,	   /* out of descriptors or memory               RR */
	FLOW_END_SHUTDOWN,	   /* the daemon stops                           LL */
	FLOW_END_COUNT_,
};
const char *flow_end_name(enum flow_end end); /* kebab-case */
const char *flow_end_code(enum flow_end end); /* two letters */

/* One direction: bytes read on `from`, written to the other side. */
struct flow_half {
	bool eof;	/* FIN read from this side */
	bool shut;	/* FIN passed on to the other side */
	size_t pending; /* bytes read and not yet written to the other side */
	uint64_t bytes; /* bytes passed on in all */
};

struct flow {
	enum flow_state state;
	enum flow_end end;
	struct flow_half half[2]; /* [FLOW_CLIENT]: client -> server, [FLOW_SERVER]: server -> client */
	lb_time last_activity;	  /* last byte either way */
	lb_time half_closed_at;	  /* first FIN, 0 none */
};

enum flow_event_kind {
	FLOW_CHOSEN, /* a connection attempt was started */
	FLOW_CONNECTED,
	FLOW_READ,	   /* n bytes were read from side and are pending */
	FLOW_WROTE,	   /* n pending bytes that came from side were written to the other */
	FLOW_READ_EOF,	   /* side sent FIN */
	FLOW_RESET,	   /* side failed: ECONNRESET, EPIPE … */
	FLOW_PEER_TIMEOUT, /* side failed with ETIMEDOUT */
	FLOW_TIMER,	   /* the deadline has passed */
	FLOW_FAIL,	   /* end now for the given reason */
};

struct flow_event {
	enum flow_event_kind kind;
	enum flow_side side;
	size_t n;
	enum flow_end end; /* FAIL */
	lb_time now;
};

/* What the session must do now, after one event. */
struct flow_todo {
	bool shutdown[2]; /* shutdown(SHUT_WR) towards side */
	bool ended;	  /* release everything; flow->end says why */
	bool reset[2];	  /* close side with RST (SO_LINGER 0) instead of FIN */
};

struct flow_limits {
	size_t buffer_max;		       /* stop reading a side when so much is pending */
	lb_duration idle_timeout, fin_timeout; /* 0 = off */
};

void flow_init(struct flow *f, lb_time now);
void flow_step(struct flow *f, const struct flow_limits *limits, const struct flow_event *event,
	       struct flow_todo *todo);

/* Interest is computed from state, never toggled: may side be read, must side be written? */
bool flow_wants_read(const struct flow *f, const struct flow_limits *limits, enum flow_side side);
bool flow_wants_write(const struct flow *f, enum flow_side side);
/* Next idle or fin timeout; LB_TIME_NEVER if none. */
lb_time flow_deadline(const struct flow *f, const struct flow_limits *limits);

#endif
