#include "daemon/keeper/vip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>
#include <lb/ratelimit.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/rtnl_monitor.h"

struct vip {
	struct lb_addr address;
	bool named; /* the configuration names the interface; else it is the own one */
	bool present;
	bool seen;	       /* scratch of an audit */
	struct rtnl_link link; /* its name stays when the interface goes */
};

struct vip_table {
	struct vip_params params;
	struct rtnl *rtnl;
	struct rtnl_monitor *monitor;
	ev_io watcher;
	struct rtnl_link own_link;
	struct vip vips[LB_VIPS_MAX];
	size_t count;
	bool taken;
	lb_time removals[VIP_REMOVALS_MAX]; /* ring */
	size_t removal_count;		    /* of all times */
	lb_time lost_until;
	struct ratelimit log, removal_log;
};

static uint8_t host_prefix(const struct lb_addr *address)
{
	return (uint8_t)(lb_addr_size(address) * 8);
}

/* ---- finding interfaces ---- */

struct search {
	const struct lb_addr *address;
	unsigned ifindex;
};

static void on_candidate(void *ctx, const struct rtnl_address *a)
{
	struct search *search = ctx;

	if (lb_addr_equal(&a->address, search->address))
		search->ifindex = a->ifindex;
}

static int find_own_link(struct rtnl *rtnl, const struct lb_addr *own, struct rtnl_link *out)
{
	struct search search = {.address = own};
	int rc = rtnl_addresses(rtnl, 0, on_candidate, &search);

	if (rc != 0)
		return rc;
	return search.ifindex ? rtnl_link_by_index(rtnl, search.ifindex, out) : -EADDRNOTAVAIL;
}

static bool resolve_vip(struct vip_table *t, const struct lb_conf_vip *conf, struct vip *out, struct lb_err *err)
{
	char text[LB_ADDR_TEXT];
	int rc;

	*out = (struct vip){.address = conf->address, .named = conf->interface[0] != '\0'};
	if (!out->named) {
		out->link = t->own_link;
		return true;
	}
	rc = rtnl_link_by_name(t->rtnl, conf->interface, &out->link);
	if (rc != 0)
		return lb_err_errno(err, -rc, "interface %s of VIP %s cannot be used", conf->interface,
				    lb_addr_text(&conf->address, text));
	return true;
}

/* ---- life ---- */

struct vip_table *vip_new(const struct vip_params *params, struct lb_err *err)
{
	struct vip_table *t = calloc(1, sizeof(*t));
	char text[LB_ADDR_TEXT];
	int rc;

	if (!t) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	t->params = *params;
	t->params.conf = NULL;
	t->log = (struct ratelimit)RATELIMIT_INIT(5, LB_SEC(10));
	t->removal_log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(1));
	t->rtnl = rtnl_open(err);
	t->monitor = t->rtnl ? rtnl_monitor_open(err) : NULL;
	if (!t->monitor)
		goto free_table;
	rc = find_own_link(t->rtnl, &params->own, &t->own_link);
	if (rc != 0) {
		lb_err_errno(err, -rc, "no interface carries this node's address %s", lb_addr_text(&params->own, text));
		goto free_table;
	}
	for (size_t i = 0; i < params->conf->vip_count; i++)
		if (!resolve_vip(t, &params->conf->vips[i], &t->vips[t->count++], err))
			goto free_table;
	return t;

free_table:
	vip_free(t);
	return NULL;
}

static void on_monitor(struct ev_loop *loop, ev_io *w, int revents);

bool vip_start(struct vip_table *t, const struct lb_conf *conf, struct lb_err *err)
{
	int removed = conf ? vip_purge(t->rtnl, conf, &t->params.own) : 0;

	if (removed < 0)
		return lb_err_errno(err, -removed, "cannot remove the addresses of a former run");
	if (removed > 0)
		lb_notice("vip leftovers removed count=%d", removed);
	ev_io_init(&t->watcher, on_monitor, rtnl_monitor_fd(t->monitor), EV_READ);
	t->watcher.data = t;
	ev_io_start(t->params.loop, &t->watcher);
	return true;
}

void vip_free(struct vip_table *t)
{
	if (!t)
		return;
	if (ev_is_active(&t->watcher))
		ev_io_stop(t->params.loop, &t->watcher);
	rtnl_monitor_close(t->monitor);
	rtnl_close(t->rtnl);
	free(t);
}

/* ---- taking, renewing, releasing ---- */

static bool set_address(struct vip_table *t, struct vip *v)
{
	uint32_t life = t->params.forever ? RTNL_FOREVER : VIP_LIFE_SECONDS;
	int rc = v->link.index ? rtnl_address_set(t->rtnl, v->link.index, &v->address, life) : -ENODEV;
	char text[LB_ADDR_TEXT];

	v->present = rc == 0;
	if (rc != 0 && ratelimit_ok(&t->log, clock_now()))
		lb_error("vip %s cannot be set interface=%s: %s", lb_addr_text(&v->address, text), v->link.name,
			 strerror(-rc));
	return rc == 0;
}

