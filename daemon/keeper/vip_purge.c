/* Removing what lbd left on this host; see vip.h. */
#include <errno.h>
#include <string.h>

#include "daemon/keeper/vip.h"

#define PURGE_MAX 128 /* a walk; more addresses than that are found by the next one */

struct purge {
	const struct lb_conf *conf;    /* NULL: only what carries our tag is known */
	unsigned ifindex[LB_VIPS_MAX]; /* of each VIP; 0 none */
	struct rtnl_address found[PURGE_MAX];
	size_t count;
};

static bool is_vip(const struct purge *p, const struct rtnl_address *a)
{
	if (!p->conf || a->prefix != lb_addr_size(&a->address) * 8)
		return false;
	for (size_t i = 0; i < p->conf->vip_count; i++)
		if (p->ifindex[i] == a->ifindex && lb_addr_equal(&p->conf->vips[i].address, &a->address))
			return true;
	return false;
}

static void on_address(void *ctx, const struct rtnl_address *a)
{
	struct purge *p = ctx;

	if ((a->tagged || is_vip(p, a)) && p->count < PURGE_MAX)
		p->found[p->count++] = *a;
}

struct owner_search {
	const struct lb_addr *own;
	unsigned ifindex;
};

static void on_owner(void *ctx, const struct rtnl_address *a)
{
	struct owner_search *s = ctx;

	if (lb_addr_equal(&a->address, s->own))
		s->ifindex = a->ifindex;
}

static int find_interfaces(struct rtnl *rtnl, struct purge *p, const struct lb_addr *own)
{
	struct owner_search search = {.own = own};
	int rc = rtnl_addresses(rtnl, 0, on_owner, &search);
	struct rtnl_link link;

	for (size_t i = 0; rc == 0 && i < p->conf->vip_count; i++) {
		const char *name = p->conf->vips[i].interface;
		p->ifindex[i] = search.ifindex;
		if (name[0] != '\0')
			p->ifindex[i] = rtnl_link_by_name(rtnl, name, &link) == 0 ? link.index : 0;
	}
	return rc;
}

int vip_purge(struct rtnl *rtnl, const struct lb_conf *conf, const struct lb_addr *own)
{
	struct purge p = {.conf = conf};
	int removed = 0, rc = conf ? find_interfaces(rtnl, &p, own) : 0;

	if (rc == 0)
		rc = rtnl_addresses(rtnl, 0, on_address, &p);
	for (size_t i = 0; rc == 0 && i < p.count; i++) {
		rc = rtnl_address_delete(rtnl, p.found[i].ifindex, &p.found[i].address, p.found[i].prefix);
		/* It may have expired by itself in between. */
		if (rc == -EADDRNOTAVAIL)
			rc = 0;
		else if (rc == 0)
			removed++;
	}
	return rc == 0 ? removed : rc;
}
