/*
 * What each of the two processes asks the kernel for once it runs, as tables: everything else is refused.
 */
#ifndef SYS_SYSCALLS_H
#define SYS_SYSCALLS_H

#include <seccomp.h>
#include <stddef.h>

enum syscalls_role { SYSCALLS_KEEPER, SYSCALLS_PROXY };

/* A call that is allowed where all of the conditions hold; several rows with the same call are alternatives. */
struct syscalls_row {
	int call; /* SCMP_SYS(name) */
	unsigned conditions;
	struct scmp_arg_cmp when[2];
};

struct syscalls_table {
	const struct syscalls_row *rows;
	size_t count;
};

/*
 * The tables that together are the allow-list of the role, ended by one without rows; constant, never freed.
 *
 * A filter stays with the program that a process executes. The keeper starts the proxy, so its list holds what the
 * proxy needs from its first instruction on; the proxy then puts its own, shorter list on top, and the kernel allows
 * what both allow.
 */
const struct syscalls_table *syscalls_of(enum syscalls_role role);

#endif
