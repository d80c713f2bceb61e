/*
 * Memory that the control thread cannot go on without: the process ends, the keeper starts another one, and the VIP
 * stays where it is. So a commit can never stop half-way.
 */
#ifndef CONTROL_MUST_H
#define CONTROL_MUST_H

#include <stdlib.h>

/* Returns p; aborts the process when it is NULL. */
static inline void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

#endif
