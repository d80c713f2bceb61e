#include "daemon/proxy/control/conf_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"

/* Both processes read the same bytes from the start, wherever the other one's offset stands. */
static struct lb_conf *load_conf(int fd, struct lb_text *refusal)
{
	char *bytes = must(malloc(LB_CONF_BYTES_MAX + 1));
	static struct lb_conf_errors errors;
	struct lb_conf *conf = NULL;
	size_t len = 0;
	ssize_t n = 0;

	while (len <= LB_CONF_BYTES_MAX && (n = pread(fd, bytes + len, LB_CONF_BYTES_MAX + 1 - len, (off_t)len)) > 0)
		len += (size_t)n;
	if (n < 0) {
		lb_text_addf(refusal, "the configuration cannot be read: %s", strerror(errno));
		goto free_bytes;
	}
	memset(&errors, 0, sizeof(errors));
	conf = lb_conf_load(bytes, len, &errors);
	if (!conf)
		lb_conf_errors_text(&errors, "lbd.yaml", refusal);

free_bytes:
	free(bytes);
	return conf;
}

static size_t count_checks(const struct lb_conf *conf)
{
	size_t n = conf->service_count;

	for (size_t s = 0; s < conf->service_count; s++)
		for (size_t i = 0; i < conf->services[s].server_count; i++)
			n += conf->services[s].servers[i].check != conf->services[s].check;
	return n;
}

static bool add_plan(struct conf_set *set, const struct lb_conf_service *service, const struct lb_conf_check *check,
		     struct lb_text *refusal)
{
	struct lb_err err;

	if (check_plan_init(&set->plans[set->plan_count], check, &err)) {
		set->plan_count++;
		return true;
	}
	lb_text_addf(refusal, "%sservice %s: check: %s", refusal->len ? "\n" : "", service->name, err.text);
	return false;
}

/* Plans are looked up by their check, each time one is due. */
static int by_check(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct check_plan *)a)->check;
	uintptr_t y = (uintptr_t)((const struct check_plan *)b)->check;

	return (x > y) - (x < y);
}

/* Every file is tried, so that all that are wrong are told at once. */
static bool make_plans(struct conf_set *set, struct lb_text *refusal)
{
	bool ok = true;

	set->plans = must(calloc(count_checks(set->conf) + 1, sizeof(*set->plans)));
	for (size_t s = 0; s < set->conf->service_count; s++) {
		const struct lb_conf_service *service = &set->conf->services[s];

		ok &= add_plan(set, service, service->check, refusal);
		for (size_t i = 0; i < service->server_count; i++)
			if (service->servers[i].check != service->check)
				ok &= add_plan(set, service, service->servers[i].check, refusal);
	}
	qsort(set->plans, set->plan_count, sizeof(*set->plans), by_check);
	return ok;
}

static void make_networks(struct conf_set *set)
{
	set->networks = must(calloc(set->conf->service_count + 1, sizeof(*set->networks)));
	for (size_t s = 0; s < set->conf->service_count; s++) {
		const struct lb_conf_service *service = &set->conf->services[s];
		struct conf_set_networks *networks = &set->networks[s];

		if (service->allow_count + service->deny_count > 0)
			networks->clients = must(
			    admission_new(service->allow, service->allow_count, service->deny, service->deny_count));
		if (service->accept_proxy)
			networks->proxies =
			    must(admission_new(service->accept_proxy_from, service->accept_proxy_from_count, NULL, 0));
	}
}

static void free_networks(struct conf_set *set)
{
	for (size_t s = 0; set->networks && s < set->conf->service_count; s++) {
		admission_free(set->networks[s].clients);
		admission_free(set->networks[s].proxies);
	}
	free(set->networks);
}

struct conf_set *conf_set_load(int fd, uint32_t own_node, struct lb_text *refusal)
{
	struct conf_set *set = must(calloc(1, sizeof(*set)));

	set->holders = 1;
	set->own_node = own_node;
	set->conf = load_conf(fd, refusal);
	if (!set->conf)
		goto release_set;
	if (own_node >= set->conf->node_count) {
		lb_text_addf(refusal, "this node is not in the configuration");
		goto release_set;
	}
	make_networks(set);
	if (make_plans(set, refusal))
		return set;

release_set:
	conf_set_release(set);
	return NULL;
}

struct conf_set *conf_set_hold(struct conf_set *set)
{
	set->holders++;
	return set;
}

void conf_set_release(struct conf_set *set)
{
	if (!set || --set->holders > 0)
		return;
	for (size_t i = 0; i < set->plan_count; i++)
		check_plan_clear(&set->plans[i]);
	free(set->plans);
	free_networks(set);
	lb_conf_free(set->conf);
	free(set);
}

struct check_plan *conf_set_plan(const struct conf_set *set, const struct lb_conf_check *check)
{
	const struct check_plan key = {.check = check};

	return bsearch(&key, set->plans, set->plan_count, sizeof(*set->plans), by_check);
}

const struct conf_set_networks *conf_set_networks(const struct conf_set *set, const struct lb_conf_service *service)
{
	return &set->networks[service - set->conf->services];
}
