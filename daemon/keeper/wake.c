#include "daemon/keeper/wake.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lb/log.h>
#include <lb/wake_segment.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/raw_sock.h"

/* Segments a second, and how many at once after a pause. */
#define RATE  40000.
#define BURST 512.

_Static_assert(WAKE_SEGMENT_MAX <= RAW_SOCK_PACKET, "a segment is a packet");
_Static_assert(IPC_WAKE_MAX <= RAW_SOCK_BATCH, "a message is one batch");

void wake_sender_init(struct wake_sender *w)
{
	*w = (struct wake_sender){.tokens = BURST};
}

static size_t send_packets(struct wake_sender *w, uint8_t family, const struct raw_sock_packet *packets, size_t count)
{
	int fd = raw_sock_open(family);
	size_t sent;

	if (fd < 0) {
		if (!w->told)
			lb_warning("clients of the former owner cannot be woken: %s", strerror(errno));
		w->told = true;
		return 0;
	}
	sent = raw_sock_send(fd, packets, count);
	close(fd);
	return sent;
}

static void refill(struct wake_sender *w)
{
	lb_time now = clock_now();

	w->tokens += lb_duration_seconds(now - w->refilled) * RATE;
	if (w->tokens > BURST)
		w->tokens = BURST;
	w->refilled = now;
}

/* Those of one family. */
static size_t send_family(struct wake_sender *w, const struct lb_conf *conf, const struct ipc_wake *question,
			  uint8_t family)
{
	struct raw_sock_packet packets[IPC_WAKE_MAX];
	size_t count = 0;

	for (uint32_t i = 0; i < question->count && i < IPC_WAKE_MAX && w->tokens >= 1; i++) {
		const struct ipc_wake_target *t = &question->targets[i];

		if (t->from.addr.family != family || t->from.port == 0 || t->to.port == 0 ||
		    !lb_conf_has_vip(conf, &t->from.addr))
			continue;
		packets[count].to = t->to.addr;
		packets[count].len = wake_segment_encode(&t->from, &t->to, packets[count].bytes);
		if (packets[count].len > 0) {
			count++;
			w->tokens -= 1;
		}
	}
	return count > 0 ? send_packets(w, family, packets, count) : 0;
}

void wake_sender_send(struct wake_sender *w, struct ipc *ipc, const struct lb_conf *conf, bool owns,
		      const struct ipc_wake *question)
{
	struct ipc_woken answer = {0};

	refill(w);
	if (owns)
		answer.sent =
		    (uint32_t)(send_family(w, conf, question, AF_INET) + send_family(w, conf, question, AF_INET6));
	answer.failed = question->count > answer.sent ? question->count - answer.sent : 0;
	ipc_post(ipc, IPC_WOKEN, &answer, sizeof(answer));
}
