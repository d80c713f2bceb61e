/*
 * The rules that need more than one value: a flat list of refusals, each with what was found and what to do. A value
 * alone was judged when it was read.
 */
#include <string.h>

#include <lb/conf.h>

#include "lib/core/conf_check.h"

#define REFUSE(mark, ...) lb_conf_errors_add(errors, (mark), __VA_ARGS__)

static const char *family_name(const struct lb_addr *addr)
{
	return addr->family == AF_INET6 ? "IPv6" : "IPv4";
}

/* ---- cluster ---- */

static void check_node_pair(const struct lb_conf_node *a, const struct lb_conf_node *b, struct lb_conf_errors *errors)
{
	char text[LB_ADDR_TEXT];

	if (strcmp(a->name, b->name) == 0)
		REFUSE(b->mark, "node \"%s\" is there twice; give each its own name", b->name);
	if (lb_addr_equal(&a->address, &b->address))
		REFUSE(b->mark, "node \"%s\" has the address %s of node \"%s\"; give each its own", b->name,
		       lb_addr_text(&b->address, text), a->name);
	if (a->priority == b->priority)
		REFUSE(b->mark,
		       "node \"%s\" has the priority %u of node \"%s\"; give each its own, 250, 240, … by default",
		       b->name, b->priority, a->name);
	if (a->address.family != b->address.family)
		REFUSE(b->mark, "node \"%s\" has an %s address and node \"%s\" an %s one; use one family", b->name,
		       family_name(&b->address), a->name, family_name(&a->address));
}

static void check_nodes(const struct lb_conf *conf, struct lb_conf_errors *errors)
{
	for (size_t b = 0; b < conf->node_count; b++)
		for (size_t a = 0; a < b; a++)
			check_node_pair(&conf->nodes[a], &conf->nodes[b], errors);
}

static void check_vip(const struct lb_conf *conf, size_t v, struct lb_conf_errors *errors)
{
	const struct lb_conf_vip *vip = &conf->vips[v];
	int node = lb_conf_node_by_addr(conf, &vip->address);
	char text[LB_ADDR_TEXT];

	lb_addr_text(&vip->address, text);
	if (node >= 0)
		REFUSE(vip->mark, "VIP %s is the address of node \"%s\"; use an address that no host has", text,
		       conf->nodes[node].name);
	for (size_t a = 0; a < v; a++)
		if (lb_addr_equal(&conf->vips[a].address, &vip->address))
			REFUSE(vip->mark, "VIP %s is there twice; remove one", text);

	/* RFC 9568 section 5.2.9: an advertisement carries addresses of the family it is sent with. */
	if (conf->node_count > 0 && vip->address.family != conf->nodes[0].address.family)
		REFUSE(vip->mark, "VIP %s is %s and the nodes have %s addresses; use one family", text,
		       family_name(&vip->address), family_name(&conf->nodes[0].address));
}

static void check_election(const struct lb_conf *conf, struct lb_conf_errors *errors)
{
	const struct lb_conf_election *e = &conf->election;
	bool v6 = conf->node_count > 0 && conf->nodes[0].address.family == AF_INET6;
	struct lb_mark timing = e->interval_mark.line ? e->interval_mark : e->protocol_mark;
	char text[LB_DURATION_TEXT];

	lb_duration_text(e->interval, text);
	/* RFC 3768 section 5.3.7: the interval is told in whole seconds. */
	if (e->protocol == LB_VRRP2 && e->interval % LB_SEC(1) != 0)
		REFUSE(timing, "\"interval\" is %s and vrrp2 counts whole seconds; set interval: 1s", text);
	/* RFC 3768 section 1: version 2 is for IPv4. */
	if (e->protocol == LB_VRRP2 && v6)
		REFUSE(e->protocol_mark, "\"protocol\" is vrrp2 and the nodes have IPv6 addresses; use vrrp3");
	if (e->auth == LB_AUTH_HMAC && conf->key_file[0] == '\0')
		REFUSE(e->auth_mark, "\"auth\" is hmac and there is no \"key_file\"; make one with: lbctl keygen FILE");
	if (e->auth == LB_AUTH_PASSWORD && e->protocol != LB_VRRP2)
		REFUSE(e->auth_mark, "\"auth\" is password, which only vrrp2 knows; use hmac with a key_file");
	if (e->auth == LB_AUTH_PASSWORD && e->password_file[0] == '\0')
		REFUSE(e->auth_mark, "\"auth\" is password and there is no \"password_file\"; add one");
	if (e->auth != LB_AUTH_PASSWORD && e->password_file[0] != '\0')
		REFUSE(e->password_file_mark,
		       "\"password_file\" has no use without \"auth: password\"; remove it or add that");
}

