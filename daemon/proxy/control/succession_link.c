#include "daemon/proxy/control/succession_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"

/* More than any batch; whoever asks for more is not understood. */
#define SIZE_LIMIT (256u * 1024 * 1024)

struct succession_link {
	struct ev_loop *loop;
	struct succession_link_hooks hooks;
	ev_io io;
	uint16_t version; /* is spoken; 0: the heir has not been answered */
};

union rights {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * (SUCCESSION_LINK_FDS + 1))];
};

/* ---- send ---- */

static int make_memfd(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("lbd-succession", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < size;) {
		ssize_t n = pwrite(fd, bytes + done, size - done, (off_t)done);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	return fd;
}

static enum succession_sent transmit(int fd, const uint8_t frame[static SUCCESSION_FRAME], const int *fds, size_t count)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)frame, .iov_len = SUCCESSION_FRAME};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union rights control;

	if (count > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	}
	if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return SUCCESSION_SENT;
	/* ETOOMANYREFS: descriptors under way count against the user's limit until they are received. */
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS ? SUCCESSION_FULL
											      : SUCCESSION_BROKEN;
}

void succession_link_speak(struct succession_link *l, uint16_t version)
{
	l->version = version;
}

static void write_frame(const struct succession_link *l, const struct succession_frame *what,
			uint8_t out[static SUCCESSION_FRAME])
{
	struct succession_frame frame = *what;

	frame.oldest = l->version ? l->version : SUCCESSION_OLDEST;
	frame.newest = l->version ? l->version : SUCCESSION_VERSION;
	frame.format = SESSION_STATE_FORMAT;
	succession_frame_encode(&frame, out);
}

enum succession_sent succession_link_send(struct succession_link *l, const struct succession_parcel *parcel)
{
	uint8_t frame[SUCCESSION_FRAME];
	int fds[SUCCESSION_LINK_FDS + 1];
	enum succession_sent sent;
	size_t count = 0;

	if (parcel->fd_count > SUCCESSION_LINK_FDS) {
		errno = EINVAL;
		return SUCCESSION_BROKEN;
	}
	if (parcel->frame.size > 0) {
		fds[0] = make_memfd(parcel->bytes, parcel->frame.size);
		if (fds[0] < 0)
			return SUCCESSION_BROKEN;
		count = 1;
	}
	if (parcel->fd_count > 0)
		memcpy(fds + count, parcel->fds, parcel->fd_count * sizeof(int));
	write_frame(l, &parcel->frame, frame);
	sent = transmit(l->io.fd, frame, fds, count + parcel->fd_count);
	if (count > 0)
		close(fds[0]);
	return sent;
}

enum succession_sent succession_link_say(struct succession_link *l, enum succession_type type, uint32_t count)
{
	return succession_link_send(l, &(struct succession_parcel){
					   .frame = {.type = type, .count = count}
	  });
}

/* ---- receive ---- */

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static size_t take_fds(struct msghdr *msg, int *fds)
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

/* What the memfd holds, as many bytes as the frame says; NULL: they are not there. */
static uint8_t *read_memfd(int fd, size_t size)
{
	uint8_t *bytes = size <= SIZE_LIMIT ? malloc(size) : NULL;

	for (size_t done = 0; bytes != NULL && done < size;) {
		ssize_t n = pread(fd, bytes + done, size - done, (off_t)done);

		if (n <= 0) {
			free(bytes);
			return NULL;
		}
		done += (size_t)n;
	}
	return bytes;
}

/* NULL, or why it cannot be read; then every descriptor was closed. */
static const char *unpack(const uint8_t *in, size_t len, const int *fds, size_t count, struct succession_parcel *out)
{
	size_t own;

	*out = (struct succession_parcel){0};
	if (!succession_frame_decode(in, len, &out->frame)) {
		close_all(fds, count);
		return "a message that is none of a succession";
	}
	own = out->frame.size > 0 ? 1 : 0;
	if (own > count)
		return "a message without its records";
	if (own > 0) {
		out->bytes = read_memfd(fds[0], out->frame.size);
		close(fds[0]);
		if (out->bytes == NULL) {
			close_all(fds + 1, count - 1);
			return "records that are not there";
		}
	}
	out->fd_count = (uint32_t)(count - own);
	out->fds = must(calloc(count + 1, sizeof(int)));
	memcpy(out->fds, fds + own, out->fd_count * sizeof(int));
	return NULL;
}

static void lost(struct succession_link *l, const char *why)
{
	ev_io_stop(l->loop, &l->io);
	l->hooks.lost(l->hooks.ctx, why);
}

/* One frame each time; the loop calls again while there are more. */
static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct succession_link *l = io->data;
	uint8_t frame[SUCCESSION_FRAME];
	struct iovec iov = {.iov_base = frame, .iov_len = sizeof(frame)};
	union rights control;
	struct msghdr msg = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof(control.space)};
	int fds[SUCCESSION_LINK_FDS + 1];
	struct succession_parcel parcel;
	const char *why = NULL;
	ssize_t n = recvmsg(io->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t count;

	(void)loop;
	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lost(l, "the other proxy is gone");
		return;
	}
	count = take_fds(&msg, fds);
	if ((msg.msg_flags & MSG_CTRUNC) != 0) {
		close_all(fds, count);
		why = "descriptors are short";
	} else {
		why = unpack(frame, (size_t)n, fds, count, &parcel);
	}
	if (why != NULL)
		lost(l, why);
	else
		l->hooks.frame(l->hooks.ctx, &parcel);
}

/* ---- life ---- */

struct succession_link *succession_link_new(struct ev_loop *loop, int fd, const struct succession_link_hooks *hooks)
{
	struct succession_link *l = must(calloc(1, sizeof(*l)));

	l->loop = loop;
	l->hooks = *hooks;
	ev_io_init(&l->io, on_readable, fd, EV_READ);
	l->io.data = l;
	ev_io_start(loop, &l->io);
	return l;
}

void succession_link_free(struct succession_link *l)
{
	if (!l)
		return;
	ev_io_stop(l->loop, &l->io);
	close(l->io.fd);
	free(l);
}