static void delete_address(struct vip_table *t, struct vip *v)
{
	int rc = v->link.index ? rtnl_address_delete(t->rtnl, v->link.index, &v->address, host_prefix(&v->address))
			       : -ENODEV;
	char text[LB_ADDR_TEXT];

	v->present = false;
	if (rc != 0 && rc != -EADDRNOTAVAIL && rc != -ENODEV)
		lb_error("vip %s cannot be removed interface=%s: %s", lb_addr_text(&v->address, text), v->link.name,
			 strerror(-rc));
}

bool vip_take(struct vip_table *t)
{
	bool ok = true;

	t->taken = true;
	for (size_t i = 0; i < t->count; i++)
		ok &= set_address(t, &t->vips[i]);
	return ok;
}

void vip_release(struct vip_table *t)
{
	t->taken = false;
	for (size_t i = 0; i < t->count; i++)
		delete_address(t, &t->vips[i]);
}

/* ---- noticing ---- */

static void note_removal(struct vip_table *t, struct vip *v)
{
	lb_time now = clock_now();
	char text[LB_ADDR_TEXT];

	/* Whoever flushes an interface goes on until nothing is left: one removal, however fast the address is back. */
	if (t->removal_count > 0 && now - t->removals[(t->removal_count - 1) % VIP_REMOVALS_MAX] < VIP_REMOVALS_APART)
		return;
	if (ratelimit_ok(&t->removal_log, now))
		lb_warning("vip %s was removed by somebody else interface=%s; adding it again",
			   lb_addr_text(&v->address, text), v->link.name);
	t->removals[t->removal_count++ % VIP_REMOVALS_MAX] = now;
	if (t->removal_count < VIP_REMOVALS_MAX)
		return;
	/* The ring is full, so the next entry to be overwritten is the oldest. */
	if (now - t->removals[t->removal_count % VIP_REMOVALS_MAX] <= VIP_REMOVALS_WINDOW) {
		lb_error("vip %s keeps being removed: giving it up", lb_addr_text(&v->address, text));
		t->lost_until = now + VIP_LOST_HOLD;
		t->removal_count = 0;
		t->params.hooks.changed(t->params.hooks.ctx);
	}
}

static void on_own_address(void *ctx, const struct rtnl_address *a)
{
	struct vip_table *t = ctx;

	for (size_t i = 0; i < t->count; i++)
		if (t->vips[i].link.index == a->ifindex && lb_addr_equal(&t->vips[i].address, &a->address))
			t->vips[i].seen = t->taken || a->tagged;
}

static void repair(struct vip_table *t, size_t i)
{
	struct vip *v = &t->vips[i];

	if (!t->taken) {
		/* Ours although we are not the owner: a removal failed. */
		if (v->seen)
			delete_address(t, v);
		return;
	}
	if (v->seen) {
		set_address(t, v);
		return;
	}
	/* An interface without carrier or gone is another story, told by vip_links_up. */
	bool removed = v->present && v->link.up;
	if (removed)
		note_removal(t, v);
	if (t->taken && set_address(t, v) && removed)
		t->params.hooks.readded(t->params.hooks.ctx, i);
}

/* Look at the interfaces of the VIPs, each once: hosts may have thousands of addresses on others. */
static int look(struct vip_table *t)
{
	int rc = 0;

	for (size_t i = 0; i < t->count; i++)
		t->vips[i].seen = false;
	for (size_t i = 0; rc == 0 && i < t->count; i++) {
		bool looked = t->vips[i].link.index == 0;
		for (size_t k = 0; k < i; k++)
			looked |= t->vips[k].link.index == t->vips[i].link.index;
		if (!looked)
			rc = rtnl_addresses(t->rtnl, t->vips[i].link.index, on_own_address, t);
	}
	return rc;
}

void vip_audit(struct vip_table *t)
{
	int rc;

	if (t->lost_until != 0 && clock_now() >= t->lost_until) {
		t->lost_until = 0;
		t->params.hooks.changed(t->params.hooks.ctx);
	}
	rc = look(t);
	if (rc != 0 && ratelimit_ok(&t->log, clock_now()))
		lb_error("vip addresses cannot be listed: %s", strerror(-rc));
	for (size_t i = 0; rc == 0 && i < t->count; i++)
		repair(t, i);
}

static void on_address(void *ctx, const struct rtnl_address *a, bool gone)
{
	struct vip_table *t = ctx;

	if (!gone || !t->taken)
		return;
	for (size_t i = 0; i < t->count; i++)
		if (t->vips[i].link.index == a->ifindex && lb_addr_equal(&t->vips[i].address, &a->address)) {
			/* The message may be older than our own latest step, so the kernel is asked. */
			vip_audit(t);
			return;
		}
}

