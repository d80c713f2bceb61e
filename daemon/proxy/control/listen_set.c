#include "daemon/proxy/control/listen_set.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"
#include "daemon/sys/sock_same.h"

void listen_set_add(struct listen_set *set, const struct ipc_listener *what, int fd)
{
	if (set->count == set->capacity) {
		set->capacity = set->capacity ? set->capacity * 2 : 16;
		set->list = must(reallocarray(set->list, set->capacity, sizeof(*set->list)));
	}
	set->list[set->count++] = (struct listen_item){.what = *what, .fd = fd};
}

static const struct listen_item *find(const struct listen_set *set, const struct ipc_listener *what)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->list[i].what.worker == what->worker &&
		    lb_endpoint_equal(&set->list[i].what.endpoint, &what->endpoint))
			return &set->list[i];
	return NULL;
}

void listen_set_replace(struct listen_set *running, struct listen_set *next)
{
	for (size_t i = 0; i < next->count; i++) {
		const struct listen_item *known = find(running, &next->list[i].what);

		/* Another keeper may have kept its sockets in another order, or have new ones. */
		if (known && sock_same(known->fd, next->list[i].fd)) {
			close(next->list[i].fd);
			next->list[i].fd = known->fd;
		}
	}
	listen_set_forget(running);
	*running = *next;
	*next = (struct listen_set){0};
}

void listen_set_close(struct listen_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		close(set->list[i].fd);
	listen_set_forget(set);
}

void listen_set_forget(struct listen_set *set)
{
	free(set->list);
	*set = (struct listen_set){0};
}
