/* What the configuration means for the election, at start and in a running one. */
#include <stdio.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

#define STARTUP_DELAY_MAX LB_SEC(10)

void election_apply_conf(struct election *e, const struct lb_conf *conf, struct vrrp_params *params)
{
	const struct lb_conf_election *c = &conf->election;

	e->conf = conf;
	*params = (struct vrrp_params){
	    .version = c->protocol == LB_VRRP2 ? 2 : 3,
	    .priority = conf->nodes[e->own_node].priority,
	    .interval = c->interval,
	    .address = e->own,
	};
	params->startup_delay = lb_time_min(
	    2 * vrrp_active_down_interval(params->version, params->priority, params->interval), STARTUP_DELAY_MAX);

	e->policy = (struct vrrp_policy){
	    .version = params->version,
	    .vrid = c->vrid,
	    .interval = c->interval,
	    .auth_type = c->auth == LB_AUTH_PASSWORD,
	    .multicast = c->transport == LB_MULTICAST,
	    .own = &e->own,
	    .peers = e->peers,
	    .message_checksum = c->v3_checksum != LB_CHECKSUM_PSEUDO,
	    .pseudo_checksum = c->v3_checksum != LB_CHECKSUM_MESSAGE,
	};
	memcpy(e->policy.auth_data, e->secrets.password, sizeof(e->policy.auth_data));
	for (size_t i = 0; i < conf->node_count; i++)
		if (i != e->own_node)
			e->peers[e->policy.peer_count++] = conf->nodes[i].address;
}

static bool same_nodes(const struct lb_conf *a, const struct lb_conf *b)
{
	if (a->node_count != b->node_count)
		return false;
	for (size_t i = 0; i < a->node_count; i++)
		if (strcmp(a->nodes[i].name, b->nodes[i].name) != 0 ||
		    !lb_addr_equal(&a->nodes[i].address, &b->nodes[i].address))
			return false;
	return true;
}

/* The first setting that only a restart can change, or NULL. */
static const char *fixed_setting(const struct lb_conf *a, const struct lb_conf *b)
{
	const struct lb_conf_election *x = &a->election, *y = &b->election;

	if (strcmp(a->cluster, b->cluster) != 0)
		return "cluster";
	if (!same_nodes(a, b))
		return "nodes";
	if (strcmp(a->key_file, b->key_file) != 0)
		return "key_file";
	if (a->peer_port != b->peer_port)
		return "peer_port";
	if (x->vrid != y->vrid)
		return "election.vrid";
	if (x->protocol != y->protocol)
		return "election.protocol";
	if (x->transport != y->transport)
		return "election.transport";
	if (x->auth != y->auth)
		return "election.auth";
	if (strcmp(x->password_file, y->password_file) != 0)
		return "election.password_file";
	return x->fence != y->fence ? "election.fence" : NULL;
}

bool election_prepare_conf(struct election *e, const struct lb_conf *conf, struct lb_err *err)
{
	const char *fixed = fixed_setting(e->conf, conf);

	if (fixed)
		return lb_err_set(err, "%s cannot change in a running daemon; restart it: systemctl restart lbd",
				  fixed);
	return vip_check_conf(e->vips, conf, err) && election_secret_renew(conf, &e->secrets, &e->next_secrets, err);
}

static bool same_vips(const struct lb_conf *a, const struct lb_conf *b)
{
	if (a->vip_count != b->vip_count)
		return false;
	for (size_t i = 0; i < a->vip_count; i++)
		if (!lb_addr_equal(&a->vips[i].address, &b->vips[i].address) ||
		    strcmp(a->vips[i].interface, b->vips[i].interface) != 0)
			return false;
	return true;
}

static void change_vips(struct election *e, const struct lb_conf *conf)
{
	struct lb_addr vips[LB_VIPS_MAX];

	vip_set_conf(e->vips, conf);
	for (size_t i = 0; i < vip_count(e->vips); i++)
		vips[i] = *vip_address(e->vips, i);
	fence_set_vips(e->fence, vips, vip_count(e->vips), clock_now());
	announce_watch_renew(e->watch);
	if (e->holding)
		announce_start(e->announce);
}

/* Take the secrets that were prepared. Who is Active does not depend on them. */
static void change_secrets(struct election *e)
{
	uint8_t before = e->secrets.vrrp_keys[0].id, after = e->next_secrets.vrrp_keys[0].id;
	char from[24], to[24];

	if (before != after || e->secrets.key_count != e->next_secrets.key_count) {
		lb_notice("key id=%u -> id=%u accepted=%zu", before, after, e->next_secrets.key_count);
		snprintf(from, sizeof(from), "id %u", before);
		snprintf(to, sizeof(to), "id %u", after);
		election_view_record(e, "config", "key", from, to, "reload", 0);
	}
	e->secrets = e->next_secrets;
	explicit_bzero(&e->next_secrets, sizeof(e->next_secrets));
	peer_link_set_keys(e->peer_link, e->secrets.keys, e->secrets.key_count);
}

void election_set_conf(struct election *e, const struct lb_conf *conf)
{
	bool other_vips = !same_vips(e->conf, conf);
	struct vrrp_params params;

	change_secrets(e);
	election_apply_conf(e, conf, &params);
	vrrp_fsm_set_params(&e->fsm, &params, clock_now());
	if (other_vips)
		change_vips(e, conf);
	peer_link_set_conf(e->peer_link, conf);
	election_resume_keep(e);
	election_rearm(e);
	election_judge_soon(e);
}
