/*
 * Which connections the VIP's sessions have, told to control as they open and close, so that another node can wake both
 * ends should this one die. What is shorter than a batch is never told.
 */
#ifndef WORKER_TUPLES_H
#define WORKER_TUPLES_H

#include <lb/list.h>

#include "daemon/proxy/share/message.h"

struct worker;
struct session;

struct tuples {
	struct lb_list fresh; /* sessions that were not told yet, oldest first */
	uint32_t workers;     /* 0: nothing is told */
	uint32_t token;	      /* of the order to tell */
	uint32_t next;	      /* the lowest slot that was never given */
	uint32_t *free;	      /* slots given back and told to be */
	uint32_t free_count, free_size;
	uint32_t *closed; /* slots given back, not told yet */
	uint32_t closed_count, closed_size;
	uint64_t untold; /* sessions for which there was no slot */
	lb_time told_at;
};

void tuples_init(struct tuples *t);
void tuples_free(struct tuples *t);

/* Control's order: tell everything anew, or nothing any more. */
void tuples_order(struct worker *w, const struct message *order);
/* A session has come, from wherever / it goes. */
void tuples_add(struct worker *w, struct session *s);
void tuples_remove(struct worker *w, struct session *s);
/* Tell what is due. */
void tuples_tick(struct worker *w);

#endif
