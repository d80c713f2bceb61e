/* Types that hold objects of their own: nodes, vips, services, servers and checks. */
#include <string.h>

#include <lb/hash.h>

#include "lib/conf/conf_yaml.h"

#define TYPE(name) const struct conf_yaml_type conf_yaml_type_##name = {.read = read_##name}

/* A mapping of names to objects, or a list of objects: neither empty nor longer than max. */
static bool good_collection(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			    enum conf_doc_kind kind, size_t max)
{
	if (value->kind != kind) {
		conf_yaml_refuse(r, key, value, "%s, e.g. %s", kind == CONF_DOC_MAP ? "a mapping of names" : "a list",
				 key->example);
		return false;
	}
	if (value->count >= 1 && value->count <= max)
		return true;
	lb_conf_errors_add(r->errors, value->key_mark, "\"%s\" has %zu entries; expected 1 to %zu", key->name,
			   value->count, max);
	return false;
}

static void read_name(struct conf_yaml_reader *r, const char *what, const struct conf_doc *item, lb_name out)
{
	if (strlen(item->key) <= LB_NAME_MAX && conf_yaml_good_name(item->key))
		memcpy(out, item->key, strlen(item->key) + 1);
	else
		lb_conf_errors_add(r->errors, item->key_mark,
				   "%s name \"%.70s\"; expected 1 to %d of A-Z, a-z, 0-9, \".\", \"_\" and \"-\"", what,
				   item->key, LB_NAME_MAX);
}

/* The long form is a mapping, the short one the value of the first key. */
static void read_long_or_short(struct conf_yaml_reader *r, enum lb_conf_object kind, const struct conf_doc *item,
			       void *object)
{
	if (item->kind == CONF_DOC_BAD)
		r->silent++;
	else if (item->kind == CONF_DOC_MAP)
		conf_yaml_walk(r, conf_yaml_table(kind), item, CONF_YAML_DEFAULTS, object);
	else
		conf_yaml_walk_short(r, conf_yaml_table(kind), item, object);
}

/* ---- nodes ---- */

#define FIRST_PRIORITY 250
#define PRIORITY_STEP  10

static void read_nodes(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		       void *object)
{
	struct lb_conf *conf = object;
	uint8_t preference = FIRST_PRIORITY;
	size_t before = conf_yaml_errors(r);

	if (!good_collection(r, key, value, CONF_DOC_MAP, LB_NODES_MAX))
		return;
	for (const struct conf_doc *item = value->first; item; item = item->next, preference -= PRIORITY_STEP) {
		struct lb_conf_node *node = &conf->nodes[conf->node_count];
		size_t bad = conf_yaml_errors(r);

		*node = (struct lb_conf_node){.mark = item->key_mark};
		read_name(r, "node", item, node->name);
		read_long_or_short(r, LB_CONF_NODE, item, node);
		if (node->priority == 0)
			node->priority = preference;
		if (conf_yaml_errors(r) == bad)
			conf->node_count++;
	}
	r->object_errors += conf_yaml_errors(r) - before;
}

TYPE(nodes);

/* ---- vips ---- */

static void read_vips(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		      void *object)
{
	struct lb_conf *conf = object;
	size_t before = conf_yaml_errors(r);

	if (!good_collection(r, key, value, CONF_DOC_LIST, LB_VIPS_MAX))
		return;
	for (const struct conf_doc *item = value->first; item; item = item->next) {
		struct lb_conf_vip *vip = &conf->vips[conf->vip_count];
		size_t bad = conf_yaml_errors(r);

		*vip = (struct lb_conf_vip){.mark = item->mark};
		read_long_or_short(r, LB_CONF_VIP, item, vip);
		if (conf_yaml_errors(r) == bad)
			conf->vip_count++;
	}
	r->object_errors += conf_yaml_errors(r) - before;
}

TYPE(vips);

/* ---- checks ---- */

static const char *const check_types[] = {
    [LB_CHECK_TCP] = "tcp",
    [LB_CHECK_HTTP] = "http",
    [LB_CHECK_HTTPS] = "https",
    [LB_CHECK_AGENT] = "agent",
};

/* A key that the check's type does not know is a misunderstanding worth an error, not something to ignore. */
static void refuse_foreign_keys(struct conf_yaml_reader *r, const struct conf_doc *map,
				const struct lb_conf_check *check)
{
	const struct conf_yaml_table *table = conf_yaml_table(LB_CONF_CHECK);
	const struct conf_doc *type = conf_doc_find(map, "type");

	/* A type that was refused itself says nothing about the others. */
	if (type && (type->kind != CONF_DOC_SCALAR || strcmp(type->text, check_types[check->type]) != 0))
		return;
	for (size_t i = 0; i < table->count; i++) {
		const struct conf_yaml_key *key = &table->keys[i];
		const struct conf_doc *value = conf_doc_find(map, key->name);

		if (value && !conf_yaml_applies(table, key, check))
			lb_conf_errors_add(
			    r->errors, value->key_mark,
			    "\"%s\" has no meaning in a check of type %s; remove it or set \"type\" to %s", key->name,
			    check_types[check->type],
			    key->check_types & 1U << LB_CHECK_HTTP ? "http or https" : "https");
	}
}

