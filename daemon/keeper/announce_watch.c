#include "daemon/keeper/announce_watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/arp_frame.h>
#include <lb/log.h>
#include <lb/nd_frame.h>

#include "daemon/sys/packet_sock.h"

#define FRAMES_PER_WAKE 32

/* One socket per VIP: VIPs may be on different interfaces, and there are few. */
struct station {
	struct announce_watch *watch;
	size_t vip;
	struct lb_addr address;
	unsigned ifindex; /* bound to; 0 none */
	int fd;
	ev_io io;
};

struct announce_watch {
	struct ev_loop *loop;
	const struct vip_table *vips;
	struct resume *resume;
	announce_watch_heard *heard;
	void *ctx;
	struct station stations[LB_VIPS_MAX];
	size_t count;
};

/* Who claims the VIP in this frame; false when the frame is about something else. */
static bool claimant(const struct lb_addr *vip, const uint8_t *frame, size_t len, uint8_t mac[6])
{
	struct arp_packet arp;
	struct lb_addr target;

	if (vip->family == AF_INET6)
		return nd_decode(frame, len, &target, mac) && lb_addr_equal(&target, vip);
	if (!arp_decode(frame, len, &arp) || !lb_addr_equal(&arp.sender, vip))
		return false;
	memcpy(mac, arp.sender_mac, 6);
	return true;
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct station *s = w->data;
	struct announce_watch *watch = s->watch;
	uint8_t frame[256], mac[6];
	int len = 1;

	(void)loop;
	(void)revents;
	for (int i = 0; i < FRAMES_PER_WAKE && len != 0; i++) {
		len = packet_sock_receive(s->fd, frame, sizeof(frame));
		if (len > 0 && claimant(vip_address(watch->vips, s->vip), frame, (size_t)len, mac) &&
		    memcmp(mac, vip_link(watch->vips, s->vip)->mac, 6) != 0)
			watch->heard(watch->ctx, s->vip, mac);
	}
}

/* The filter of a socket knows its VIP, so it serves the next process as well. */
static const char *kept_name(const struct lb_addr *vip, char name[RESUME_NAME_MAX])
{
	return resume_name("watch", &(struct lb_endpoint){.addr = *vip}, name);
}

static bool open_station(struct announce_watch *w, size_t vip, struct lb_err *err)
{
	struct station *s = &w->stations[vip];
	const struct lb_addr *address = vip_address(w->vips, vip);
	char name[RESUME_NAME_MAX];

	*s = (struct station){.watch = w, .vip = vip};
	s->fd = resume_take(w->resume, kept_name(address, name));
	if (s->fd < 0) {
		s->fd = packet_sock_watch(address->family, address, 1, err);
		if (s->fd < 0)
			return false;
		resume_put(w->resume, name, s->fd);
	}
	s->address = *address;
	ev_io_init(&s->io, on_readable, s->fd, EV_READ);
	s->io.data = s;
	ev_io_start(w->loop, &s->io);
	w->count = vip + 1;
	return true;
}

struct announce_watch *announce_watch_new(const struct announce_watch_params *params, struct lb_err *err)
{
	struct announce_watch *w = calloc(1, sizeof(*w));

	if (!w) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	w->loop = params->loop;
	w->vips = params->vips;
	w->resume = params->resume;
	w->heard = params->heard;
	w->ctx = params->ctx;
	for (size_t i = 0; i < vip_count(w->vips); i++)
		if (!open_station(w, i, err)) {
			announce_watch_free(w);
			return NULL;
		}
	return w;
}

void announce_watch_bind(struct announce_watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		struct station *s = &w->stations[i];
		const struct rtnl_link *link = vip_link(w->vips, s->vip);
		if (link->index == 0)
			s->ifindex = 0;
		if (s->ifindex == link->index)
			continue;
		int rc = packet_sock_bind(s->fd, vip_address(w->vips, s->vip)->family, link->index);
		if (rc == 0)
			s->ifindex = link->index;
		else
			lb_warning("announcements of others are not heard interface=%s: %s", link->name, strerror(-rc));
	}
}

void announce_watch_ask(struct announce_watch *w, const struct lb_addr *own)
{
	uint8_t frame[ARP_FRAME_BYTES];

	for (size_t i = 0; i < w->count; i++) {
		const struct lb_addr *vip = vip_address(w->vips, i);
		const struct rtnl_link *link = vip_link(w->vips, i);
		if (vip->family != AF_INET || own->family != AF_INET || !link->up || !link->has_mac)
			continue;
		arp_request(link->mac, own, vip, frame);
		packet_sock_send(w->stations[i].fd, link->index, frame, sizeof(frame));
	}
}

static void close_stations(struct announce_watch *w)
{
	for (size_t i = 0; i < w->count; i++) {
		ev_io_stop(w->loop, &w->stations[i].io);
		close(w->stations[i].fd);
	}
	w->count = 0;
}

void announce_watch_renew(struct announce_watch *w)
{
	char name[RESUME_NAME_MAX];
	struct lb_err err;

	for (size_t i = 0; i < w->count; i++)
		resume_drop(w->resume, kept_name(&w->stations[i].address, name));
	close_stations(w);
	for (size_t i = 0; i < vip_count(w->vips); i++)
		if (!open_station(w, i, &err)) {
			lb_warning("announcements of others are not heard: %s", err.text);
			break;
		}
	announce_watch_bind(w);
}

void announce_watch_free(struct announce_watch *w)
{
	if (!w)
		return;
	close_stations(w);
	free(w);
}
