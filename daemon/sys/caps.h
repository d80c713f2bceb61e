/*
 * Privileges of the process: user, capabilities, no_new_privs.
 */
#ifndef SYS_CAPS_H
#define SYS_CAPS_H

#include <stdbool.h>
#include <sys/types.h>

#include <lb/err.h>

/* The account the daemon runs as where it exists. */
#define CAPS_USER "lbd"

/* Look the account up; false when there is none (then *uid and *gid are those of the process). */
bool caps_user(uid_t *uid, gid_t *gid);

/*
 * Keep NET_ADMIN, NET_RAW and NET_BIND_SERVICE and nothing else, become the account where it exists (with a warning
 * in the log where it cannot be used), set no_new_privs. False with a sentence when a needed capability is missing.
 */
bool caps_drop_keeper(struct lb_err *err);

/* The keeper's next execve keeps its capabilities. False with errno, and nothing has changed. */
bool caps_pass_on(void);
/* The execve failed: no program that is started has them. */
void caps_keep_back(void);

/* Give up every capability, become the account as above, set no_new_privs. */
bool caps_drop_all(struct lb_err *err);

#endif
