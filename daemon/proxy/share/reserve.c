#include "daemon/proxy/share/reserve.h"

#include <stddef.h>
#include <stdlib.h>

/* Small enough to come from the thread's own heap, where no other thread can take it. It is never written to. */
#define PIECE_BYTES (64 * 1024)

static _Thread_local struct reserve *own;

static void give_back(struct reserve *r)
{
	for (int i = 0; i < RESERVE_PIECES; i++) {
		free(r->piece[i]);
		r->piece[i] = NULL;
	}
}

bool reserve_fill(struct reserve *r)
{
	bool whole = true;

	own = r;
	for (int i = 0; i < RESERVE_PIECES; i++) {
		if (r->piece[i] == NULL)
			r->piece[i] = malloc(PIECE_BYTES);
		whole &= r->piece[i] != NULL;
	}
	r->spent = !whole;
	if (!whole)
		give_back(r);
	return whole;
}

void reserve_spend(struct reserve *r)
{
	give_back(r);
	r->spent = true;
}

bool reserve_spend_own(void)
{
	if (own == NULL || own->spent)
		return false;
	reserve_spend(own);
	return true;
}

void reserve_close(struct reserve *r)
{
	give_back(r);
	own = NULL;
}

void *reserve_realloc(void *memory, long size)
{
	void *grown;

	if (size == 0) {
		free(memory);
		return NULL;
	}
	grown = realloc(memory, (size_t)size);
	if (grown == NULL && reserve_spend_own())
		grown = realloc(memory, (size_t)size);
	return grown;
}