/* ---- services ---- */

static void check_check(const struct lb_conf_check *check, struct lb_mark mark, struct lb_conf_errors *errors)
{
	char fast[LB_DURATION_TEXT], slow[LB_DURATION_TEXT];

	if (check->fast_interval > check->interval)
		REFUSE(mark, "\"fast_interval\" is %s and \"interval\" %s; expected one that is no longer",
		       lb_duration_text(check->fast_interval, fast), lb_duration_text(check->interval, slow));
	if (check->type == LB_CHECK_HTTPS && (check->cert_file[0] == '\0') != (check->key_file[0] == '\0'))
		REFUSE(mark, "\"%s\" stands without \"%s\"; a client certificate needs both",
		       check->cert_file[0] ? "cert_file" : "key_file", check->cert_file[0] ? "key_file" : "cert_file");
}

static void check_accept_proxy(const struct lb_conf_service *service, struct lb_conf_errors *errors)
{
	if (service->accept_proxy && service->accept_proxy_from_count == 0)
		REFUSE(service->mark,
		       "service \"%s\" has accept_proxy without accept_proxy_from; list who may say where clients come "
		       "from",
		       service->name);
	if (!service->accept_proxy && service->accept_proxy_from_count > 0)
		REFUSE(service->mark, "service \"%s\" has accept_proxy_from without \"accept_proxy: true\"; add that",
		       service->name);
}

static void check_hedge(const struct lb_conf_service *service, struct lb_conf_errors *errors)
{
	char after[LB_DURATION_TEXT], timeout[LB_DURATION_TEXT];

	if (service->hedge && !service->hedge_auto && service->hedge_after >= service->connect_timeout)
		REFUSE(service->mark,
		       "service \"%s\": hedge_after %s never comes within connect_timeout %s; make it shorter",
		       service->name, lb_duration_text(service->hedge_after, after),
		       lb_duration_text(service->connect_timeout, timeout));
}

/* Does the service listen at this endpoint: then a server there would send its connections back to it. */
static bool listens_at(const struct lb_conf *conf, const struct lb_conf_service *service, const struct lb_endpoint *ep)
{
	bool on_vip = false;

	for (size_t v = 0; v < conf->vip_count; v++)
		on_vip |= lb_addr_equal(&conf->vips[v].address, &ep->addr);
	for (size_t i = 0; i < service->listen_count; i++) {
		const struct lb_endpoint *listen = &service->listen[i].endpoint;

		if (listen->port == ep->port &&
		    (listen->addr.family ? lb_addr_equal(&listen->addr, &ep->addr) : on_vip))
			return true;
	}
	return false;
}

static void check_servers(const struct lb_conf *conf, const struct lb_conf_service *service,
			  struct lb_conf_errors *errors)
{
	char text[LB_ENDPOINT_TEXT];

	for (size_t i = 0; i < service->server_count; i++) {
		const struct lb_conf_server *server = &service->servers[i];

		if (listens_at(conf, service, &server->address))
			REFUSE(server->mark,
			       "server \"%s\" is %s, where service \"%s\" itself listens; name the server behind it",
			       server->name, lb_endpoint_text(&server->address, text), service->name);
		if (server->check != service->check)
			check_check(server->check, server->check->mark, errors);
	}
}

bool lb_conf_check(const struct lb_conf *conf, struct lb_conf_errors *errors)
{
	size_t before = errors->count + errors->dropped;

	check_nodes(conf, errors);
	for (size_t v = 0; v < conf->vip_count; v++)
		check_vip(conf, v, errors);
	check_election(conf, errors);
	for (size_t i = 0; i < conf->service_count; i++) {
		const struct lb_conf_service *service = &conf->services[i];

		check_check(service->check, service->check->mark.line ? service->check->mark : service->mark, errors);
		check_accept_proxy(service, errors);
		check_hedge(service, errors);
		check_servers(conf, service, errors);
	}
	conf_check_listen(conf, errors);
	return errors->count + errors->dropped == before;
}
