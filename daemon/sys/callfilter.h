/*
 * The filter that the kernel puts in front of a process's system calls (seccomp).
 */
#ifndef SYS_CALLFILTER_H
#define SYS_CALLFILTER_H

#include <stdbool.h>

#include <lb/err.h>

#include "daemon/sys/syscalls.h"

/*
 * From now on the process, its later threads and whatever it executes may do what the role's tables say. A call outside
 * of them fails with EPERM and is named in a line on stderr, the first CALLFILTER_LINES of them; calls that the C
 * library tries and can do without fail with ENOSYS, in silence.
 *
 * Before the first thread is started; needs no_new_privs. False with a sentence where the kernel takes no filter: then
 * nothing has changed.
 */
bool callfilter_enter(enum syscalls_role role, const char *program, struct lb_err *err);

/* A program before this one has entered: name what is refused, as above, instead of being killed for it. */
bool callfilter_inherit(const char *program, struct lb_err *err);

#define CALLFILTER_LINES 20

#endif
