#include "daemon/sys/tcp_repair.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of linux/tcp.h's enum without names, and netinet/tcp.h's states, which cannot be included beside it. */
enum { QUEUE_NONE, QUEUE_RECEIVE, QUEUE_SEND };
enum { ESTABLISHED = 1, FIN_WAIT1 = 4, FIN_WAIT2 = 5, CLOSED = 7, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };
/* Kinds of options in SYNs, RFC 9293 3.2, RFC 7323, RFC 2018. */
enum { OPTION_MSS = 2, OPTION_WINDOW = 3, OPTION_SACK = 4, OPTION_TIMESTAMP = 8 };
/* What an image's unacked bytes may need until they are in the queue; the kernel's tuning has its way again then. */
#define QUEUE_ROOM  (16 * 1024 * 1024)
#define QUEUE_USUAL (128 * 1024)
/* A queue under repair takes so much at a time without large allocations in the kernel. */
#define CHUNK (32 * 1024)

static bool set(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)) == 0;
}

static bool get(int fd, int option, uint32_t *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, IPPROTO_TCP, option, value, &len) == 0;
}

/* ---- privileged ---- */

bool tcp_repair_enter(int fd)
{
	return set(fd, TCP_REPAIR, TCP_REPAIR_ON);
}

bool tcp_repair_leave(int fd)
{
	return set(fd, TCP_REPAIR, TCP_REPAIR_OFF);
}

int tcp_repair_socket(const struct lb_endpoint *local)
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(local, &sa);
	int fd = socket(local->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int saved, on = 1, room = QUEUE_ROOM;

	if (fd < 0)
		return -1;
	/* In a user namespace of its own, up to net.core.wmem_max only. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (local->addr.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on));
	else
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	/* Repair lets it bind beside the listener; SO_REUSEADDR, set later, would take that back. */
	if (tcp_repair_enter(fd) && bind(fd, (struct sockaddr *)&sa, len) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* ---- dump ---- */

static bool endpoints(int fd, struct tcp_image *image)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		return false;
	if (!lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, &image->local))
		goto unknown;
	len = sizeof(sa);
	if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0)
		return false;
	if (lb_endpoint_from_sockaddr((struct sockaddr *)&sa, len, &image->remote))
		return true;
unknown:
	errno = EAFNOSUPPORT;
	return false;
}

/* What was agreed on in the SYNs, and in which state the connection is. */
static bool agreement(int fd, struct tcp_image *image, uint8_t *state)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	uint32_t mss;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || !get(fd, TCP_MAXSEG, &mss))
		return false;
	*state = info.tcpi_state;
	image->mss = (uint16_t)mss;
	if ((info.tcpi_options & TCPI_OPT_SACK) != 0)
		image->options |= TCP_IMAGE_SACK;
	if ((info.tcpi_options & TCPI_OPT_WSCALE) != 0) {
		image->options |= TCP_IMAGE_WSCALE;
		image->send_wscale = info.tcpi_snd_wscale;
		image->receive_wscale = info.tcpi_rcv_wscale;
	}
	if ((info.tcpi_options & TCPI_OPT_TIMESTAMPS) == 0)
		return true;
	image->options |= TCP_IMAGE_TIMESTAMPS;
	return get(fd, TCP_TIMESTAMP, &image->timestamp);
}

static bool window(int fd, struct tcp_image_window *out)
{
	struct tcp_repair_window w;
	socklen_t len = sizeof(w);

	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &len) != 0)
		return false;
	*out = (struct tcp_image_window){.send_wl1 = w.snd_wl1,
					 .send_window = w.snd_wnd,
					 .send_window_max = w.max_window,
					 .receive_window = w.rcv_wnd,
					 .receive_wup = w.rcv_wup};
	return true;
}

/* Copy what is in the queue chosen before. */
static bool peek(int fd, uint8_t *to, uint32_t len)
{
	uint32_t done = 0;

	while (done < len) {
		ssize_t n = recv(fd, to + done, len - done, MSG_PEEK | MSG_DONTWAIT);

		/* A peek begins at the front again: only one that brings everything is of use. */
		if (n <= 0 || (uint32_t)n < len) {
			errno = n < 0 ? errno : EIO;
			return false;
		}
		done = (uint32_t)n;
	}
	return true;
}

