/*
 * What this process has used so far, as the kernel counts it. Any thread; blocks on nothing.
 */
#ifndef SYS_PROCESS_USE_H
#define SYS_PROCESS_USE_H

#include <lb/snapshot.h>

/* Everything of *out is set; what the kernel does not tell is 0. */
void process_use_fill(struct lb_snapshot_process *out);

#endif
