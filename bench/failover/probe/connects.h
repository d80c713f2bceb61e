/*
 * New connections at a steady rate, whatever becomes of the earlier ones: each asks the server for its name.
 *
 * With `try_for` 0 a connection is one socket and the kernel repeats its SYN as kernels do. Otherwise an attempt that
 * does not stand within `try_for` is given up for the next one, and one that was refused is repeated when that time is
 * over, until `patience` ends. Either way nothing is repeated once the connection stood.
 */
#ifndef BENCH_CONNECTS_H
#define BENCH_CONNECTS_H

#include "felt.h"

struct connects_params {
	char letter;	  /* begins its records */
	int64_t interval; /* ns between starts */
	int64_t try_for;  /* ns for one attempt, 0: the kernel's own way */
	int64_t patience; /* ns after which a connection has failed */
};

struct connects;

/* Makes it; the first connection starts with the first tick. Ends the program where memory is short. */
struct connects *connects_new(struct felt *felt, const struct connects_params *params);
/* A millisecond has passed: starts what is due, ends what took too long. Starts nothing once felt->ended is set. */
void connects_tick(struct connects *connects, int64_t now);
/* Whether a connection has succeeded yet. */
bool connects_ready(const struct connects *connects);
/* Whether none is under way. */
bool connects_idle(const struct connects *connects);
/* Ends what is under way as timed out and frees everything. */
void connects_free(struct connects *connects);

#endif