/* How far the queues reach and how much is in them. FIN is a number but no byte. */
struct extent {
	uint32_t receive_seq, send_seq; /* at the ends */
	int received, unacked, unsent;
};

static bool extents(int fd, struct extent *e)
{
	int queued;

	if (!set(fd, TCP_REPAIR_QUEUE, QUEUE_RECEIVE) || !get(fd, TCP_QUEUE_SEQ, &e->receive_seq) ||
	    ioctl(fd, SIOCINQ, &e->received) != 0)
		return false;
	if (!set(fd, TCP_REPAIR_QUEUE, QUEUE_SEND) || !get(fd, TCP_QUEUE_SEQ, &e->send_seq) ||
	    ioctl(fd, SIOCOUTQ, &queued) != 0 || ioctl(fd, SIOCOUTQNSD, &e->unsent) != 0)
		return false;
	e->unacked = queued - e->unsent;
	return true;
}

/* Take FIN out of the numbers of what was sent. */
static void discount_fin(struct extent *e, uint8_t state)
{
	e->send_seq--;
	if (state == FIN_WAIT2)
		return;
	if (e->unsent > 0)
		e->unsent--;
	else
		e->unacked--;
}

static bool read_queues(int fd, const struct extent *e, struct tcp_repair_queues *q)
{
	uint32_t received = (uint32_t)e->received, unacked = (uint32_t)e->unacked, unsent = (uint32_t)e->unsent;
	size_t all = (size_t)received + unacked + unsent;

	if (all == 0)
		return true;
	q->data = malloc(all);
	if (q->data == NULL)
		return false;
	if (unacked + unsent > 0 && !peek(fd, q->data, unacked + unsent))
		return false;
	if (received > 0 &&
	    (!set(fd, TCP_REPAIR_QUEUE, QUEUE_RECEIVE) || !peek(fd, q->data + unacked + unsent, received)))
		return false;
	if (unacked > 0)
		q->unacked = (struct lb_bytes){.data = q->data, .len = unacked};
	if (unsent > 0)
		q->unsent = (struct lb_bytes){.data = q->data + unacked, .len = unsent};
	if (received > 0)
		q->received = (struct lb_bytes){.data = q->data + unacked + unsent, .len = received};
	return true;
}

static bool movable(uint8_t state)
{
	return state == ESTABLISHED || state == FIN_WAIT1 || state == FIN_WAIT2 || state == CLOSE_WAIT ||
	       state == LAST_ACK || state == CLOSING;
}

static bool dump(int fd, struct tcp_image *image, struct tcp_repair_queues *q)
{
	struct extent e;
	uint8_t state;

	if (!endpoints(fd, image) || !agreement(fd, image, &state))
		return false;
	if (!movable(state)) {
		errno = ENOTCONN;
		return false;
	}
	q->fin_sent = state == FIN_WAIT1 || state == FIN_WAIT2 || state == LAST_ACK || state == CLOSING;
	q->fin_received = state == CLOSE_WAIT || state == LAST_ACK || state == CLOSING;
	if (!window(fd, &image->window) || !extents(fd, &e))
		return false;
	if (q->fin_sent)
		discount_fin(&e, state);
	if (e.received < 0 || e.unacked < 0 || e.unsent < 0) {
		errno = EPROTO;
		return false;
	}
	if (!read_queues(fd, &e, q))
		return false;
	image->unacked = q->unacked;
	image->receive_seq = e.receive_seq;
	image->send_seq = e.send_seq - (uint32_t)e.unacked - (uint32_t)e.unsent;
	return true;
}

bool tcp_repair_dump(int fd, struct tcp_image *image, struct tcp_repair_queues *queues)
{
	int saved;

	*image = (struct tcp_image){0};
	*queues = (struct tcp_repair_queues){0};
	if (dump(fd, image, queues)) {
		set(fd, TCP_REPAIR_QUEUE, QUEUE_NONE);
		return true;
	}
	saved = errno;
	set(fd, TCP_REPAIR_QUEUE, QUEUE_NONE);
	tcp_repair_queues_free(queues);
	errno = saved;
	return false;
}

