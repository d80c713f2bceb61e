#include "daemon/keeper/state_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/sys/caps.h"

static int open_plain(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

/* The directory is ours: a file that another account left is replaced. */
static int open_one(const char *dir, const char *name)
{
	char path[4096];
	uid_t uid;
	gid_t gid;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open_plain(path);
	if (fd < 0 && errno == EACCES && unlink(path) == 0)
		fd = open_plain(path);
	if (fd < 0)
		lb_warning("state file %s cannot be used: %s; events and orders end with the proxy", path,
			   strerror(errno));
	else if (geteuid() == 0 && caps_user(&uid, &gid) && fchown(fd, uid, gid) != 0)
		lb_warning("state file %s cannot be given to user %s", path, CAPS_USER);
	return fd;
}

void state_files_open(struct state_files *s, const char *runtime_dir)
{
	s->fds[0] = open_one(runtime_dir, "events");
	s->fds[1] = open_one(runtime_dir, "orders");
	if (s->fds[0] < 0 || s->fds[1] < 0)
		state_files_close(s);
}

void state_files_close(struct state_files *s)
{
	for (int i = 0; i < 2; i++) {
		if (s->fds[i] >= 0)
			close(s->fds[i]);
		s->fds[i] = -1;
	}
}
