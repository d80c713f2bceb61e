/* Adverts out and in. */
#include <errno.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/vrrp_sock.h"

/* ---- socket ---- */

bool election_advert_open(struct election *e, struct lb_err *err)
{
	e->vrrp_fd = vrrp_sock_open(&e->own, e->policy.multicast, err);
	return e->vrrp_fd >= 0;
}

void election_advert_join(struct election *e)
{
	const struct rtnl_link *link = vip_own_link(e->vips);
	int rc = e->policy.multicast && link->index ? vrrp_sock_join(e->vrrp_fd, &e->own, link->index) : 0;

	if (rc != 0 && ratelimit_ok(&e->send_log, clock_now()))
		lb_error("VRRP group not joined interface=%s: %s", link->name, strerror(-rc));
}

/* ---- out ---- */

/* RFC 9568 erratum 8300: an IPv6 advert begins with the link-local address that belongs to the virtual MAC. */
static struct lb_addr virtual_link_local(uint8_t vrid)
{
	return (struct lb_addr){
	    .family = AF_INET6,
	    .bytes = {0xfe, 0x80, [8] = 0x02, [10] = 0x5e, [11] = 0xff, [12] = 0xfe, [14] = 0x02, [15] = vrid},
	};
}

/* The VIPs of the nodes' family in the order of the file; this node's address when there is none of it. */
static void list_addresses(const struct election *e, struct vrrp_advert *advert)
{
	if (e->own.family == AF_INET6)
		advert->addresses[advert->address_count++] = virtual_link_local(advert->vrid);
	for (size_t i = 0; i < e->conf->vip_count && advert->address_count < VRRP_MAX_ADDRESSES; i++)
		if (e->conf->vips[i].address.family == e->own.family)
			advert->addresses[advert->address_count++] = e->conf->vips[i].address;
	if (advert->address_count == 0)
		advert->addresses[advert->address_count++] = e->own;
}

static void describe(const struct election *e, uint8_t priority, struct vrrp_advert *advert)
{
	memset(advert, 0, sizeof(*advert));
	advert->version = e->policy.version;
	advert->vrid = e->policy.vrid;
	advert->priority = priority;
	advert->interval = e->fsm.params.interval;
	advert->auth_type = e->policy.auth_type;
	memcpy(advert->auth_data, e->policy.auth_data, sizeof(advert->auth_data));
	advert->source = e->own;
	list_addresses(e, advert);
}

/* Grows over restarts by following the clock, and within one whatever the clock does. */
static vrrp_sequence next_sequence(struct election *e)
{
	int64_t wall = clock_wall();
	uint64_t seconds = (uint64_t)(wall / LB_SEC(1)), fraction = (uint64_t)(wall % LB_SEC(1)) * 65536 / LB_SEC(1);
	vrrp_sequence now = seconds << 32 | fraction << 16;

	e->sequence = e->sequence == 0 || (int64_t)(now - e->sequence) > 0 ? now : e->sequence + 1;
	return e->sequence;
}

static int send_to(struct election *e, struct vrrp_advert *advert, const struct lb_addr *destination)
{
	bool message = e->policy.version == 2 || e->conf->election.v3_checksum == LB_CHECKSUM_MESSAGE;
	uint8_t buf[VRRP_MAX_BYTES];
	size_t len;

	/* The pseudo header names the real destination (protocol.md 2.3), so each receiver has its own message. */
	advert->destination = *destination;
	len = vrrp_encode(advert, message ? VRRP_CHECKSUM_MESSAGE : VRRP_CHECKSUM_PSEUDO, buf, sizeof(buf));
	if (len > 0 && e->conf->election.auth == LB_AUTH_HMAC)
		len = vrrp_auth_sign(&e->secrets.vrrp_keys[0], &e->own, e->sequence, buf, len, sizeof(buf));
	return len > 0 ? vrrp_sock_send(e->vrrp_fd, &e->own, destination, buf, len) : -EMSGSIZE;
}

bool election_advert_send(struct election *e, uint8_t priority)
{
	struct lb_addr group = vrrp_sock_group(e->own.family);
	struct vrrp_advert advert;
	size_t taken = 0;
	int rc = 0, failure = 0;

	describe(e, priority, &advert);
	next_sequence(e);
	if (e->policy.multicast) {
		failure = send_to(e, &advert, &group);
		taken = failure == 0;
	}
	for (size_t i = 0; !e->policy.multicast && i < e->policy.peer_count; i++) {
		rc = send_to(e, &advert, &e->peers[i]);
		taken += rc == 0;
		failure = rc != 0 ? rc : failure;
	}
	if (failure != 0 && ratelimit_ok(&e->send_log, clock_now()))
		lb_warning("advert not sent: %s", strerror(-failure));
	e->counters.adverts_sent += taken;
	/* A node without peers has nobody to tell and nobody to fear. */
	return taken > 0 || (!e->policy.multicast && e->policy.peer_count == 0);
}

/* ---- in ---- */

