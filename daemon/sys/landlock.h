/*
 * Which files and ports a process may use (Landlock), for those that need few. Rules can only be made stricter later,
 * so nothing that a reload may change is among them.
 */
#ifndef SYS_LANDLOCK_H
#define SYS_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include <lb/err.h>

struct landlock_rules {
	const char *write_dir;	      /* files below it may be made, changed and removed; NULL: nothing is written */
	const char *const *exec_dirs; /* programs below these may be executed, ended by NULL; NULL: none */
	bool no_bind;		      /* no TCP port may be taken but one that the kernel chooses */
};

/*
 * From now on this thread, its children and later threads may read what the owner of the process may read and beside
 * that only do what the rules say; a directory that is not there is left out. Descriptors that are open stay as they
 * are.
 *
 * Before the first thread is started; needs no_new_privs. False with a sentence where the kernel has no Landlock or
 * refuses it: then nothing has changed. An older kernel holds less of it (ports since 6.7, truncation since 6.2).
 */
bool landlock_enter(const struct landlock_rules *rules, struct lb_err *err);

#endif
