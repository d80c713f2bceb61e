/* The two steps from bytes to a judged configuration. */
#include "lib/conf/conf_yaml.h"

#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

#include "lib/conf/conf_dump.h"

/* What no table can say because it depends on other keys. */
static void derive(struct lb_conf *conf, const struct conf_doc *root)
{
	if (conf->election.vrid == 0)
		conf->election.vrid = (uint8_t)(lb_hash(conf->cluster, strlen(conf->cluster)) % 255 + 1);
	if (!conf_yaml_find(root, "election.auth"))
		conf->election.auth = conf->key_file[0] ? LB_AUTH_HMAC : LB_AUTH_NONE;
}

/*
 * Build what can be built. Objects with errors are left out, and after an error in the keys of the cluster itself the
 * election is one that no rule objects to: so the rules judge what is sound, and nobody reads an error twice.
 */
static void build(struct lb_conf *conf, const struct conf_doc *root, struct lb_conf_errors *errors)
{
	struct conf_yaml_reader r = {.conf = conf, .arena = conf->arena, .errors = errors};

	if (root->kind != CONF_DOC_MAP) {
		char excerpt[CONF_YAML_EXCERPT];

		lb_conf_errors_add(errors, root->mark, "the file is %s; expected cluster, nodes, vips and services",
				   conf_yaml_excerpt(root, excerpt));
		return;
	}
	conf_yaml_walk(&r, conf_yaml_table(LB_CONF_GLOBAL), root, CONF_YAML_DEFAULTS, conf);
	derive(conf, root);
	if (conf_yaml_errors(&r) > r.object_errors)
		conf->election = (struct lb_conf_election){.interval = LB_MSEC(100), .vrid = 1};
}

/* A configuration, possibly incomplete when errors were added; NULL when there is none at all. */
static struct lb_conf *parse(const char *bytes, size_t len, struct lb_conf_errors *errors)
{
	struct conf_arena *document = conf_arena_new();
	struct lb_conf *conf = calloc(1, sizeof(*conf));
	const struct conf_doc *root = NULL;
	bool ok;

	if (conf)
		conf->arena = conf_arena_new();
	ok = document && conf && conf->arena;
	if (ok)
		root = conf_doc_parse(bytes, len, document, errors);
	if (root)
		build(conf, root, errors);
	if (!ok || conf_arena_failed(conf->arena))
		lb_conf_errors_add(errors, (struct lb_mark){1, 1}, "out of memory");
	conf_arena_free(document);
	if (root && !conf_arena_failed(conf->arena))
		return conf;
	lb_conf_free(conf);
	return NULL;
}

/* The configuration if no error was added, with its hash; else it goes. */
static struct lb_conf *finish(struct lb_conf *conf, struct lb_conf_errors *errors, size_t before)
{
	if (conf && errors->count + errors->dropped == before) {
		if (conf_dump_hash(conf, &conf->hash))
			return conf;
		lb_conf_errors_add(errors, (struct lb_mark){1, 1}, "out of memory");
	}
	lb_conf_free(conf);
	return NULL;
}

struct lb_conf *lb_conf_parse(const char *bytes, size_t len, struct lb_conf_errors *errors)
{
	size_t before = errors->count + errors->dropped;

	return finish(parse(bytes, len, errors), errors, before);
}

struct lb_conf *lb_conf_load(const char *bytes, size_t len, struct lb_conf_errors *errors)
{
	size_t before = errors->count + errors->dropped;
	struct lb_conf *conf = parse(bytes, len, errors);

	if (conf)
		lb_conf_check(conf, errors);
	return finish(conf, errors, before);
}

void lb_conf_free(struct lb_conf *conf)
{
	if (!conf)
		return;
	conf_arena_free(conf->arena);
	free(conf);
}
