/*
 * How many sessions the descriptors of the process allow: the one place that knows what a session and a worker need.
 */
#ifndef SHARE_CAPACITY_H
#define SHARE_CAPACITY_H

#include <stdint.h>

#include <lb/conf.h>

/* Pipes that each worker may keep, as the limit of descriptors is now. */
uint32_t capacity_pipes(void);
/*
 * Connections that the checks of this configuration may leave open: one for each server that is asked by HTTP; half of
 * the descriptors at most, and no more than its max_connections leaves of them.
 */
uint32_t capacity_resting(const struct lb_conf *conf);
/* Sessions of one of so many workers, each of which may keep so many pipes, beside so many connections of checks. */
uint32_t capacity_sessions(uint32_t workers, uint32_t worker_pipes, uint32_t resting);

#endif
