/* Cleaning up without a daemon: whatever happened before, afterwards this node does not hold the VIP. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"

/* Adverts of priority 0 alone: the peers take over after their skew time, which is shorter than any conversation. */
static void tell_peers(const struct lb_conf *conf, size_t own_node)
{
	struct election e = {.own_node = own_node, .own = conf->nodes[own_node].address, .vrrp_fd = -1};
	struct vrrp_params params;
	struct lb_err err;

	if (!election_secret_read(conf, &e.secrets, &err)) {
		lb_warning("peers are not told: %s", err.text);
		return;
	}
	election_apply_conf(&e, conf, &params);
	vrrp_fsm_init(&e.fsm, &params);
	e.send_log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(1));
	e.vips = vip_new(&(struct vip_params){.conf = conf, .own = e.own}, &err);
	if (e.vips && election_advert_open(&e, &err)) {
		election_advert_join(&e);
		election_advert_send(&e, 0);
	} else {
		lb_warning("peers are not told: %s", err.text);
	}
	if (e.vrrp_fd >= 0)
		close(e.vrrp_fd);
	vip_free(e.vips);
}

bool election_resign(const struct lb_conf *conf, size_t own_node, struct lb_err *err)
{
	struct rtnl *rtnl;
	int removed;

	if (!fence_purge_allowed(err))
		return false;
	rtnl = rtnl_open(err);
	if (!rtnl)
		return false;
	removed = vip_purge(rtnl, conf, conf ? &conf->nodes[own_node].address : NULL);
	rtnl_close(rtnl);
	if (removed < 0)
		return lb_err_errno(err, -removed, "cannot remove the VIP from this node");
	if (removed > 0) {
		lb_notice("resigned addresses=%d", removed);
		if (conf)
			tell_peers(conf, own_node);
	} else
		lb_notice("resign found no address of lbd on this node");
	return fence_purge(err);
}
