#include "daemon/keeper/peer_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/peer_link_state.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/sock_drops.h"
#include "daemon/sys/udp_sock.h"

#define INTERVAL_MIN	   LB_MSEC(50)
#define INTERVAL_MAX	   PEER_LINK_INTERVAL_MAX
#define HEARD_MIN	   LB_SEC(1)
#define URGENT_MIN	   LB_MSEC(10)
#define URGENT_REPEATS	   5
#define DATAGRAMS_PER_WAKE 64

static lb_duration interval(const struct peer_link *l)
{
	return lb_time_min(lb_time_max(l->params.conf->election.interval, INTERVAL_MIN), INTERVAL_MAX);
}

static lb_duration heard_window(const struct peer_link *l)
{
	return lb_time_max(3 * interval(l), HEARD_MIN);
}

/* ---- out ---- */

/* What is to be said, for that node; its length, 0 with a line in the log. */
size_t peer_link_stamp(struct peer_link *l, size_t node)
{
	struct peer_msg *msg = &l->out;
	size_t len;

	peer_session_stamp(&l->peers[node].session, msg);
	l->peers[node].facts.sent = msg->sequence;
	len = peer_msg_encode(msg, l->params.key_count ? l->params.keys[0].bytes : NULL,
			      l->params.key_count ? l->params.keys[0].len : 0, l->buf, sizeof(l->buf));
	if (len == 0 && ratelimit_ok(&l->log, clock_now()))
		lb_error("peer message cannot be encoded kind=%d", (int)msg->kind);
	return len;
}

static void send_to(struct peer_link *l, size_t node)
{
	struct lb_endpoint to = {.addr = l->params.conf->nodes[node].address, .port = l->params.conf->peer_port};
	size_t len = peer_link_stamp(l, node);

	/* A node that cannot be reached now is tried again in an interval. */
	if (len > 0)
		udp_sock_send(l->fd, &to, l->buf, len);
}

void peer_link_fill(struct peer_link *l, enum peer_msg_kind kind, uint64_t handover, const char *text)
{
	struct peer_msg *msg = &l->out;

	memset(msg, 0, sizeof(*msg));
	msg->kind = kind;
	msg->handover = handover;
	memcpy(msg->node, l->params.conf->nodes[l->params.own_node].name, sizeof(msg->node));
	snprintf(msg->version, sizeof(msg->version), "%s", LB_VERSION);
	snprintf(msg->text, sizeof(msg->text), "%s", text ? text : "");
	msg->config_hash = l->params.conf->hash;
	l->params.hooks.fill(l->params.hooks.ctx, msg);
}

void peer_link_send(struct peer_link *l, size_t node, enum peer_msg_kind kind, uint64_t handover, const char *text)
{
	peer_link_fill(l, kind, handover, text);
	send_to(l, node);
}

void peer_link_tell(struct peer_link *l)
{
	peer_link_fill(l, PEER_HEARTBEAT, 0, NULL);
	for (size_t i = 0; i < l->params.conf->node_count; i++)
		if (i != l->params.own_node)
			send_to(l, i);
}

void peer_link_pace(struct peer_link *l)
{
	if (l->params.conf->election.interval < INTERVAL_MIN && clock_now() - l->paced_at < INTERVAL_MIN)
		return;
	l->paced_at = clock_now();
	peer_link_tell(l);
}

/* ---- an owner that is not heard, or may not be ---- */

static bool silent(const struct peer_link *l, size_t node)
{
	const struct peer_facts *facts = &l->peers[node].facts;

	/* One that has stopped said so. */
	return facts->proven && facts->last.state != VRRP_INIT && clock_now() - facts->heard_at > 2 * interval(l);
}

static bool wants_urgent(const struct peer_link *l, size_t node)
{
	return node != l->params.own_node && l->owner && (l->repeats > 0 || silent(l, node));
}

static void arm_urgent(struct peer_link *l)
{
	double every = lb_duration_seconds(lb_time_max(interval(l) / 10, URGENT_MIN));
	bool wanted = false;

	for (size_t i = 0; i < l->params.conf->node_count; i++)
		wanted |= wants_urgent(l, i);
	if (wanted == ev_is_active(&l->urgent))
		return;
	ev_timer_stop(l->params.loop, &l->urgent);
	ev_timer_set(&l->urgent, every, every);
	if (wanted)
		ev_timer_start(l->params.loop, &l->urgent);
}

static void on_urgent(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct peer_link *l = w->data;

	(void)loop;
	(void)revents;
	peer_link_fill(l, PEER_HEARTBEAT, 0, NULL);
	for (size_t i = 0; i < l->params.conf->node_count; i++)
		if (wants_urgent(l, i))
			send_to(l, i);
	if (l->repeats > 0)
		l->repeats--;
	arm_urgent(l);
}

