#include "daemon/keeper/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sys/caps.h"

static bool trusted_owner(uid_t owner)
{
	uid_t account;
	gid_t gid;

	caps_user(&account, &gid);
	return owner == 0 || owner == account || owner == geteuid();
}

/* Given by the service manager (LoadCredential=), which guards the directory and lets the account in by a list. */
static bool is_credential(const char *path)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	size_t n = directory ? strlen(directory) : 0;

	return n > 0 && strncmp(path, directory, n) == 0 && path[n] == '/' && !strstr(path + n, "/../");
}

static bool acceptable(const struct stat *st, const char *path, struct lb_err *err)
{
	/* Where there is such a list, the bits of the group only say what it allows at most. */
	mode_t others = is_credential(path) ? S_IWGRP | S_IRWXO : S_IRWXG | S_IRWXO;

	if (!S_ISREG(st->st_mode))
		return lb_err_set(err, "%s is not a regular file", path);
	if (st->st_mode & others)
		return lb_err_set(err, "%s has mode %04o; others can read it: chmod 600 %s", path,
				  (unsigned)(st->st_mode & 07777), path);
	if (!trusted_owner(st->st_uid))
		return lb_err_set(err, "%s belongs to uid %u, who could change it: chown " CAPS_USER " %s", path,
				  (unsigned)st->st_uid, path);
	return true;
}

bool secret_file_check(const char *path, size_t min, struct lb_err *err)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return lb_err_errno(err, errno, "%s", path);
	if (!acceptable(&st, path, err))
		return false;
	if ((size_t)st.st_size < min)
		return lb_err_set(err, "%s has %lld bytes; expected at least %zu", path, (long long)st.st_size, min);
	return true;
}

ssize_t secret_file_read(const char *path, uint8_t *out, size_t cap, struct lb_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), why = EINVAL;
	uint8_t surplus;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0) {
		why = errno;
		if (why == EACCES)
			lb_err_set(err,
				   "%s cannot be read: Permission denied; give it to the user that lbd runs as: "
				   "chown " CAPS_USER " %s",
				   path, path);
		else
			lb_err_errno(err, why, "%s cannot be read", path);
		errno = why;
		return -1;
	}
	if (fstat(fd, &st) != 0 || (n = acceptable(&st, path, err) ? read(fd, out, cap) : -2) == -1)
		lb_err_errno(err, errno, "%s cannot be read", path);
	if (n == (ssize_t)cap && read(fd, &surplus, 1) > 0) {
		lb_err_set(err, "%s has more than %zu bytes", path, cap);
		n = -1;
	}
	close(fd);
	errno = why;
	return n < 0 ? -1 : n;
}

struct secret_file_stamp secret_file_stamp(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return (struct secret_file_stamp){0};
	return (struct secret_file_stamp){
	    .inode = st.st_ino,
	    .changed_ns = st.st_ctim.tv_sec * 1000000000LL + st.st_ctim.tv_nsec,
	};
}
