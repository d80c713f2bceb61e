/*
 * What a process gives up for good once it has what it needs: files (Landlock), system calls (seccomp), and being
 * looked into (core dumps, ptrace). Capabilities and the user come before, see caps.h.
 */
#ifndef SYS_SANDBOX_H
#define SYS_SANDBOX_H

#include <stddef.h>

/* No core dump of this process, and nobody of its user may look into it. Again after each change of user. */
void sandbox_hide(void);
/* These bytes, a secret, are not part of a dump that somebody else makes, either. Rounds to whole pages. */
void sandbox_hide_bytes(const void *bytes, size_t size);

/*
 * The keeper: writes below runtime_dir, executes what lies beside itself, in the libexec directory or beside the loader
 * of programs (directories, so that newer ones installed there count, too), and makes the calls of syscalls.h.
 *
 * Either way what the kernel does not offer is left out with one warning in the log, and the process goes on.
 */
void sandbox_enter_keeper(const char *runtime_dir);

/*
 * The keeper that was executed in place of one that had entered: that one's limits are this one's. They are not entered
 * again, for the kernel stacks them and has room for a few only. First thing in the program.
 */
void sandbox_inherit_keeper(void);

/*
 * The proxy: reads files, writes and executes none, listens on no TCP port, starts threads and no process. All inside
 * of what the keeper left.
 */
void sandbox_enter_proxy(void);

#endif
