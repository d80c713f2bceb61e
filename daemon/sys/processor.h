/*
 * Which processor the calling thread runs on. The kernel's scheduler may leave two busy threads on one processor for a
 * whole tick (4 ms) at a time while the other one is lent to whoever they talk to; threads that each have their own
 * never wait for each other.
 */
#ifndef SYS_PROCESSOR_H
#define SYS_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Of `threads` threads the index-th one, which calls this, gets a processor of its own. False, and nothing changed,
 * unless the process may use exactly as many: among more of them the scheduler chooses better.
 */
bool processor_take(uint32_t index, uint32_t threads);
/* Run on any that the process may use. */
void processor_leave(void);

#endif