static bool same_link(const struct rtnl_link *a, const struct rtnl_link *b)
{
	return a->index == b->index && strcmp(a->name, b->name) == 0 && a->up == b->up && a->has_mac == b->has_mac &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

/* Take over what the kernel says of one link; true when something changed for us. */
static bool update_link(struct rtnl_link *known, const struct rtnl_link *link, bool gone, bool by_name)
{
	bool same = known->index == link->index, named = strcmp(known->name, link->name) == 0;
	struct rtnl_link before = *known;

	if (same && (gone || (by_name && !named))) {
		known->index = 0;
		known->up = false;
	} else if (!gone && (same || (known->index == 0 && named))) {
		*known = *link;
	}
	return !same_link(&before, known);
}

static void on_link(void *ctx, const struct rtnl_link *link, bool gone)
{
	struct vip_table *t = ctx;
	bool changed = update_link(&t->own_link, link, gone, false);

	for (size_t i = 0; i < t->count; i++)
		changed |= update_link(&t->vips[i].link, link, gone, t->vips[i].named);
	if (changed) {
		lb_notice("interface %s %s", link->name, gone ? "is gone" : link->up ? "is up" : "is down");
		t->params.hooks.changed(t->params.hooks.ctx);
	}
}

static void refresh_link(struct vip_table *t, const struct rtnl_link *known)
{
	struct rtnl_link now = *known;
	int rc = rtnl_link_by_name(t->rtnl, known->name, &now);

	if (rc == 0)
		on_link(t, &now, false);
	else if (known->index != 0)
		on_link(t, &now, true);
}

static void on_overrun(void *ctx)
{
	struct vip_table *t = ctx;

	refresh_link(t, &t->own_link);
	for (size_t i = 0; i < t->count; i++)
		refresh_link(t, &t->vips[i].link);
	vip_audit(t);
}

static void on_monitor(struct ev_loop *loop, ev_io *w, int revents)
{
	struct vip_table *t = w->data;
	const struct rtnl_handlers handlers = {
	    .link = on_link,
	    .address = on_address,
	    .overrun = on_overrun,
	    .ctx = t,
	};

	(void)loop;
	(void)revents;
	rtnl_monitor_read(t->monitor, &handlers);
}

/* ---- facts ---- */

bool vip_links_up(const struct vip_table *t)
{
	bool up = t->own_link.up;

	for (size_t i = 0; i < t->count; i++)
		up &= t->vips[i].link.up;
	return up;
}

bool vip_lost(const struct vip_table *t)
{
	return t->lost_until != 0;
}

size_t vip_count(const struct vip_table *t)
{
	return t->count;
}

const struct lb_addr *vip_address(const struct vip_table *t, size_t vip)
{
	return &t->vips[vip].address;
}

const struct rtnl_link *vip_link(const struct vip_table *t, size_t vip)
{
	return &t->vips[vip].link;
}

unsigned vip_common_link(const struct vip_table *t)
{
	unsigned index = t->count > 0 ? t->vips[0].link.index : 0;

	for (size_t i = 1; i < t->count; i++)
		if (t->vips[i].link.index != index)
			return 0;
	return index;
}

bool vip_present(const struct vip_table *t, size_t vip)
{
	return t->vips[vip].present;
}

const struct rtnl_link *vip_own_link(const struct vip_table *t)
{
	return &t->own_link;
}

/* ---- another list ---- */

static const struct vip *find(const struct vip *vips, size_t count, const struct lb_addr *address, unsigned ifindex)
{
	for (size_t i = 0; i < count; i++)
		if (vips[i].link.index == ifindex && lb_addr_equal(&vips[i].address, address))
			return &vips[i];
	return NULL;
}

bool vip_check_conf(struct vip_table *t, const struct lb_conf *conf, struct lb_err *err)
{
	struct vip vip;

	for (size_t i = 0; i < conf->vip_count; i++)
		if (!resolve_vip(t, &conf->vips[i], &vip, err))
			return false;
	return true;
}

void vip_set_conf(struct vip_table *t, const struct lb_conf *conf)
{
	struct vip next[LB_VIPS_MAX];
	struct lb_err err;
	size_t count = 0;

	for (size_t i = 0; i < conf->vip_count; i++) {
		/* Its interface may have gone since it was checked. */
		if (!resolve_vip(t, &conf->vips[i], &next[count], &err)) {
			lb_error("%s", err.text);
			continue;
		}
		const struct vip *same = find(t->vips, t->count, &next[count].address, next[count].link.index);
		next[count++].present = same && same->present;
	}
	for (size_t i = 0; i < t->count; i++)
		if (t->taken && !find(next, count, &t->vips[i].address, t->vips[i].link.index))
			delete_address(t, &t->vips[i]);
	memcpy(t->vips, next, count * sizeof(next[0]));
	t->count = count;
	if (t->taken)
		vip_take(t);
}