void peer_link_own(struct peer_link *l, bool owner)
{
	l->repeats = owner && !l->owner ? URGENT_REPEATS : l->repeats;
	l->owner = owner;
	arm_urgent(l);
}

/* ---- in ---- */

static bool matters(const struct peer_facts *before, const struct peer_msg *msg)
{
	return !before->heard || before->last.state != msg->state || before->last.can_serve != msg->can_serve ||
	       before->last.standby != msg->standby || before->last.ready_servers != msg->ready_servers ||
	       before->last.config_hash != msg->config_hash;
}

/* How far the peer's word about what it heard may be behind: what is sent in one window, and some on the way. */
static bool hears_us(const struct peer_link *l, const struct peer_session *s)
{
	uint64_t slack = (uint64_t)(heard_window(l) / interval(l)) + 8;

	return s->own_sequence - s->echoed <= slack;
}

static enum peer_drop accept_message(struct peer_link *l, int node, const struct peer_msg *msg)
{
	struct peer *p = &l->peers[node];
	uint64_t nonce = p->session.nonce;
	bool known = p->session.proven, reply;
	enum peer_drop drop = peer_session_accept(&p->session, msg, &reply);

	if (reply)
		peer_link_send(l, (size_t)node, PEER_HEARTBEAT, 0, NULL);
	if (drop == PEER_OK && known && nonce != p->session.nonce)
		l->params.hooks.restarted(l->params.hooks.ctx, (size_t)node);
	return drop;
}

/* With whichever key it was signed. */
enum peer_drop peer_link_decode(struct peer_link *l, const uint8_t *bytes, size_t len)
{
	enum peer_drop drop = PEER_DROP_AUTH;

	if (l->params.key_count == 0)
		return peer_msg_decode(bytes, len, NULL, 0, &l->in);
	for (size_t i = 0; i < l->params.key_count && drop == PEER_DROP_AUTH; i++)
		drop = peer_msg_decode(bytes, len, l->params.keys[i].bytes, l->params.keys[i].len, &l->in);
	return drop;
}

/* A message that says it is of that node. */
enum peer_drop peer_link_take(struct peer_link *l, int node, lb_time at, bool detoured)
{
	struct peer_facts *facts = &l->peers[node].facts;
	enum peer_drop drop = accept_message(l, node, &l->in);
	bool changed;

	if (drop != PEER_OK)
		return drop;
	changed = matters(facts, &l->in);
	if (!detoured)
		l->peers[node].direct_at = lb_time_max(l->peers[node].direct_at, at);
	facts->detoured = detoured && clock_now() >= peer_link_round_silent_from(l, (size_t)node);
	facts->proven = facts->heard = true;
	facts->heard_at = at;
	facts->hears_us = hears_us(l, &l->peers[node].session);
	facts->echoed = l->peers[node].session.echoed;
	facts->last = l->in;
	l->params.hooks.spoke(l->params.hooks.ctx, (size_t)node, facts);
	if (changed)
		l->params.hooks.changed(l->params.hooks.ctx, (size_t)node);
	if (l->in.kind != PEER_HEARTBEAT)
		l->params.hooks.asked(l->params.hooks.ctx, (size_t)node, &facts->last);
	peer_link_round_look(l);
	return PEER_OK;
}

static enum peer_drop take(struct peer_link *l, size_t len, const struct lb_endpoint *from, lb_time at)
{
	int node = lb_conf_node_by_addr(l->params.conf, &from->addr);
	enum peer_drop drop;

	/* Who is asked before what: a stranger costs no HMAC. */
	if (node < 0 || (size_t)node == l->params.own_node)
		return PEER_DROP_SOURCE;
	drop = peer_link_decode(l, l->buf, len);
	if (drop != PEER_OK)
		return drop;
	/* The source address of an unauthenticated or mistaken sender proves nothing; the name is signed. */
	if (strcmp(l->in.node, l->params.conf->nodes[node].name) != 0)
		return PEER_DROP_SOURCE;
	return peer_link_take(l, node, at, false);
}

static void note_drop(struct peer_link *l, enum peer_drop drop, const struct lb_endpoint *from)
{
	char text[LB_ENDPOINT_TEXT];

	l->counters.dropped[drop]++;
	/* A nonce that is being proven is the ordinary start of a link. */
	if (drop != PEER_DROP_REPLAY && ratelimit_ok_among(&l->drop_log[drop], &l->drops_log, clock_now()))
		lb_warning("peer message dropped from=%s reason=%s total=%llu", lb_endpoint_text(from, text),
			   peer_drop_name(drop), (unsigned long long)l->counters.dropped[drop]);
}

