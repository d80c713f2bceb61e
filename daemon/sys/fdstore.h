/*
 * Descriptors that outlive this program: the service manager keeps them while it is being restarted (systemd's FD
 * store), or it gives them itself to the program that it executes in its place.
 */
#ifndef SYS_FDSTORE_H
#define SYS_FDSTORE_H

#include <stdbool.h>
#include <stddef.h>

#define FDSTORE_NAME_MAX 64

struct fdstore_item {
	char name[FDSTORE_NAME_MAX];
	int fd;
};

/*
 * What was kept, as a list that the caller frees and descriptors that the caller owns, closed on exec; NULL and 0 when
 * nothing was. Works once; the environment forgets it, so that children do not look for it.
 */
struct fdstore_item *fdstore_take(size_t *count);

/* They stay open for the next execve of this process, whose environment names them. False: nothing has changed. */
bool fdstore_pass_on(const struct fdstore_item *items, size_t count);
/* The execve failed: as if it had never been tried. */
void fdstore_keep_back(const struct fdstore_item *items, size_t count);
/* Was this program executed in place of the one that gave the descriptors? Before fdstore_take. */
bool fdstore_in_place(void);

/* Is there a service manager that takes descriptors? Whether it keeps them is its own business. */
bool fdstore_offered(void);
/* Keep a copy under the name, which several may share; false when nobody keeps it. */
bool fdstore_put(const char *name, int fd);
/* Forget all of that name. */
void fdstore_remove(const char *name);

#endif
