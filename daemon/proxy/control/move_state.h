/* What move.c (steps, repair, streams), move_out.c (leaving) and move_in.c (arriving) share. */
#ifndef CONTROL_MOVE_STATE_H
#define CONTROL_MOVE_STATE_H

#include "daemon/proxy/control/move.h"
#include "daemon/proxy/control/move_stream.h"

/* Called when every descriptor was turned; the ones that could not be are not told apart. */
typedef void move_on_turned(struct move *m);

/* Messages with descriptors that wait for an answer at a time: descriptors under way count against this process. */
#define MOVE_WINDOW 8

/* Turning many descriptors into repair or back, a message's worth at a time. */
struct move_turn {
	bool on, deaf;
	int *fds;
	uint32_t count, asked, answered;
	move_on_turned *done;
};

/* Sessions on their way here. */
struct move_arrivals {
	uint8_t *records; /* the arrivals point into it */
	size_t size;
	struct session_arrival *list;
	uint32_t count, adopted;
	enum move_part part;
	bool adopting, forgotten;    /* the workers have the list; nobody wants the answer any more */
	struct lb_endpoint *lacking; /* sockets that were not made ahead */
	uint32_t lacking_count;
};

/* A bound socket under repair. */
struct move_socket {
	struct lb_endpoint local;
	int fd;		/* -1: could not be made, or is taken */
	uint32_t taken; /* of this and those after it with the same endpoint */
};

/* One list at a time; sorted by endpoint once it was made. */
struct move_sockets {
	struct move_socket *list;
	uint32_t count, size, asked, open_questions, generation;
	move_on_turned *done; /* NULL: nothing is being made */
};

struct move {
	struct ev_loop *loop;
	struct crew *crew;
	struct channel *channel;
	struct move_keys *keys; /* NULL: sessions cannot move */
	uint64_t out_id, in_id; /* of the hand-over under way; 0 none */
	struct move_stream *out, *in;
	uint64_t revived_id;
	uint32_t reset_count, revived_count;
	bool resting;			    /* sessions do until they thaw, are revived, or are ended */
	uint32_t sent, stay, bound;	    /* told; could not be told; ended, as they cannot move */
	uint32_t sent_early, arrived_early; /* of these */
	bool in_parts;			    /* the peer takes them in two parts */
	bool early;			    /* those on which nothing moved have gone ahead */
	/* The owner serves until its queues are short, or this has come (ev_now); 0: the peer is not prepared yet. */
	ev_tstamp narrow_until;
	ev_timer narrow_again;
	size_t queued;
	uint8_t *preview;
	size_t preview_size;
	struct move_turn turn;
	struct move_arrivals arrivals;
	struct move_sockets sockets;
};

/* move.c */
/* Ask the workers for descriptors, MESSAGE_FREEZE or MESSAGE_LIST_RESTING of a part, and turn them all; then done. */
void move_turn_all(struct move *m, enum message_kind kind, enum move_part part, bool on, move_on_turned *done);
void move_tell(struct move *m, uint64_t id, enum ipc_move_step step, bool ok, uint32_t count, uint32_t lost,
	       const char *text);

/* move_out.c */
void move_out_init(struct move *m);
void move_out_free(struct move *m);
void move_out_connect(struct move *m, const struct ipc_move *what);
void move_out_send(struct move *m);
void move_out_thaw(struct move *m);

/* move_sockets.c */
/* Note what is needed, then make it; done may be called before this returns. */
void move_sockets_add(struct move *m, const struct lb_endpoint *local);
void move_sockets_make(struct move *m, move_on_turned *done);
/* One that is bound there, -1: there is none any more. */
int move_sockets_take(struct move *m, const struct lb_endpoint *local);
/* Close those that nobody took. */
void move_sockets_close(struct move *m);

/* move_in.c */
void move_in_expect(struct move *m, uint64_t id);
void move_in_revive(struct move *m);
/* Forget what has arrived and what is under way. */
void move_in_drop(struct move *m);
/* Reset what has arrived, forget what is under way. */
void move_in_reset(struct move *m);

#endif