static void fill_check(struct conf_yaml_reader *r, const struct conf_doc *map, enum conf_yaml_missing missing,
		       struct lb_conf_check *check)
{
	check->mark = map->key_mark;
	conf_yaml_walk(r, conf_yaml_table(LB_CONF_CHECK), map, missing, check);
	refuse_foreign_keys(r, map, check);

	/* Looking closer must not mean looking less often: its default follows a shorter interval. */
	if (check->fast_interval > check->interval && !conf_doc_find(map, "fast_interval"))
		check->fast_interval = check->interval;
}

/* Of a service (object is the service) or of a server that wants its own (object is the server). */
static void read_check(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		       void *object)
{
	bool of_service = object == r->service;
	struct lb_conf_check *check;

	if (value->kind != CONF_DOC_MAP) {
		conf_yaml_refuse(r, key, value, "a mapping, e.g. {type: http, path: /healthz}");
		return;
	}
	check = conf_arena_alloc(r->arena, sizeof(*check));
	if (!check)
		return;
	if (of_service) {
		fill_check(r, value, CONF_YAML_DEFAULTS, check);
		((struct lb_conf_service *)object)->check = check;
	} else if (r->service->check) {
		*check = *r->service->check;
		fill_check(r, value, CONF_YAML_INHERIT, check);
		((struct lb_conf_server *)object)->check = check;
	}
}

TYPE(check);

/* Services without a word about checks share one. */
static struct lb_conf_check *default_check(struct conf_yaml_reader *r)
{
	static const struct conf_doc nothing = {.kind = CONF_DOC_MAP};

	if (!r->default_check) {
		r->default_check = conf_arena_alloc(r->arena, sizeof(*r->default_check));
		if (r->default_check)
			fill_check(r, &nothing, CONF_YAML_DEFAULTS, r->default_check);
	}
	return r->default_check;
}

/* ---- servers ---- */

static void read_servers(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			 void *object)
{
	struct lb_conf_service *service = object;

	/* The service's own check stands above in the table, so it is known by now. */
	if (!service->check)
		service->check = default_check(r);
	if (!good_collection(r, key, value, CONF_DOC_MAP, LB_SERVERS_MAX))
		return;
	service->servers = conf_arena_alloc(r->arena, value->count * sizeof(*service->servers));
	if (!service->servers)
		return;
	for (const struct conf_doc *item = value->first; item; item = item->next) {
		struct lb_conf_server *server = &service->servers[service->server_count++];

		*server = (struct lb_conf_server){.check = service->check, .mark = item->key_mark};
		read_name(r, "server", item, server->name);
		read_long_or_short(r, LB_CONF_SERVER, item, server);
	}
}

TYPE(servers);

/* ---- services ---- */

static void read_service(struct conf_yaml_reader *r, const struct conf_doc *item, struct lb_conf_service *service)
{
	service->mark = item->key_mark;
	read_name(r, "service", item, service->name);
	if (item->kind == CONF_DOC_BAD) {
		r->silent++;
		return;
	}
	if (item->kind != CONF_DOC_MAP) {
		char excerpt[CONF_YAML_EXCERPT];

		lb_conf_errors_add(r->errors, item->mark,
				   "service \"%.63s\" is %s; expected a mapping with listen and servers", item->key,
				   conf_yaml_excerpt(item, excerpt));
		return;
	}
	r->service = service;
	conf_yaml_walk(r, conf_yaml_table(LB_CONF_SERVICE), item, CONF_YAML_DEFAULTS, service);
	r->service = NULL;
}

static void read_services(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			  void *object)
{
	struct lb_conf *conf = object;
	size_t before = conf_yaml_errors(r);

	if (!good_collection(r, key, value, CONF_DOC_MAP, LB_SERVICES_MAX))
		return;
	conf->services = conf_arena_alloc(r->arena, value->count * sizeof(*conf->services));
	if (!conf->services)
		return;
	for (const struct conf_doc *item = value->first; item; item = item->next) {
		struct lb_conf_service *service = &conf->services[conf->service_count];
		size_t bad = conf_yaml_errors(r);

		read_service(r, item, service);
		if (conf_yaml_errors(r) == bad)
			conf->service_count++;
		else
			*service = (struct lb_conf_service){
			    .mark = {0, 0}
			  };
	}
	r->object_errors += conf_yaml_errors(r) - before;
}

TYPE(services);
