/* Logs, events for the recorder, and the picture for status. */
#include <stdio.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"
#include "daemon/sys/process_use.h"
#include "daemon/sys/sock_drops.h"

void election_view_record(struct election *e, const char *kind, const char *subject, const char *from, const char *to,
			  const char *reason, lb_duration duration)
{
	struct lb_event event = {.at = clock_wall(), .duration = duration};

	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	snprintf(event.subject, sizeof(event.subject), "%s", subject);
	snprintf(event.from, sizeof(event.from), "%s", from);
	snprintf(event.to, sizeof(event.to), "%s", to);
	snprintf(event.reason, sizeof(event.reason), "%s", reason);
	e->params.hooks.event(e->params.hooks.ctx, &event);
}

/* A fault's reason is general; what stands in the way is the obstacle. */
static const char *reason_text(const struct election *e)
{
	if (e->fsm.state == VRRP_FAULT && e->fsm.reason == VRRP_REASON_CANNOT_SERVE)
		return ownership_obstacle_name(e->verdict.obstacle);
	return vrrp_reason_name(e->fsm.reason);
}

void election_view_on_role(struct election *e)
{
	const char *from = vrrp_state_name(e->fsm.previous), *to = vrrp_state_name(e->fsm.state);
	lb_duration took = clock_now() - e->fsm.since;
	/* What people ask of a takeover is for how long the VIP was nobody's. */
	bool taken = e->fsm.state == VRRP_ACTIVE && e->last_gap > 0;

	e->since = clock_wall();
	e->counters.transitions[e->fsm.reason]++;
	lb_notice("role %s -> %s reason=%s took=%.2fms gap=%.2fms", from, to, reason_text(e), lb_duration_ms(took),
		  taken ? lb_duration_ms(e->last_gap) : 0.);
	election_view_record(e, "vip", "vip", from, to, reason_text(e), taken ? e->last_gap : took);
}

void election_view_on_taken(struct election *e)
{
	lb_time owned = lb_time_max(e->fsm.last_advert, e->released_at);

	e->last_gap = owned != 0 ? clock_now() - owned : 0;
}

static void view_node(struct election *e, size_t i, struct lb_snapshot_node *out)
{
	const struct peer_facts *facts = peer_link_facts(e->peer_link, i);
	bool self = i == e->own_node;
	lb_time now = clock_now();

	memcpy(out->name, e->conf->nodes[i].name, sizeof(out->name));
	out->address = e->conf->nodes[i].address;
	out->self = self;
	out->role = self ? e->fsm.state : facts->last.state;
	out->can_serve = self ? e->verdict.can_serve : facts->heard && facts->last.can_serve;
	out->standby = self ? e->standby : facts->last.standby;
	out->priority = self || facts->proven ? facts->last.priority : 0;
	if (self)
		out->priority = e->fsm.params.priority;
	out->heard = facts->heard;
	out->heard_age = facts->proven ? now - facts->heard_at : -1;
	out->advert_age = e->nodes[i].advert_at != 0 ? now - e->nodes[i].advert_at : -1;
	out->hears_us = facts->hears_us;
	out->config_hash = self ? e->conf->hash : facts->last.config_hash;
	out->ready_servers = self ? e->health.ready_servers : facts->last.ready_servers;
	out->total_servers = self ? e->health.total_servers : facts->last.total_servers;
	memcpy(out->version, facts->last.version, sizeof(out->version));
	if (self)
		snprintf(out->version, sizeof(out->version), "%s", LB_VERSION);
	/* A node that speaks VRRP alone says its role by advertising. */
	if (!self && !facts->heard && election_peers_owner(e) == (int)i)
		out->role = VRRP_ACTIVE;
}

static void view_vip(const struct election *e, size_t i, struct lb_snapshot_vip *out)
{
	out->address = *vip_address(e->vips, i);
	snprintf(out->interface, sizeof(out->interface), "%s", vip_link(e->vips, i)->name);
	out->present = vip_present(e->vips, i);
	out->fenced = !fence_open(e->fence, clock_now());
}

static void view_counters(struct election *e, struct lb_snapshot_keeper *out)
{
	const struct peer_link_counters *link = peer_link_count(e->peer_link);

	out->adverts_sent = e->counters.adverts_sent;
	out->adverts_received = e->counters.adverts_received;
	memcpy(out->adverts_dropped, e->counters.dropped, sizeof(out->adverts_dropped));
	memcpy(out->adverts_accepted, e->counters.accepted, sizeof(out->adverts_accepted));
	memcpy(out->transitions, e->counters.transitions, sizeof(out->transitions));
	out->adverts_overflowed = sock_drops(e->vrrp_fd);
	out->peer_received = link->received;
	out->peer_overflowed = link->overflowed;
	memcpy(out->peer_dropped, link->dropped, sizeof(out->peer_dropped));
	out->moves = e->moves;
	out->announces_sent = announce_sent(e->announce);
	out->last_gap = e->last_gap;
	out->loop_stall_max = e->stall_max;
	out->sent_jitter_max = e->sent_jitter_max;
	out->heard_jitter_max = e->heard_jitter_max;
}

void election_snapshot(struct election *e, struct lb_snapshot_keeper *out)
{
	int owner = election_peers_owner(e);

	out->role = e->fsm.state;
	out->reason = e->fsm.reason;
	out->since = e->since;
	out->obstacle = e->verdict.obstacle;
	out->standby = e->standby;
	out->can_serve = e->verdict.can_serve;
	out->has_key = e->secrets.key_count > 0;
	snprintf(out->owner, sizeof(out->owner), "%s", owner >= 0 ? e->conf->nodes[owner].name : "");
	out->node_count = (uint32_t)e->conf->node_count;
	for (size_t i = 0; i < e->conf->node_count; i++)
		view_node(e, i, &out->nodes[i]);
	out->vip_count = (uint32_t)vip_count(e->vips);
	for (size_t i = 0; i < vip_count(e->vips); i++)
		view_vip(e, i, &out->vips[i]);
	view_counters(e, out);
	process_use_fill(&out->process);
	out->fence_in_force = fence_in_force(e->fence);
	out->foreign_owner = e->foreign_until != 0;
	memcpy(out->foreign_mac, e->foreign_mac, sizeof(out->foreign_mac));
}

bool election_owns(const struct election *e)
{
	return e->fsm.state == VRRP_ACTIVE;
}
