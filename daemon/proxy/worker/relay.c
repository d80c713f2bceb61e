#include "daemon/proxy/worker/relay.h"

#include <errno.h>
#include <sys/socket.h>

#include "daemon/proxy/worker/session.h"

/* What a direction reads at a time until it turns out to be busy. */
#define CHUNK (16 * 1024)
/* Reads of one direction in one callback, so that a busy session leaves room for others. */
#define ROUNDS 4
/* So many full reads, with no small one between them, move a direction to splice, so many small ones in a row back. */
#define STREAK 3
/* Asked of one splice; the pipe's size is the real limit. */
#define SPLICE_MAX (1024 * 1024)

enum outcome {
	MORE, /* there may be more to read at once */
	DRY,  /* wait for the next event */
	GONE, /* the session has ended */
};

static enum flow_side other(enum flow_side side)
{
	return side == FLOW_CLIENT ? FLOW_SERVER : FLOW_CLIENT;
}

static bool would_block(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* A socket has failed: errno says how. */
static bool side_failed(struct session *s, enum flow_side side)
{
	return session_event(s, errno == ETIMEDOUT ? FLOW_PEER_TIMEOUT : FLOW_RESET, side, 0);
}

/* Reading gave nothing: n is 0 at FIN, -1 with errno otherwise. */
static enum outcome nothing_read(struct session *s, enum flow_side from, ssize_t n)
{
	/* A socket whose error was told to a send reads as if FIN had come. */
	if (n == 0 && s->farewell == FAREWELL_RESET)
		return DRY;
	if (n == 0)
		return session_event(s, FLOW_READ_EOF, from, 0) ? DRY : GONE;
	if (errno == EINTR)
		return MORE;
	if (would_block(errno))
		return DRY;
	return side_failed(s, from) ? DRY : GONE;
}

/* Writing to a side failed. What that side had sent before it went away is still delivered. */
static bool write_failed(struct session *s, enum flow_side to)
{
	int saved = errno;

	if (s->farewell == FAREWELL_NONE) {
		/* EPIPE: FIN had come before the reset. */
		s->farewell = saved == EPIPE ? FAREWELL_CLOSED : FAREWELL_RESET;
		if (!relay_read(s, to))
			return false;
	}
	errno = saved;
	return side_failed(s, to);
}

/* n bytes that came from this side are on their way to the other. */
static bool wrote(struct session *s, enum flow_side from, size_t n)
{
	bool in = from == FLOW_CLIENT;

	counter_add_own(in ? &s->server->slot->bytes_in : &s->server->slot->bytes_out, n);
	counter_add_own(in ? &s->service->slot->bytes_in : &s->service->slot->bytes_out, n);
	return session_event(s, FLOW_WROTE, from, n);
}

/* --- copy --- */

/* Is this direction busy enough for larger reads, for splice? */
static void judge_copy(struct session_side *side, size_t got, size_t asked)
{
	if (got < CHUNK)
		side->full_reads = 0;
	if (got < asked)
		return;
	if (!side->wide)
		side->wide = true;
	else if (++side->full_reads >= STREAK && !side->no_splice)
		side->splicing = true;
}

/* The other side did not take everything: keep the rest until it does. */
static enum outcome keep(struct session *s, struct session_side *side, const uint8_t *rest, size_t len)
{
	side->held = s->worker->reserve.spent ? NULL : buffer_keep(&s->worker->buffers, rest, len);
	side->wide = false;
	side->full_reads = 0;
	if (side->held != NULL)
		return DRY;
	reserve_spend(&s->worker->reserve);
	session_end(s, FLOW_END_RESOURCE);
	return GONE;
}

static enum outcome copy_round(struct session *s, enum flow_side from)
{
	struct session_side *side = &s->side[from];
	uint8_t *scratch = s->worker->scratch;
	size_t asked = side->wide ? WORKER_SCRATCH : CHUNK;
	ssize_t got = recv(side->io.fd, scratch, asked, 0);
	ssize_t sent;

	if (got <= 0)
		return nothing_read(s, from, got);
	sent = send(s->side[other(from)].io.fd, scratch, (size_t)got, MSG_NOSIGNAL);
	if (sent < 0 && !would_block(errno))
		return write_failed(s, other(from)) ? DRY : GONE;
	if (!session_event(s, FLOW_READ, from, (size_t)got))
		return GONE;
	if (sent > 0 && !wrote(s, from, (size_t)sent))
		return GONE;
	if (sent < got) {
		size_t taken = sent > 0 ? (size_t)sent : 0;
		return keep(s, side, scratch + taken, (size_t)got - taken);
	}
	judge_copy(side, (size_t)got, asked);
	/* A short read has emptied the socket, and what comes later is told; of a close that came with it nothing is.
	 */
	return (size_t)got == asked || side->hung_up ? MORE : DRY;
}

/* --- splice --- */

/* Write what is in the pipe; the pipe goes back once it is empty. */
static bool empty_pipe(struct session *s, enum flow_side from)
{
	struct session_side *side = &s->side[from];

	while (side->pipe->held > 0) {
		ssize_t n = splice_out(side->pipe, s->side[other(from)].io.fd);

		if (n < 0 && would_block(errno))
			return true;
		if (n <= 0)
			return write_failed(s, other(from));
		if (!wrote(s, from, (size_t)n))
			return false;
	}
	splice_pool_put(&s->worker->pipes, side->pipe);
	side->pipe = NULL;
	return true;
}

static enum outcome splice_round(struct session *s, enum flow_side from)
{
	struct session_side *side = &s->side[from];
	ssize_t got;

	side->pipe = splice_pool_get(&s->worker->pipes);
	if (side->pipe == NULL)
		return copy_round(s, from);
	got = splice_in(side->pipe, side->io.fd, SPLICE_MAX);
	if (got <= 0) {
		int saved = errno;

		splice_pool_put(&s->worker->pipes, side->pipe);
		side->pipe = NULL;
		errno = saved;
		if (got < 0 && (errno == EINVAL || errno == ENOSYS)) {
			side->splicing = false;
			side->no_splice = true;
			return MORE;
		}
		return nothing_read(s, from, got);
	}
	if (!session_event(s, FLOW_READ, from, (size_t)got) || !empty_pipe(s, from))
		return GONE;
	if (side->pipe != NULL)
		return DRY;
	if (got >= CHUNK) {
		side->short_reads = 0;
	} else if (++side->short_reads >= STREAK) {
		side->splicing = side->wide = false;
		side->short_reads = side->full_reads = 0;
	}
	if (got >= WORKER_SCRATCH || side->hung_up)
		return MORE;
	/*
	 * The pipe may have been full of small pieces, so the kernel is asked to tell once more if something is left.
	 * Reading on at once instead would move many small pieces.
	 */
	if (side->io.watched != 0)
		poller_change(&s->worker->poller, &side->io, side->io.watched);
	return DRY;
}

bool relay_read(struct session *s, enum flow_side from)
{
	struct session_side *side = &s->side[from];

	for (int i = 0; i < ROUNDS && flow_wants_read(&s->flow, &s->limits, from); i++) {
		enum outcome outcome = side->splicing ? splice_round(s, from) : copy_round(s, from);

		if (outcome == GONE)
			return false;
		if (outcome == DRY) {
			side->unread = false;
			return true;
		}
	}
	side->unread = true;
	return true;
}

/* --- write what was kept --- */

static bool write_held(struct session *s, enum flow_side from)
{
	struct session_side *side = &s->side[from];
	struct buffer *b = side->held;
	ssize_t n = send(s->side[other(from)].io.fd, b->data + b->start, b->end - b->start, MSG_NOSIGNAL);

	if (n < 0)
		return would_block(errno) || write_failed(s, other(from));
	b->start += (uint32_t)n;
	if (b->start == b->end) {
		buffer_release(&s->worker->buffers, b);
		side->held = NULL;
	}
	return wrote(s, from, (size_t)n);
}

bool relay_write(struct session *s, enum flow_side to)
{
	enum flow_side from = other(to);
	struct session_side *side = &s->side[from];

	if (side->held != NULL && !write_held(s, from))
		return false;
	if (side->pipe != NULL && !empty_pipe(s, from))
		return false;
	/* Reading on at once spares taking back and renewing both interests. */
	return relay_read(s, from);
}

void relay_release(struct session *s)
{
	for (int i = 0; i < 2; i++) {
		buffer_release(&s->worker->buffers, s->side[i].held);
		splice_pool_put(&s->worker->pipes, s->side[i].pipe);
		s->side[i].held = NULL;
		s->side[i].pipe = NULL;
	}
}
