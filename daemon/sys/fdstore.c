#include "daemon/sys/fdstore.h"

#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

struct fdstore_item *fdstore_take(size_t *count)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	struct fdstore_item *items = n > 0 ? calloc((size_t)n, sizeof(*items)) : NULL;

	*count = 0;
	for (int i = 0; i < n; i++) {
		if (items) {
			items[i].fd = SD_LISTEN_FDS_START + i;
			snprintf(items[i].name, sizeof(items[i].name), "%s", names && names[i] ? names[i] : "");
			++*count;
		} else {
			close(SD_LISTEN_FDS_START + i);
		}
		if (names)
			free(names[i]);
	}
	free(names);
	return items;
}

bool fdstore_offered(void)
{
	return getenv("NOTIFY_SOCKET") != NULL;
}

bool fdstore_put(const char *name, int fd)
{
	char text[FDSTORE_NAME_MAX + 32];

	/* No polling: what is kept may become readable at any time, and that is no error. */
	snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return sd_pid_notify_with_fds(0, 0, text, &fd, 1) > 0;
}

void fdstore_remove(const char *name)
{
	char text[FDSTORE_NAME_MAX + 32];

	snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	sd_pid_notify(0, 0, text);
}
