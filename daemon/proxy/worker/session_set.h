/*
 * All sessions of a worker: memory for new ones, orders that concern many, lists for people.
 */
#ifndef WORKER_SESSION_SET_H
#define WORKER_SESSION_SET_H

#include <stdint.h>

#include <lb/list.h>

#include "daemon/proxy/share/message.h"

struct worker;
struct session;
struct connecting;

struct session_set {
	struct lb_list list;
	uint32_t count, max;
	uint64_t last_id;
	struct lb_list *next_told; /* succession.h; NULL: none is being told */
	struct lb_list spare;	   /* freed sessions that wait to be used again */
	uint32_t spare_count;
	struct connecting *spare_connecting;
	uint32_t spare_connecting_count;
};

void session_set_init(struct session_set *set);
/* Every session has ended: free the memory that was kept. */
void session_set_free(struct session_set *set);

/* Zeroed memory in the list with an id of its own; NULL when memory is short. */
struct session *session_set_take(struct worker *w);
void session_set_give(struct worker *w, struct session *s);

/* Each takes an order and fills its answer. End the sessions that the order names: count says how many. */
void session_set_end(struct worker *w, const struct message *order, struct message *answer);
/* A picture of every session: count, sessions. */
void session_set_describe(struct worker *w, const struct message *order, struct message *answer);

#endif
