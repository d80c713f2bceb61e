/*
 * Keep the process punctual: memory locked, realtime priority. Both are wishes: what the host refuses is said once.
 */
#ifndef SYS_REALTIME_H
#define SYS_REALTIME_H

/* Lock present and future memory and enter SCHED_RR at the lowest priority, without passing it on to children. */
void realtime_enter(void);

/* Raise the soft limit of descriptors to the hard one. */
void realtime_raise_files(void);

#endif
