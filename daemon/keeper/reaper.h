/*
 * Reaps the keeper's children at ordinary priority. A realtime thread that reaps a process whose /proc entries somebody
 * reads at that instant may spin in the kernel for what that reader holds, and the reader does not get the processor:
 * up to the 0.95 s after which the kernel throttles realtime threads, three times the lease.
 */
#ifndef KEEPER_REAPER_H
#define KEEPER_REAPER_H

#include <stdbool.h>

/*
 * Wait in a thread of its own until the process behind pidfd has ended, and reap it. pidfd is taken over; one that is
 * no child of ours is only closed.
 */
void reaper_take(int pidfd);
/* Is nobody waited for? */
bool reaper_idle(void);

#endif