bool tcp_repair_rest(int fd, struct tcp_repair_queues *queues)
{
	struct extent e = {0};
	struct tcp_info info;
	socklen_t len = sizeof(info), error_len = sizeof(int);
	int error = 0;

	*queues = (struct tcp_repair_queues){.fin_sent = true, .fin_received = true};
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || info.tcpi_state != CLOSED)
		return false;
	/* One that was reset is closed, too. */
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) != 0 || error != 0)
		return false;
	if (ioctl(fd, SIOCINQ, &e.received) == 0 && e.received >= 0 && read_queues(fd, &e, queues))
		return true;
	tcp_repair_queues_free(queues);
	return false;
}

void tcp_repair_queues_free(struct tcp_repair_queues *queues)
{
	free(queues->data);
	*queues = (struct tcp_repair_queues){0};
}

/* ---- restore ---- */

static bool restore_agreement(int fd, const struct tcp_image *image)
{
	struct tcp_repair_opt options[4] = {
	    {.opt_code = OPTION_MSS, .opt_val = image->mss}
	   };
	socklen_t count = 1;

	if ((image->options & TCP_IMAGE_SACK) != 0)
		options[count++] = (struct tcp_repair_opt){.opt_code = OPTION_SACK};
	if ((image->options & TCP_IMAGE_WSCALE) != 0)
		options[count++] = (struct tcp_repair_opt){
		    .opt_code = OPTION_WINDOW,
		    .opt_val = image->send_wscale | (uint32_t)image->receive_wscale << 16,
		};
	if ((image->options & TCP_IMAGE_TIMESTAMPS) != 0)
		options[count++] = (struct tcp_repair_opt){.opt_code = OPTION_TIMESTAMP};
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, options, count * (socklen_t)sizeof(options[0])) != 0)
		return false;
	return (image->options & TCP_IMAGE_TIMESTAMPS) == 0 || set(fd, TCP_TIMESTAMP, (int)image->timestamp);
}

/* What the other end may still ask for again. */
static bool restore_unacked(int fd, const struct lb_bytes *bytes)
{
	for (uint32_t done = 0; done < bytes->len;) {
		uint32_t left = bytes->len - done;
		ssize_t n = send(fd, bytes->data + done, left < CHUNK ? left : CHUNK, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		done += (uint32_t)n;
	}
	return true;
}

/* A size that was set is fixed until its lock is taken off. */
static void usual_room(int fd)
{
	int usual = QUEUE_USUAL, unlocked = 0;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &usual, sizeof(usual));
	setsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, sizeof(unlocked));
}

static bool restore_window(int fd, uint32_t receive_seq, const struct tcp_image_window *w)
{
	/*
	 * A kernel that ran out of room takes its window back (Linux 6.6): the segment that told the send window last
	 * may then lie beyond it, which this call refuses. An older number only believes more of what will be told.
	 */
	uint32_t edge = receive_seq + w->receive_window;
	bool beyond = (int32_t)(w->send_wl1 - edge) > 0;
	struct tcp_repair_window window = {.snd_wl1 = beyond ? edge : w->send_wl1,
					   .snd_wnd = w->send_window,
					   .max_window = w->send_window_max,
					   .rcv_wnd = w->receive_window,
					   .rcv_wup = w->receive_wup};

	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &window, sizeof(window)) == 0;
}

bool tcp_repair_restore(int fd, const struct tcp_image *image)
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(&image->remote, &sa);

	if (!set(fd, TCP_REPAIR_QUEUE, QUEUE_SEND) || !set(fd, TCP_QUEUE_SEQ, (int)image->send_seq) ||
	    !set(fd, TCP_REPAIR_QUEUE, QUEUE_RECEIVE) || !set(fd, TCP_QUEUE_SEQ, (int)image->receive_seq))
		return false;
	/* Under repair this sends nothing. */
	if (connect(fd, (struct sockaddr *)&sa, len) != 0 || !restore_agreement(fd, image))
		return false;
	if (image->unacked.len > 0 && (!set(fd, TCP_REPAIR_QUEUE, QUEUE_SEND) || !restore_unacked(fd, &image->unacked)))
		return false;
	usual_room(fd);
	/* Judged by the kernel against the sequence numbers, so it comes last. */
	return restore_window(fd, image->receive_seq, &image->window) && set(fd, TCP_REPAIR_QUEUE, QUEUE_NONE);
}
