/*
 * The way back of an upgrade: a program that was executed in the place of another one, and finds out before it has
 * taken up the election that it cannot go on, executes that one again. The former program has everything as it left it,
 * and says why. It has no way back itself, so there is no circle. Keeper's thread only.
 */
#ifndef KEEPER_RETREAT_H
#define KEEPER_RETREAT_H

#include <stdbool.h>

#include "daemon/keeper/resume.h"

#define RETREAT_TEXT 192

/*
 * In the next program: why is a sentence, argv what this program was started with. resume NULL: nothing was taken of
 * what is kept. Returns only where there is no way back, or it could not be gone: then this program has to end.
 */
void retreat(struct resume *resume, char *const argv[], const char *why);

/* In the former program: was it executed again, and why? Once, before anything is started that has the environment. */
bool retreat_arrived(char why[static RETREAT_TEXT]);

#endif
