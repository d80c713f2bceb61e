#include "lib/view/view_metrics.h"

#include "lib/view/metric_text.h"
#include "lib/view/view_names.h"

static void add_build(struct lb_text *t, const struct lb_snapshot *s)
{
	char hash[VIEW_HASH_TEXT];

	metric_family(t, "lbd_build_info", "gauge", "Version and configuration that run; always 1.");
	lb_text_add(t, "lbd_build_info");
	metric_label(t, "version", s->version, true);
	metric_label(t, "cluster", s->cluster, false);
	metric_label(t, "node", s->node, false);
	metric_label(t, "config", view_hash_text(s->config_hash, hash), false);
	lb_text_add(t, "} 1\n");
	metric_single_seconds(t, "lbd_uptime_seconds", "Time since the proxy started.", s->uptime);
}

static void add_vips(struct lb_text *t, const struct lb_snapshot_keeper *k)
{
	char text[LB_ADDR_TEXT];

	metric_family(t, "lbd_vip_owner", "gauge", "1 while this node owns the VIP.");
	for (uint32_t i = 0; i < k->vip_count; i++)
		metric_labelled(t, "lbd_vip_owner", "vip", lb_addr_text(&k->vips[i].address, text),
				k->role == VRRP_ACTIVE);
	metric_family(t, "lbd_vip_present", "gauge", "1 while the address is on the interface.");
	for (uint32_t i = 0; i < k->vip_count; i++)
		metric_labelled(t, "lbd_vip_present", "vip", lb_addr_text(&k->vips[i].address, text),
				k->vips[i].present);
	metric_family(t, "lbd_vip_fenced", "gauge",
		      "1 while the kernel drops packets for the VIP: no lease is alive here.");
	for (uint32_t i = 0; i < k->vip_count; i++)
		metric_labelled(t, "lbd_vip_fenced", "vip", lb_addr_text(&k->vips[i].address, text), k->vips[i].fenced);
	metric_single(t, "lbd_vip_foreign_owner", "gauge",
		      "1 while a host that is not of this cluster answers for a VIP.", k->foreign_owner);
}

static void add_election(struct lb_text *t, const struct lb_snapshot_keeper *k)
{
	metric_single(t, "lbd_election_state", "gauge", "0 init, 1 backup, 2 active, 3 fault.", (uint64_t)k->role);
	metric_family(t, "lbd_election_transitions_total", "counter", "Changes of the election state by reason.");
	for (int r = VRRP_REASON_NONE + 1; r < VRRP_REASON_COUNT_; r++)
		metric_labelled(t, "lbd_election_transitions_total", "reason", vrrp_reason_name((enum vrrp_reason)r),
				k->transitions[r]);
	metric_single(t, "lbd_can_serve", "gauge", "1 while this node may own the VIP.", k->can_serve);
	metric_single(t, "lbd_standby", "gauge", "1 while this node is in standby.", k->standby);
	metric_single(t, "lbd_adverts_sent_total", "counter", "VRRP adverts sent.", k->adverts_sent);
	metric_single(t, "lbd_adverts_received_total", "counter", "VRRP datagrams read, dropped ones among them.",
		      k->adverts_received);
	metric_family(t, "lbd_adverts_accepted_total", "counter",
		      "VRRP adverts accepted, by what their checksum covers: an IP pseudo header too, or the message.");
	metric_labelled(t, "lbd_adverts_accepted_total", "checksum", "pseudo",
			k->adverts_accepted[VRRP_CHECKSUM_PSEUDO]);
	metric_labelled(t, "lbd_adverts_accepted_total", "checksum", "message",
			k->adverts_accepted[VRRP_CHECKSUM_MESSAGE]);
	metric_family(t, "lbd_adverts_dropped_total", "counter", "VRRP adverts not accepted, by reason.");
	for (int d = VRRP_OK + 1; d < VRRP_DROP_COUNT_; d++)
		metric_labelled(t, "lbd_adverts_dropped_total", "reason", vrrp_drop_name((enum vrrp_drop)d),
				k->adverts_dropped[d]);
	metric_family(t, "lbd_socket_overflows_total", "counter",
		      "Datagrams the kernel dropped because a socket was full.");
	metric_labelled(t, "lbd_socket_overflows_total", "socket", "adverts", k->adverts_overflowed);
	metric_labelled(t, "lbd_socket_overflows_total", "socket", "peer-link", k->peer_overflowed);
	metric_single(t, "lbd_announces_sent_total", "counter", "Gratuitous ARP and unsolicited NA frames sent.",
		      k->announces_sent);
	metric_single_seconds(t, "lbd_takeover_gap_seconds", "Last takeover: last advert heard to first announcement.",
			      k->last_gap);
	metric_family(t, "lbd_advert_jitter_seconds_max", "gauge",
		      "Longest delay of an advert: sent after it was due, received later than its interval.");
	metric_labelled_seconds(t, "lbd_advert_jitter_seconds_max", "direction", "sent", k->sent_jitter_max);
	metric_labelled_seconds(t, "lbd_advert_jitter_seconds_max", "direction", "received", k->heard_jitter_max);
}

