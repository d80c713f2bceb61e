/*
 * Coarse deadlines for very many objects: a ring of lists that the owner walks. An entry is visited once, at
 * or up to two ticks after its deadline, or early when the deadline lies beyond the ring: the owner looks again and
 * adds it anew.
 */
#ifndef SHARE_WHEEL_H
#define SHARE_WHEEL_H

#include <lb/list.h>
#include <lb/time.h>

#define WHEEL_SLOTS 256

struct wheel {
	lb_time started;
	lb_duration tick;
	int64_t at; /* ticks that were walked */
	size_t entries;
	bool walking;
	struct lb_list slot[WHEEL_SLOTS];
};

/* Zero-initialise the object, then wheel_entry_init. */
struct wheel_entry {
	struct lb_list node;
	int64_t due; /* tick of the visit; INT64_MAX: none */
};

typedef void wheel_on_due(void *ctx, struct wheel_entry *e);

void wheel_init(struct wheel *wheel, lb_duration tick, lb_time now);
void wheel_entry_init(struct wheel_entry *e);
/* Visit the entry at deadline or before, unless an earlier visit is already planned. */
void wheel_need(struct wheel *wheel, struct wheel_entry *e, lb_time deadline);
void wheel_remove(struct wheel *wheel, struct wheel_entry *e);
/* When the next visit is due; LB_TIME_NEVER: nobody waits. */
lb_time wheel_next(const struct wheel *wheel);
/* Visit what is due; on_due may add, remove and free entries, also others. Within on_due this does nothing. */
void wheel_advance(struct wheel *wheel, lb_time now, wheel_on_due *on_due, void *ctx);

#endif