static void drain_direct(struct peer_link *l, unsigned budget)
{
	struct lb_endpoint from;
	lb_time at;

	while (budget-- > 0) {
		int len = udp_sock_receive(l->fd, l->buf, sizeof(l->buf), &from, &at);
		if (len == 0)
			return;
		if (len < 0 && len != -EBADMSG)
			continue;
		l->counters.received++;
		enum peer_drop drop = len < 0 ? PEER_DROP_TRUNCATED : take(l, (size_t)len, &from, at);
		if (drop != PEER_OK)
			note_drop(l, drop, &from);
	}
}

void peer_link_advert(struct peer_link *l, size_t node, lb_time at)
{
	l->peers[node].direct_at = lb_time_max(l->peers[node].direct_at, at);
	peer_link_round_look(l);
}

void peer_link_drain(struct peer_link *l, unsigned budget)
{
	drain_direct(l, budget);
	detour_drain(l->detour, budget);
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	drain_direct(w->data, DATAGRAMS_PER_WAKE);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct peer_link *l = w->data;
	lb_time now = clock_now();

	(void)loop;
	(void)revents;
	for (size_t i = 0; i < l->params.conf->node_count; i++) {
		struct peer_facts *facts = &l->peers[i].facts;
		if (!facts->heard)
			continue;
		facts->hears_us = hears_us(l, &l->peers[i].session);
		if (now - facts->heard_at <= heard_window(l))
			continue;
		facts->heard = facts->hears_us = false;
		l->params.hooks.changed(l->params.hooks.ctx, i);
	}
	if (now - l->paced_at >= interval(l) + interval(l) / 2)
		peer_link_tell(l);
	arm_urgent(l);
}

/* ---- life ---- */

static bool draw_nonces(struct peer_link *l, struct lb_err *err)
{
	for (size_t i = 0; i < LB_NODES_MAX; i++) {
		uint64_t *nonce = &l->peers[i].session.own_nonce;
		while (*nonce == 0)
			if (getrandom(nonce, sizeof(*nonce), 0) != sizeof(*nonce))
				return lb_err_set(err, "the system has no random numbers");
	}
	return true;
}

struct peer_link *peer_link_new(const struct peer_link_params *params, struct lb_err *err)
{
	struct peer_link *l = calloc(1, sizeof(*l));
	struct lb_endpoint local = {
	    .addr = params->conf->nodes[params->own_node].address,
	    .port = params->conf->peer_port,
	};

	if (!l) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	l->params = *params;
	l->log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(10));
	l->drops_log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(2));
	for (size_t i = 0; i < PEER_DROP_COUNT_; i++)
		l->drop_log[i] = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(10));
	ev_init(&l->timer, on_timer);
	ev_init(&l->urgent, on_urgent);
	ev_init(&l->io, on_readable);
	l->timer.data = l->urgent.data = l->io.data = l;
	l->fd = -1;
	if (!peer_link_round_open(l, err) || (l->fd = udp_sock_open(&local, err)) < 0 || !draw_nonces(l, err)) {
		peer_link_free(l);
		return NULL;
	}
	return l;
}

void peer_link_start(struct peer_link *l)
{
	double every = lb_duration_seconds(interval(l));

	ev_io_set(&l->io, l->fd, EV_READ);
	ev_io_start(l->params.loop, &l->io);
	ev_timer_set(&l->timer, every, every);
	ev_timer_start(l->params.loop, &l->timer);
	detour_start(l->detour);
	peer_link_tell(l);
}

void peer_link_bind(struct peer_link *l, unsigned ifindex)
{
	detour_bind(l->detour, ifindex);
}

void peer_link_set_conf(struct peer_link *l, const struct lb_conf *conf)
{
	l->params.conf = conf;
	detour_set_conf(l->detour, conf);
	ev_timer_stop(l->params.loop, &l->timer);
	ev_timer_set(&l->timer, lb_duration_seconds(interval(l)), lb_duration_seconds(interval(l)));
	ev_timer_start(l->params.loop, &l->timer);
	peer_link_tell(l);
}

void peer_link_set_keys(struct peer_link *l, const struct peer_link_key *keys, size_t count)
{
	l->params.keys = keys;
	l->params.key_count = count;
}

void peer_link_free(struct peer_link *l)
{
	if (!l)
		return;
	ev_io_stop(l->params.loop, &l->io);
	ev_timer_stop(l->params.loop, &l->timer);
	ev_timer_stop(l->params.loop, &l->urgent);
	peer_link_round_close(l);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

const struct peer_facts *peer_link_facts(const struct peer_link *l, size_t node)
{
	return &l->peers[node].facts;
}

const struct peer_link_counters *peer_link_count(struct peer_link *l)
{
	l->counters.overflowed = sock_drops(l->fd);
	return &l->counters;
}
