/*
 * The worker threads as control sees them: mailboxes, and questions that every worker answers once.
 */
#ifndef CONTROL_CREW_H
#define CONTROL_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <lb/err.h>

#include "daemon/proxy/share/mailbox.h"

struct worker; /* opaque here: control may not look into the data path */

struct crew_start {
	uint32_t index;
	struct mailbox *control;
	_Atomic uint64_t *tick;
	_Atomic int64_t *stall_max;
};

/* How threads are made; given by main, the one place that knows both sides. */
struct crew_ops {
	struct worker *(*start)(const struct crew_start *start, struct lb_err *err);
	struct mailbox *(*mailbox)(struct worker *w);
	void (*join)(struct worker *w);
};

struct crew;

/* Each answer is called with one worker's message (borrowed); done once after the last. */
typedef void crew_on_answer(void *ctx, struct message *m);
typedef void crew_on_done(void *ctx);

struct crew_question {
	enum message_kind kind;
	enum end_scope scope;
	enum flow_end reason;
	enum move_part part;
	struct server_block *server;
	uint64_t session_id;
	/* TAKE, see message.h: they become the worker's. */
	uint32_t count, fd_count;
	uint8_t *bytes;
	size_t size; /* also an order's, see message.h */
	int *fds;
	crew_on_answer *on_answer; /* NULL: the answers do not matter */
	crew_on_done *on_done;	   /* NULL likewise; never called before crew_ask returns */
	void *ctx;
};

struct crew *crew_new(const struct crew_ops *ops);
/* Start count threads; ticks has a counter for each. False with a sentence: the process should end. */
bool crew_start(struct crew *c, uint32_t count, struct mailbox *control, _Atomic uint64_t *ticks, struct lb_err *err);

uint32_t crew_size(const struct crew *c);
/* Longest stall of one worker so far, or since they were forgotten. */
lb_duration crew_stall(const struct crew *c, uint32_t index);
/* As if none of them had stalled. */
void crew_forget_stalls(struct crew *c);
/* Send to one worker; takes the message. */
void crew_post(struct crew *c, uint32_t index, struct message *m);
/* Ask all. */
void crew_ask(struct crew *c, const struct crew_question *question);
/* Ask one. */
void crew_ask_one(struct crew *c, uint32_t index, const struct crew_question *question);
/* Give each worker its share of what has arrived and ask it to adopt that; the list stays the caller's. */
void crew_share(struct crew *c, struct session_arrival *list, uint32_t count, const struct crew_question *question);
/* A message of a worker: true when it was an answer to a question (freed), false when it is somebody else's. */
bool crew_on_message(struct crew *c, struct message *m);
/* After MESSAGE_STOPPED was answered by all: join every thread. */
void crew_join(struct crew *c);
/* Questions without an answer are forgotten. */
void crew_free(struct crew *c);

#endif
