#include "lib/conf/conf_dump.h"

#include <string.h>

#include <lb/conf_keys.h>
#include <lb/hash.h>

#include "lib/conf/conf_yaml.h"

/* "{key: value, …" of an object on one line; the caller closes the brace. */
static void open_flow(enum lb_conf_object kind, const void *object, struct lb_text *out)
{
	const char *join = " {";

	for (size_t i = 0; i < lb_conf_key_count(kind); i++) {
		struct lb_text value = {0};

		if (lb_conf_key_text(kind, i, object, &value)) {
			lb_text_addf(out, "%s%s: %s", join, lb_conf_key_at(kind, i).name, lb_text_str(&value));
			join = ", ";
		}
		out->failed |= value.failed;
		lb_text_free(&value);
	}
}

static void flow(enum lb_conf_object kind, const void *object, struct lb_text *out)
{
	open_flow(kind, object, out);
	lb_text_add(out, "}");
}

/* "key: value" lines of an object; consecutive dotted keys share the mapping that their first word names. */
static void lines(enum lb_conf_object kind, const void *object, const char *indent, struct lb_text *out)
{
	char open[32] = "";

	for (size_t i = 0; i < lb_conf_key_count(kind); i++) {
		const char *name = lb_conf_key_at(kind, i).name, *dot = strchr(name, '.');
		size_t outer = dot ? (size_t)(dot - name) : 0;
		struct lb_text value = {0};

		if (lb_conf_key_text(kind, i, object, &value)) {
			if (outer && (strncmp(open, name, outer) != 0 || open[outer] != '\0')) {
				memcpy(open, name, outer);
				open[outer] = '\0';
				lb_text_addf(out, "%s%s:\n", indent, open);
			}
			lb_text_addf(out, "%s%s%s: %s\n", indent, dot ? "  " : "", dot ? dot + 1 : name,
				     lb_text_str(&value));
		}
		out->failed |= value.failed;
		lb_text_free(&value);
	}
}

static void dump_name(const char *indent, const char *name, struct lb_text *out)
{
	lb_text_add(out, indent);
	conf_yaml_print_text(name, out);
	lb_text_add(out, ":");
}

static void dump_node(const struct lb_conf_node *node, struct lb_text *out)
{
	dump_name("  ", node->name, out);
	flow(LB_CONF_NODE, node, out);
	lb_text_add(out, "\n");
}

/* With its check only where that is not the service's. */
static void dump_server(const struct lb_conf_service *service, const struct lb_conf_server *server, struct lb_text *out)
{
	dump_name("      ", server->name, out);
	open_flow(LB_CONF_SERVER, server, out);
	if (server->check != service->check) {
		lb_text_add(out, ", check:");
		flow(LB_CONF_CHECK, server->check, out);
	}
	lb_text_add(out, "}\n");
}

static void dump_service(const struct lb_conf_service *service, struct lb_text *out)
{
	dump_name("  ", service->name, out);
	lb_text_add(out, "\n");
	lines(LB_CONF_SERVICE, service, "    ", out);
	lb_text_add(out, "    check:\n");
	lines(LB_CONF_CHECK, service->check, "      ", out);
	lb_text_add(out, "    servers:\n");
}

static void dump_globals(const struct lb_conf *conf, struct lb_text *out)
{
	lines(LB_CONF_GLOBAL, conf, "", out);
	lb_text_add(out, "vips:\n");
	for (size_t i = 0; i < conf->vip_count; i++) {
		lb_text_add(out, "  -");
		flow(LB_CONF_VIP, &conf->vips[i], out);
		lb_text_add(out, "\n");
	}
	lb_text_add(out, "nodes:\n");
}

void lb_conf_dump(const struct lb_conf *conf, struct lb_text *out)
{
	dump_globals(conf, out);
	for (size_t i = 0; i < conf->node_count; i++)
		dump_node(&conf->nodes[i], out);
	lb_text_add(out, "services:\n");
	for (size_t i = 0; i < conf->service_count; i++) {
		const struct lb_conf_service *service = &conf->services[i];

		dump_service(service, out);
		for (size_t s = 0; s < service->server_count; s++)
			dump_server(service, &service->servers[s], out);
	}
}

/* Hash of the text so far, which is thrown away; a failure stays. */
static uint64_t take_hash(struct lb_text *text)
{
	uint64_t hash = lb_hash(lb_text_str(text), text->len);

	text->len = 0;
	return hash;
}

/* Sums do not depend on the order of what is added, mixes do. */
static uint64_t hash_service(const struct lb_conf_service *service, struct lb_text *text)
{
	uint64_t own, servers = 0;

	dump_service(service, text);
	own = take_hash(text);
	for (size_t i = 0; i < service->server_count; i++) {
		dump_server(service, &service->servers[i], text);
		if (service->balance == LB_FIRST)
			servers = lb_hash_mix(servers, take_hash(text));
		else
			servers += take_hash(text);
	}
	return lb_hash_mix(own, servers);
}

bool conf_dump_hash(const struct lb_conf *conf, uint32_t *hash)
{
	struct lb_text text = {0};
	uint64_t globals, nodes = 0, services = 0, all;
	bool ok;

	dump_globals(conf, &text);
	globals = take_hash(&text);
	for (size_t i = 0; i < conf->node_count; i++) {
		dump_node(&conf->nodes[i], &text);
		nodes += take_hash(&text);
	}
	for (size_t i = 0; i < conf->service_count; i++)
		services += hash_service(&conf->services[i], &text);
	all = lb_hash_mix(lb_hash_mix(globals, nodes), services);
	ok = !text.failed;
	lb_text_free(&text);
	*hash = (uint32_t)(all ^ all >> 32);
	return ok;
}
