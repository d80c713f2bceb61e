/*
 * Hash functions that give the same answer on every node and build.
 */
#ifndef LB_HASH_H
#define LB_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit FNV-1a with a final avalanche (murmur3 fmix64); not for secrets. */
uint64_t lb_hash(const void *data, size_t len);
/* Mix a further value into a hash. */
uint64_t lb_hash_mix(uint64_t h, uint64_t v);

/* Small deterministic generator (splitmix64) for jitter and random balancing; *state is any value, advanced. */
uint64_t lb_random_next(uint64_t *state);
/* Uniform in [0, bound), bound > 0. */
uint32_t lb_random_below(uint64_t *state, uint32_t bound);

#endif
