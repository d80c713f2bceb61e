/*
 * Pipes for moving bytes between two sockets inside the kernel. A direction borrows one while bytes are in it.
 */
#ifndef WORKER_SPLICE_POOL_H
#define WORKER_SPLICE_POOL_H

#include <stdint.h>
#include <sys/types.h>

struct splice_pipe {
	struct splice_pipe *next; /* private to the pool */
	int read_fd, write_fd;
	size_t held; /* bytes in it */
};

struct splice_pool {
	struct splice_pipe *idle;
	uint32_t open, max; /* pipes in all, and how many there may be (2 descriptors each) */
};

/* Nothing is opened before the first use. */
void splice_pool_init(struct splice_pool *pool, uint32_t max);
/* An empty pipe, or NULL: the limit is reached or descriptors are short; copy instead. */
struct splice_pipe *splice_pool_get(struct splice_pool *pool);
/* A pipe of another process, with what is in it; NULL: memory is short, the descriptors stay the caller's. */
struct splice_pipe *splice_pool_adopt(struct splice_pool *pool, int read_fd, int write_fd, size_t held);
/* Give it back; one that still holds bytes is closed. NULL is fine. */
void splice_pool_put(struct splice_pool *pool, struct splice_pipe *pipe);
/* Close the idle ones; every pipe has been given back. */
void splice_pool_free(struct splice_pool *pool);

/* Move at most max bytes from a socket into the pipe, or out of it. Bytes moved, 0 at the end of input, -1 with errno.
 */
ssize_t splice_in(struct splice_pipe *pipe, int from, size_t max);
ssize_t splice_out(struct splice_pipe *pipe, int to);

#endif
