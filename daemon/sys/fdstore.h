/*
 * Descriptors that the service manager keeps while this program is being restarted (systemd's FD store). Outside
 * systemd nothing is ever found and nothing is kept.
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

/* Is there a service manager that takes descriptors? Whether it keeps them is its own business. */
bool fdstore_offered(void);
/* Keep a copy under the name, which several may share; false when nobody keeps it. */
bool fdstore_put(const char *name, int fd);
/* Forget all of that name. */
void fdstore_remove(const char *name);

#endif
