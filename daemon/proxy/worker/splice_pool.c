#include "daemon/proxy/worker/splice_pool.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A refusal (the user's share of pipe pages is used up) leaves the kernel's default, which works as well. */
#define PIPE_BYTES (256 * 1024)

void splice_pool_init(struct splice_pool *pool, uint32_t max)
{
	*pool = (struct splice_pool){.max = max};
}

struct splice_pipe *splice_pool_get(struct splice_pool *pool)
{
	struct splice_pipe *p = pool->idle;
	int fds[2];

	if (p != NULL) {
		pool->idle = p->next;
		p->next = NULL;
		return p;
	}
	if (pool->open >= pool->max)
		return NULL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	if (pipe2(fds, O_NONBLOCK | O_CLOEXEC) != 0) {
		free(p);
		return NULL;
	}
	fcntl(fds[0], F_SETPIPE_SZ, PIPE_BYTES);
	p->read_fd = fds[0];
	p->write_fd = fds[1];
	pool->open++;
	return p;
}

struct splice_pipe *splice_pool_adopt(struct splice_pool *pool, int read_fd, int write_fd, size_t held)
{
	struct splice_pipe *p = malloc(sizeof(*p));

	if (p == NULL)
		return NULL;
	*p = (struct splice_pipe){.read_fd = read_fd, .write_fd = write_fd, .held = held};
	pool->open++;
	return p;
}

static void close_pipe(struct splice_pool *pool, struct splice_pipe *p)
{
	close(p->read_fd);
	close(p->write_fd);
	free(p);
	pool->open--;
}

void splice_pool_put(struct splice_pool *pool, struct splice_pipe *pipe)
{
	if (pipe == NULL)
		return;
	if (pipe->held > 0) {
		close_pipe(pool, pipe);
		return;
	}
	pipe->next = pool->idle;
	pool->idle = pipe;
}

void splice_pool_free(struct splice_pool *pool)
{
	while (pool->idle != NULL) {
		struct splice_pipe *p = pool->idle;

		pool->idle = p->next;
		close_pipe(pool, p);
	}
}

ssize_t splice_in(struct splice_pipe *pipe, int from, size_t max)
{
	ssize_t n = splice(from, NULL, pipe->write_fd, NULL, max, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n > 0)
		pipe->held += (size_t)n;
	return n;
}

ssize_t splice_out(struct splice_pipe *pipe, int to)
{
	ssize_t n = splice(pipe->read_fd, NULL, to, NULL, pipe->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n > 0)
		pipe->held -= (size_t)n;
	return n;
}
