/*
 * A loaded configuration and what was prepared from it. Views of workers and running checks point into it, so it is
 * counted: whoever keeps such a pointer holds the set. Control thread only.
 */
#ifndef CONTROL_CONF_SET_H
#define CONTROL_CONF_SET_H

#include <lb/admission.h>
#include <lb/conf.h>
#include <lb/text.h>

#include "daemon/proxy/control/check_plan.h"

/* Who may come to a service. */
struct conf_set_networks {
	struct admission *clients; /* by allow and deny; NULL: everybody */
	struct admission *proxies; /* by accept_proxy_from; NULL: nobody */
};

struct conf_set {
	struct lb_conf *conf;
	struct check_plan *plans; /* one for each service's check and for each server's own */
	size_t plan_count;
	struct conf_set_networks *networks; /* for each service */
	uint32_t own_node;
	unsigned holders;
};

/*
 * Read, parse and judge the file behind fd (not closed) and open the files of its checks. The result is held once, by
 * the caller. NULL with every reason in *refusal.
 */
struct conf_set *conf_set_load(int fd, uint32_t own_node, struct lb_text *refusal);

struct conf_set *conf_set_hold(struct conf_set *set);
/* Frees with the last holder; NULL is fine. */
void conf_set_release(struct conf_set *set);

/* The networks of a service of this configuration. */
const struct conf_set_networks *conf_set_networks(const struct conf_set *set, const struct lb_conf_service *service);

/* The plan of a check of this configuration; checks renew it. */
struct check_plan *conf_set_plan(const struct conf_set *set, const struct lb_conf_check *check);

#endif
