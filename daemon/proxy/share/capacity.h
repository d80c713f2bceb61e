/*
 * How many sessions the descriptors of the process allow: the one place that knows what a session and a worker need.
 */
#ifndef SHARE_CAPACITY_H
#define SHARE_CAPACITY_H

#include <stdint.h>

/* Pipes that each worker may keep, as the limit of descriptors is now. */
uint32_t capacity_pipes(void);
/* Sessions of one of so many workers, each of which may keep so many pipes. */
uint32_t capacity_sessions(uint32_t workers, uint32_t worker_pipes);

#endif