static void add_moves(struct lb_text *t, const struct lb_snapshot_moves *m)
{
	metric_family(t, "lbd_sessions_moved_total", "counter",
		      "Sessions that went on behind the VIP on another node, and those that came here with it.");
	metric_labelled(t, "lbd_sessions_moved_total", "direction", "away", m->away);
	metric_labelled(t, "lbd_sessions_moved_total", "direction", "here", m->here);
	metric_family(t, "lbd_sessions_not_moved_total", "counter",
		      "Sessions that were reset when the VIP moved, by reason.");
	for (int i = 0; i < LB_MOVE_LOSSES_; i++)
		metric_labelled(t, "lbd_sessions_not_moved_total", "reason", lb_move_loss_name((enum lb_move_loss)i),
				m->lost[i]);
}

static void add_peers(struct lb_text *t, const struct lb_snapshot *s)
{
	const struct lb_snapshot_keeper *k = &s->keeper;
	bool mismatch = false;

	metric_family(t, "lbd_peer_heard_age_seconds", "gauge",
		      "Time since the last datagram of a node; absent if never heard.");
	for (uint32_t i = 0; i < k->node_count; i++) {
		const struct lb_snapshot_node *n = &k->nodes[i];

		mismatch = mismatch || (!n->self && n->heard && n->config_hash != s->config_hash);
		if (n->self || n->heard_age < 0)
			continue;
		lb_text_add(t, "lbd_peer_heard_age_seconds");
		metric_label(t, "node", n->name, true);
		lb_text_add(t, "}");
		metric_seconds(t, n->heard_age);
	}
	/* "hears_us" would be read as microseconds by those who judge names. */
	metric_family(t, "lbd_peer_hears_this_node", "gauge", "1 while the node confirms that it hears this one.");
	for (uint32_t i = 0; i < k->node_count; i++)
		if (!k->nodes[i].self)
			metric_labelled(t, "lbd_peer_hears_this_node", "node", k->nodes[i].name, k->nodes[i].hears_us);
	metric_family(t, "lbd_peer_state", "gauge",
		      "Role of a node as it is known here: 0 init, 1 backup, 2 active, 3 fault.");
	for (uint32_t i = 0; i < k->node_count; i++)
		if (!k->nodes[i].self)
			metric_labelled(t, "lbd_peer_state", "node", k->nodes[i].name, (uint64_t)k->nodes[i].role);
	metric_family(t, "lbd_peer_can_serve", "gauge", "1 while the node says that it may own the VIP.");
	for (uint32_t i = 0; i < k->node_count; i++)
		if (!k->nodes[i].self)
			metric_labelled(t, "lbd_peer_can_serve", "node", k->nodes[i].name, k->nodes[i].can_serve);
	metric_single(t, "lbd_peer_received_total", "counter", "Peer link datagrams read, dropped ones among them.",
		      k->peer_received);
	metric_family(t, "lbd_peer_dropped_total", "counter", "Peer link datagrams not accepted, by reason.");
	for (int d = PEER_OK + 1; d < PEER_DROP_COUNT_; d++)
		metric_labelled(t, "lbd_peer_dropped_total", "reason", peer_drop_name((enum peer_drop)d),
				k->peer_dropped[d]);
	metric_single(t, "lbd_config_mismatch", "gauge", "1 while a node that is heard runs another configuration.",
		      mismatch);
}

bool view_metrics(const struct lb_snapshot *s, struct lb_text *out)
{
	add_build(out, s);
	add_vips(out, &s->keeper);
	add_election(out, &s->keeper);
	add_moves(out, &s->keeper.moves);
	add_peers(out, s);
	view_metrics_services(out, s);
	view_metrics_servers(out, s);
	view_metrics_process(out, s);
	return !out->failed;
}
