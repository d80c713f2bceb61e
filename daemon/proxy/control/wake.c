#include "daemon/proxy/control/wake.h"

#include <stdlib.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/wake_state.h"

struct wake *wake_new(const struct wake_params *params)
{
	struct wake *w = must(calloc(1, sizeof(*w)));

	w->params = *params;
	w->role = VRRP_INIT;
	for (uint32_t i = 0; i < LB_NODES_MAX; i++)
		w->peers[i].wake = w;
	wake_out_init(w);
	wake_in_init(w);
	return w;
}

void wake_set_channel(struct wake *w, struct channel *channel)
{
	w->channel = channel;
}

/* Nodes do not change places in a running daemon, but they may come, go and get other addresses. */
static bool same_nodes(const struct lb_conf *a, const struct lb_conf *b)
{
	if (a->node_count != b->node_count || a->peer_port != b->peer_port)
		return false;
	for (size_t i = 0; i < a->node_count; i++)
		if (!lb_addr_equal(&a->nodes[i].address, &b->nodes[i].address))
			return false;
	return true;
}

static void begin_anew(struct wake *w)
{
	wake_out_close(w);
	if (w->role == VRRP_ACTIVE)
		wake_out_begin(w);
}

void wake_set_conf(struct wake *w, const struct lb_conf *conf, uint32_t own_node)
{
	bool same = w->conf != NULL && same_nodes(w->conf, conf) && w->own_node == own_node;

	w->conf = conf;
	w->own_node = own_node;
	if (same)
		return;
	wake_in_forget(w);
	begin_anew(w);
}

void wake_set_keys(struct wake *w, struct move_keys *keys)
{
	w->keys = keys;
	begin_anew(w);
}

/* Was the VIP given, with its sessions moved or ended by the one who gave it? */
static bool is_handed_over(enum vrrp_reason reason)
{
	return reason == VRRP_REASON_HANDOVER || reason == VRRP_REASON_RESUMED;
}

void wake_keeper_status(struct wake *w, const struct lb_snapshot_keeper *keeper)
{
	enum vrrp_state former = w->role;

	w->role = keeper->role;
	if (former != VRRP_ACTIVE && w->role == VRRP_ACTIVE) {
		if (!is_handed_over(keeper->reason))
			wake_in_wake(w);
		wake_in_forget(w);
		wake_out_begin(w);
	} else if (former == VRRP_ACTIVE && w->role != VRRP_ACTIVE) {
		wake_in_stop(w);
		wake_out_end(w);
	}
}

void wake_fill(const struct wake *w, struct lb_snapshot_wake *out)
{
	*out = (struct lb_snapshot_wake){
	    .possible = w->keys != NULL,
	    .told = w->told,
	    .woken_clients = w->woken_clients,
	    .woken_servers = w->woken_servers,
	    .segments = w->sent,
	    .failed = w->failed,
	    .dropped = w->dropped,
	};
	for (uint32_t i = 0; i < LB_NODES_MAX; i++) {
		out->listeners += w->peers[i].out_ready;
		out->held += w->peers[i].table.count;
	}
	for (uint32_t i = 0; i < IPC_WORKERS_MAX; i++)
		out->dropped += w->untold[i];
}

void wake_free(struct wake *w)
{
	if (w == NULL)
		return;
	wake_in_stop(w);
	wake_in_forget(w);
	wake_out_close(w);
	wake_out_free(w);
	free(w);
}
