#include "daemon/sys/fdstore.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <lb/text.h>

/* "7=vrrp 12=admin": unlike systemd's list it does not want them at certain places, where others are. */
#define PASSED "LBD_DESCRIPTORS"

/* ---- from program to program ---- */

static bool set_inherited(const struct fdstore_item *items, size_t count, bool inherited)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++)
		ok &= fcntl(items[i].fd, F_SETFD, inherited ? 0 : FD_CLOEXEC) == 0;
	return ok;
}

bool fdstore_pass_on(const struct fdstore_item *items, size_t count)
{
	struct lb_text text = {0};
	bool ok;

	for (size_t i = 0; i < count; i++)
		lb_text_addf(&text, "%s%d=%s", i > 0 ? " " : "", items[i].fd, items[i].name);
	ok = !text.failed && setenv(PASSED, lb_text_str(&text), 1) == 0 && set_inherited(items, count, true);
	lb_text_free(&text);
	if (!ok)
		fdstore_keep_back(items, count);
	return ok;
}

void fdstore_keep_back(const struct fdstore_item *items, size_t count)
{
	unsetenv(PASSED);
	set_inherited(items, count, false);
}

bool fdstore_in_place(void)
{
	return getenv(PASSED) != NULL;
}

static struct fdstore_item *take_passed(const char *at, size_t *count)
{
	struct fdstore_item *items = calloc(strlen(at) / 2 + 1, sizeof(*items));
	struct fdstore_item item;
	int used;

	*count = 0;
	for (; items && sscanf(at, "%d=%63s%n", &item.fd, item.name, &used) == 2; at += used)
		if (item.fd > STDERR_FILENO && fcntl(item.fd, F_SETFD, FD_CLOEXEC) == 0)
			items[(*count)++] = item;
	unsetenv(PASSED);
	return items;
}

/* ---- through the service manager ---- */

static struct fdstore_item *take_kept(size_t *count)
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

struct fdstore_item *fdstore_take(size_t *count)
{
	const char *passed = getenv(PASSED);

	return passed ? take_passed(passed, count) : take_kept(count);
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
