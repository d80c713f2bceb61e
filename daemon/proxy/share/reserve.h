/*
 * Memory that a thread keeps aside for the moment when there is none left: what must not fail (messages, the loop's own
 * lists) lives on it, while sessions that want more are shed.
 */
#ifndef SHARE_RESERVE_H
#define SHARE_RESERVE_H

#include <stdbool.h>

#define RESERVE_PIECES 4

struct reserve {
	void *piece[RESERVE_PIECES];
	bool spent;
};

/* Make it the calling thread's, and take what is missing of it; false when memory is short: then it is spent. */
bool reserve_fill(struct reserve *r);
/* Give it back to the allocator, where only this thread finds it. */
void reserve_spend(struct reserve *r);
/* As reserve_spend for the calling thread's own; false when it has none left. */
bool reserve_spend_own(void);
/* The thread ends. */
void reserve_close(struct reserve *r);

/* realloc() of the loop's own lists, for ev_set_allocator: when memory is short the thread's reserve is spent. */
void *reserve_realloc(void *memory, long size);

#endif
