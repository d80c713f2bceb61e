/*
 * Files that hold a secret: what makes one acceptable, and reading it. A symbolic link is none.
 */
#ifndef KEEPER_SECRET_FILE_H
#define KEEPER_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lb/err.h>

/* Tells whether a file is still the one that was read. */
struct secret_file_stamp {
	uint64_t inode;
	int64_t changed_ns; /* of its contents, owner or mode */
};

/*
 * A regular file that only its owner can read, the owner being root, user lbd or whoever runs this. False with a
 * sentence about the path without the name of the setting; it need not be readable for this process.
 */
bool secret_file_check(const char *path, size_t min, struct lb_err *err);

/*
 * The whole of such a file, at most cap bytes. Its length, or -1 with a sentence and errno set to ENOENT, EACCES or
 * something else.
 */
ssize_t secret_file_read(const char *path, uint8_t *out, size_t cap, struct lb_err *err);

/* The stamp of what is at the path now; all zero when there is nothing. */
struct secret_file_stamp secret_file_stamp(const char *path);

#endif
