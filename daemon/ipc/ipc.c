#include "daemon/ipc/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lb/hash.h>
#include <lb/list.h>

#include "daemon/sys/clock.h"

#define QUEUE_MAX  (16u * 1024 * 1024)
#define READ_BATCH 64
/* What a message asks for may take milliseconds, as a batch of sockets that leave repair: the loop has other things to
 * do. */
#define READ_FOR LB_MSEC(5)

/* The size every body must have, by type; a message of another size ends the channel. */
static const struct {
	enum ipc_type type;
	size_t size;
} sizes[] = {
    {IPC_HELLO,		sizeof(struct ipc_hello)		},
    {IPC_CONF_BEGIN,     sizeof(struct ipc_conf)	    },
    {IPC_LISTENER,	   sizeof(struct ipc_listener)      },
    {IPC_CONF_END,	   sizeof(struct ipc_conf)	  },
    {IPC_CONF_COMMIT,    sizeof(struct ipc_conf)	     },
    {IPC_CONF_ABORT,     sizeof(struct ipc_conf)	    },
    {IPC_KEEPER_STATUS,	sizeof(struct lb_snapshot_keeper)},
    {IPC_EVENT,		sizeof(struct lb_event)	       },
    {IPC_END_SESSIONS,   sizeof(struct ipc_end_sessions)  },
    {IPC_REPLY,		sizeof(struct ipc_reply)		},
    {IPC_STOP,	       0				},
    {IPC_STATE,		0				},
    {IPC_CONF_PREPARED,	sizeof(struct ipc_conf_result)   },
    {IPC_CONF_APPLIED,   sizeof(struct ipc_conf)	      },
    {IPC_SESSIONS_ENDED, sizeof(struct ipc_sessions_ended)},
    {IPC_HEALTH,	 sizeof(struct ipc_health)	  },
    {IPC_REQUEST,	  sizeof(struct ipc_request)	    },
    {IPC_MOVE_SETUP,     sizeof(struct ipc_move_setup)	  },
    {IPC_MOVE,	       sizeof(struct ipc_move)	      },
    {IPC_REPAIRED,	   sizeof(struct ipc_repair)	    },
    {IPC_SOCKETS,	  sizeof(struct ipc_sockets)	    },
    {IPC_MOVED,		sizeof(struct ipc_moved)		},
    {IPC_REPAIR,	 sizeof(struct ipc_repair)	  },
    {IPC_SUCCESSION,     sizeof(struct ipc_succession)	  },
    {IPC_SUCCEEDED,	    sizeof(struct ipc_succeeded)	},
    {IPC_NEED_SOCKETS,   sizeof(struct ipc_sockets)	 },
    {IPC_WAKE,	       sizeof(struct ipc_wake)	      },
    {IPC_WOKEN,		sizeof(struct ipc_woken)		},
    {IPC_ADOPTED,	  sizeof(struct ipc_adopted)	    },
};

_Static_assert(sizeof(struct lb_snapshot_keeper) <= IPC_BODY_MAX, "a keeper snapshot fits one message");

struct head {
	uint32_t type, size;
};

/* A message that the socket did not take yet. */
struct queued {
	struct lb_list node;
	size_t size;
	size_t nfds;
	int fds[IPC_FDS_MAX];
	uint8_t bytes[]; /* head and body */
};

struct ipc {
	struct ev_loop *loop;
	ev_io reader, writer;
	ipc_on_message *on_message;
	ipc_on_closed *on_closed;
	void *ctx;
	struct lb_list queue;
	size_t queued_bytes;
	int fd;
	bool closed;
	_Alignas(16) uint8_t buffer[sizeof(struct head) + IPC_BODY_MAX];
};

static bool known_size(uint32_t type, size_t size)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if ((uint32_t)sizes[i].type == type)
			return sizes[i].size == size;
	return false;
}