static void note_drop(struct election *e, enum vrrp_drop drop, const struct lb_addr *source)
{
	char text[LB_ADDR_TEXT] = "unknown";

	e->counters.dropped[drop]++;
	/* Our own multicast coming back is no news. */
	if (drop == VRRP_DROP_OWN || !ratelimit_ok_among(&e->drop_log[drop], &e->drops_log, clock_now()))
		return;
	if (lb_addr_size(source) > 0)
		lb_addr_text(source, text);
	lb_warning("advert dropped from=%s reason=%s total=%llu", text, vrrp_drop_name(drop),
		   (unsigned long long)e->counters.dropped[drop]);
}

static bool listed(const struct vrrp_advert *advert, const struct lb_addr *address)
{
	for (size_t i = 0; i < advert->address_count; i++)
		if (lb_addr_equal(&advert->addresses[i], address))
			return true;
	return false;
}

/* RFC 9568 section 7.1: a different address list MAY be logged; the advert counts all the same. */
static void compare_lists(struct election *e, const struct vrrp_advert *heard)
{
	struct vrrp_advert own = {.vrid = heard->vrid};
	char text[LB_ADDR_TEXT];
	bool same;

	list_addresses(e, &own);
	same = own.address_count == heard->address_count;
	for (size_t i = 0; same && i < own.address_count; i++)
		same = listed(heard, &own.addresses[i]);
	if (!same && ratelimit_ok(&e->list_log, clock_now()))
		lb_warning("advert of %s lists other VIPs than this node's configuration",
			   lb_addr_text(&heard->source, text));
}

/* Adverts of another Active that should have given way: it does not hear us (faults.md R10). */
static void note_losing(struct election *e, const struct vrrp_advert *advert, lb_time now)
{
	if (e->fsm.state != VRRP_ACTIVE || advert->priority == 0)
		return;
	if (e->losing_at == 0 || now - e->losing_at > 3 * advert->interval)
		e->losing_since = now;
	e->losing_at = now;
	election_peers_losing(e);
}

/* Two adverts of the same Active, which has not been away in between. */
static void note_jitter(struct election *e, const struct vrrp_advert *advert, lb_time at)
{
	lb_duration late = at - e->fsm.last_advert - advert->interval;

	if (e->fsm.state == VRRP_BACKUP && advert->priority > 0 && lb_addr_equal(&advert->source, &e->fsm.active) &&
	    e->fsm.last_advert >= e->fsm.since)
		e->heard_jitter_max = lb_time_max(e->heard_jitter_max, late);
}

static enum vrrp_drop judge_sender(struct election *e, const struct vrrp_accepted *in, int node)
{
	if (e->conf->election.auth != LB_AUTH_HMAC)
		return VRRP_OK;
	if (node < 0)
		return VRRP_DROP_SOURCE;

	/*
	 * A sender that never spoke the peer link (Keepalived) may restart with a clock that was set back. After a long
	 * silence its old sequence is forgotten; lbd nodes prove a restart through the peer link instead.
	 */
	struct election_node *n = &e->nodes[node];
	lb_duration silence = clock_now() - n->advert_at;
	lb_duration down = vrrp_active_down_interval(e->policy.version, 1, in->advert.interval);
	if (!peer_link_facts(e->peer_link, (size_t)node)->proven && n->advert_at != 0 && silence > 3 * down)
		n->sequence = 0;
	return vrrp_replay_ok(&n->sequence, in->sequence) ? VRRP_OK : VRRP_DROP_REPLAY;
}

static void handle(struct election *e, const struct vrrp_received *received)
{
	struct vrrp_keyring ring = {.keys = e->secrets.vrrp_keys,
				    .count = e->conf->election.auth == LB_AUTH_HMAC ? e->secrets.key_count : 0};
	struct vrrp_accepted in;
	enum vrrp_drop drop = vrrp_accept_datagram(&e->policy, &ring, &received->datagram, &in);
	int node = drop == VRRP_OK ? lb_conf_node_by_addr(e->conf, &in.advert.source) : -1;

	e->counters.adverts_received++;
	if (drop == VRRP_OK)
		drop = judge_sender(e, &in, node);
	if (drop != VRRP_OK) {
		note_drop(e, drop, &in.advert.source);
		return;
	}
	e->counters.accepted[in.form]++;
	note_jitter(e, &in.advert, received->at);
	if (node >= 0) {
		e->nodes[node].advert_at = received->at;
		peer_link_advert(e->peer_link, (size_t)node, received->at);
	}
	compare_lists(e, &in.advert);
	note_losing(e, &in.advert, received->at);
	election_step(e, &(struct vrrp_event){
			     .kind = VRRP_EVENT_ADVERT,
			     .priority = in.advert.priority,
			     .interval = in.advert.interval,
			     .source = in.advert.source,
			     .received_at = received->at,
			 });
}

void election_advert_drain(struct election *e, unsigned budget)
{
	struct vrrp_received received;

	while (budget-- > 0) {
		int rc = vrrp_sock_receive(e->vrrp_fd, e->own.family, &received);
		if (rc == 0)
			return;
		if (rc > 0)
			handle(e, &received);
	}
}
