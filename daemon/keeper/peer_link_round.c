/* The way round: an owner of which nothing comes directly is asked for by way of the servers, and answers so. */
#include <string.h>

#include "daemon/keeper/peer_link_state.h"
#include "daemon/sys/clock.h"

#define ASK_MIN LB_MSEC(10)

/* ---- out ---- */

/* Everybody may ping: without a key nothing that comes this way is worth anything. */
static void send_round(struct peer_link *l, size_t node)
{
	size_t len;

	if (l->params.key_count == 0)
		return;
	peer_link_fill(l, PEER_HEARTBEAT, 0, NULL);
	len = peer_link_stamp(l, node);
	if (len > 0)
		detour_send(l->detour, &l->params.conf->nodes[node].address, l->buf, len);
}

/* Adverts come more often than messages where the interval is short. */
static lb_duration beat(const struct peer_link *l)
{
	return lb_time_min(l->params.conf->election.interval, PEER_LINK_INTERVAL_MAX);
}

lb_time peer_link_round_silent_from(const struct peer_link *l, size_t node)
{
	return l->peers[node].direct_at + beat(l) * 3 / 2;
}

static bool is_asked_for(const struct peer_link *l, size_t node)
{
	const struct peer_facts *facts = &l->peers[node].facts;

	return !l->owner && node != l->params.own_node && facts->heard && facts->last.state == VRRP_ACTIVE;
}

static void ask(struct peer_link *l)
{
	lb_time now = clock_now(), again = now + lb_time_max(beat(l) / 4, ASK_MIN), next = LB_TIME_NEVER;

	for (size_t i = 0; i < l->params.conf->node_count; i++) {
		lb_time silent_from = peer_link_round_silent_from(l, i);

		if (!is_asked_for(l, i))
			continue;
		if (now >= silent_from)
			send_round(l, i);
		next = lb_time_min(next, now >= silent_from ? again : silent_from);
	}
	ev_timer_stop(l->params.loop, &l->ask);
	if (next == LB_TIME_NEVER)
		return;
	ev_now_update(l->params.loop);
	ev_timer_set(&l->ask, lb_duration_seconds(next - now), 0.);
	ev_timer_start(l->params.loop, &l->ask);
}

static void on_ask(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	ask(w->data);
}

void peer_link_round_look(struct peer_link *l)
{
	if (!ev_is_active(&l->ask))
		ask(l);
}

/* ---- in ---- */

static int node_by_name(const struct peer_link *l, const char *name)
{
	for (size_t i = 0; i < l->params.conf->node_count; i++)
		if (i != l->params.own_node && strcmp(l->params.conf->nodes[i].name, name) == 0)
			return (int)i;
	return -1;
}

/*
 * Only the key tells who speaks, and only a question is answered: two owners have other ways to find each other. A
 * message that came another way before is dropped like any old one.
 */
static void on_detoured(void *ctx, const uint8_t *bytes, size_t len, lb_time at)
{
	struct peer_link *l = ctx;
	int node;

	if (l->params.key_count == 0 || peer_link_decode(l, bytes, len) != PEER_OK ||
	    (node = node_by_name(l, l->in.node)) < 0)
		return;
	l->counters.received++;
	if (peer_link_take(l, node, at, true) == PEER_OK && l->owner && l->in.state != VRRP_ACTIVE)
		send_round(l, (size_t)node);
}

/* ---- life ---- */

bool peer_link_round_open(struct peer_link *l, struct lb_err *err)
{
	const struct detour_params params = {.loop = l->params.loop, .heard = on_detoured, .ctx = l};

	ev_init(&l->ask, on_ask);
	l->ask.data = l;
	l->detour = detour_new(&params);
	if (!l->detour)
		return lb_err_set(err, "out of memory");
	detour_set_conf(l->detour, l->params.conf);
	return true;
}

void peer_link_round_close(struct peer_link *l)
{
	ev_timer_stop(l->params.loop, &l->ask);
	detour_free(l->detour);
}