uint64_t ipc_fingerprint(void)
{
	uint64_t h = lb_hash_mix(0, IPC_PROTOCOL);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		h = lb_hash_mix(lb_hash_mix(h, (uint64_t)sizes[i].type), sizes[i].size);
	return h;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static void channel_lost(struct ipc *ipc, const char *why)
{
	if (ipc->closed)
		return;
	ipc->closed = true;
	ev_io_stop(ipc->loop, &ipc->reader);
	ev_io_stop(ipc->loop, &ipc->writer);
	ipc->on_closed(ipc->ctx, why);
}

/* One sendmsg; the return value is that of the call. */
static ssize_t transmit(int fd, const void *bytes, size_t size, const int *fds, size_t nfds)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control;

	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool would_block(int err)
{
	return err == EAGAIN || err == EWOULDBLOCK || err == ENOBUFS || err == EINTR;
}

static bool enqueue(struct ipc *ipc, const struct head *head, const void *body, const int *fds, size_t nfds)
{
	struct queued *q;

	if (ipc->queued_bytes + head->size > QUEUE_MAX)
		return false;
	q = malloc(sizeof(*q) + sizeof(*head) + head->size);
	if (!q)
		return false;
	memcpy(q->bytes, head, sizeof(*head));
	if (head->size > 0)
		memcpy(q->bytes + sizeof(*head), body, head->size);
	q->size = sizeof(*head) + head->size;
	q->nfds = 0;
	for (size_t i = 0; i < nfds; i++) {
		q->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (q->fds[i] < 0) {
			close_all(q->fds, q->nfds);
			free(q);
			return false;
		}
		q->nfds++;
	}
	lb_list_add_tail(&ipc->queue, &q->node);
	ipc->queued_bytes += q->size;
	ev_io_start(ipc->loop, &ipc->writer);
	return true;
}

static void drop_queued(struct ipc *ipc, struct queued *q)
{
	lb_list_del(&q->node);
	ipc->queued_bytes -= q->size;
	close_all(q->fds, q->nfds);
	free(q);
}

bool ipc_send(struct ipc *ipc, enum ipc_type type, const void *body, size_t size, const int *fds, size_t nfds)
{
	struct head head = {.type = type, .size = (uint32_t)size};

	if (ipc->closed || nfds > IPC_FDS_MAX || !known_size(type, size))
		return false;
	if (lb_list_empty(&ipc->queue)) {
		uint8_t bytes[sizeof(head) + IPC_BODY_MAX];

		memcpy(bytes, &head, sizeof(head));
		if (size > 0)
			memcpy(bytes + sizeof(head), body, size);
		if (transmit(ipc->fd, bytes, sizeof(head) + size, fds, nfds) >= 0)
			return true;
		if (!would_block(errno)) {
			/* The reader sees the same loss and reports it from the loop, never from inside a send. */
			return false;
		}
	}
	if (enqueue(ipc, &head, body, fds, nfds))
		return true;
	shutdown(ipc->fd, SHUT_RDWR);
	return false;
}

bool ipc_post(struct ipc *ipc, enum ipc_type type, const void *body, size_t size)
{
	return ipc_send(ipc, type, body, size, NULL, 0);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct ipc *ipc = w->data;

	(void)revents;
	lb_list_foreach (node, &ipc->queue) {
		struct queued *q = lb_container_of(node, struct queued, node);

		if (transmit(ipc->fd, q->bytes, q->size, q->fds, q->nfds) < 0) {
			if (!would_block(errno))
				channel_lost(ipc, "write failed");
			return;
		}
		drop_queued(ipc, q);
	}
	ev_io_stop(loop, w);
}

/* Collect the descriptors of a received message; more than fit were closed by the kernel (MSG_CTRUNC). */
static size_t take_fds(struct msghdr *msg, int fds[IPC_FDS_MAX])
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			memcpy(fds, CMSG_DATA(c), n * sizeof(int));
			return n;
		}
	}
	return 0;
}

/* Receive and deliver one message; false when there is none left or the channel ended. */
static bool receive_one(struct ipc *ipc)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = ipc->buffer, .iov_len = sizeof(ipc->buffer)};
	struct msghdr msg = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)};
	_Alignas(16) uint8_t body[IPC_BODY_MAX];
	struct head head;
	int fds[IPC_FDS_MAX];
	size_t nfds;
	ssize_t n = recvmsg(ipc->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0) {
		if (!would_block(errno))
			channel_lost(ipc, "read failed");
		return false;
	}
	if (n == 0) {
		channel_lost(ipc, "closed by the other side");
		return false;
	}
	nfds = take_fds(&msg, fds);
	if ((size_t)n < sizeof(head) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		goto protocol_error;
	memcpy(&head, ipc->buffer, sizeof(head));
	if ((size_t)n != sizeof(head) + head.size || !known_size(head.type, head.size))
		goto protocol_error;
	memcpy(body, ipc->buffer + sizeof(head), head.size);
	ipc->on_message(ipc->ctx, (enum ipc_type)head.type, body, head.size, fds, nfds);
	return !ipc->closed;

protocol_error:
	close_all(fds, nfds);
	channel_lost(ipc, "malformed message");
	return false;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	lb_time began = clock_now();

	(void)loop;
	(void)revents;
	for (int i = 0; i < READ_BATCH && clock_now() - began < READ_FOR; i++)
		if (!receive_one(w->data))
			return;
}

struct ipc *ipc_new(struct ev_loop *loop, int fd, ipc_on_message *on_message, ipc_on_closed *on_closed, void *ctx)
{
	struct ipc *ipc = calloc(1, sizeof(*ipc));

	if (!ipc)
		return NULL;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ipc->loop = loop;
	ipc->fd = fd;
	ipc->on_message = on_message;
	ipc->on_closed = on_closed;
	ipc->ctx = ctx;
	lb_list_init(&ipc->queue);
	ev_io_init(&ipc->reader, on_readable, fd, EV_READ);
	ev_io_init(&ipc->writer, on_writable, fd, EV_WRITE);
	ipc->reader.data = ipc->writer.data = ipc;
	ev_io_start(loop, &ipc->reader);
	return ipc;
}

void ipc_free(struct ipc *ipc)
{
	if (!ipc)
		return;
	ev_io_stop(ipc->loop, &ipc->writer);
	ev_io_stop(ipc->loop, &ipc->reader);
	lb_list_foreach (node, &ipc->queue)
		drop_queued(ipc, lb_container_of(node, struct queued, node));
	close(ipc->fd);
	free(ipc);
}

bool ipc_pair(int pair[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0;
}
