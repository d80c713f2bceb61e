/*
 * Two configurations compared by the keys that the tables know: a value differs when its text in the file would.
 */
#include <lb/conf_diff.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/conf_keys.h>

/* What is being written; entries grow by doubling. */
struct diff_builder {
	struct lb_diff *out;
	size_t cap;
	bool failed;
};

static void copy_text(char *to, size_t cap, const char *text)
{
	size_t len = strlen(text);

	if (len < cap) {
		memcpy(to, text, len + 1);
		return;
	}
	/* Cut visibly, not within a character. */
	for (len = cap - sizeof("..."); ((unsigned char)text[len] & 0xc0) == 0x80; len--)
		;
	snprintf(to, cap, "%.*s...", (int)len, text);
}

static struct lb_diff_entry *add(struct diff_builder *b, enum lb_diff_kind kind, const char *service,
				 const char *server)
{
	struct lb_diff_entry *entry;

	if (b->out->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 16;
		struct lb_diff_entry *entries = realloc(b->out->entries, cap * sizeof(*entries));

		if (!entries) {
			b->failed = true;
			return NULL;
		}
		b->out->entries = entries;
		b->cap = cap;
	}
	entry = &b->out->entries[b->out->count++];
	*entry = (struct lb_diff_entry){.kind = kind};
	copy_text(entry->service, sizeof(entry->service), service);
	copy_text(entry->server, sizeof(entry->server), server);
	return entry;
}

static void add_change(struct diff_builder *b, const struct lb_diff_entry *where, const char *key, const char *from,
		       const char *to)
{
	struct lb_diff_entry *entry = add(b, where->kind, where->service, where->server);

	if (!entry)
		return;
	entry->needs_restart = where->needs_restart;
	copy_text(entry->key, sizeof(entry->key), key);
	copy_text(entry->from, sizeof(entry->from), from);
	copy_text(entry->to, sizeof(entry->to), to);
}

/* Every key of two objects of one kind; where says what an entry is about, prefix is put before the key. */
static void compare(struct diff_builder *b, enum lb_conf_object kind, const void *from, const void *to,
		    const struct lb_diff_entry *where, const char *prefix)
{
	for (size_t i = 0; i < lb_conf_key_count(kind); i++) {
		struct lb_conf_key key = lb_conf_key_at(kind, i);
		struct lb_diff_entry at = *where;
		struct lb_text before = {0}, after = {0};
		char name[sizeof(at.key)];

		lb_conf_key_text(kind, i, from, &before);
		lb_conf_key_text(kind, i, to, &after);
		snprintf(name, sizeof(name), "%s%s", prefix, key.name);
		at.needs_restart = key.needs_restart;
		if (strcmp(lb_text_str(&before), lb_text_str(&after)) != 0)
			add_change(b, &at, name, lb_text_str(&before), lb_text_str(&after));
		b->failed |= before.failed || after.failed;
		lb_text_free(&before);
		lb_text_free(&after);
	}
}

/* ---- matching by name ---- */

/* Nodes, servers and services begin with their name, so one index serves them all. */
_Static_assert(offsetof(struct lb_conf_node, name) == 0 && offsetof(struct lb_conf_server, name) == 0 &&
		   offsetof(struct lb_conf_service, name) == 0,
	       "the name comes first");

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted pointers to n objects of size bytes each; NULL when memory is short. */
static const char **index_by_name(const void *objects, size_t n, size_t size)
{
	const char **index = calloc(n + 1, sizeof(*index));

	for (size_t i = 0; index && i < n; i++)
		index[i] = (const char *)objects + i * size;
	if (index)
		qsort(index, n, sizeof(*index), by_name);
	return index;
}

struct pairs {
	const void *from, *to;
	size_t from_count, to_count, size;
	/* One of the two is NULL where the other side has no object of that name. */
	void (*visit)(struct diff_builder *b, const void *from, const void *to, const void *ctx);
	const void *ctx;
};

/* Walk both sides in the order of names. */
static void match(struct diff_builder *b, const struct pairs *p)
{
	const char **from = index_by_name(p->from, p->from_count, p->size);
	const char **to = index_by_name(p->to, p->to_count, p->size);
	size_t i = 0, j = 0;

	if (!from || !to)
		b->failed = true;
	while (!b->failed && (i < p->from_count || j < p->to_count)) {
		int order = i == p->from_count ? 1 : j == p->to_count ? -1 : strcmp(from[i], to[j]);

		p->visit(b, order <= 0 ? from[i] : NULL, order >= 0 ? to[j] : NULL, p->ctx);
		i += order <= 0;
		j += order >= 0;
	}
	free(from);
	free(to);
}

/* ---- the cluster ---- */

/* Who takes part in the election is fixed while it runs. */
static void visit_node(struct diff_builder *b, const void *from, const void *to, const void *ctx)
{
	const struct lb_conf_node *before = from, *after = to;
	const struct lb_diff_entry where = {.kind = LB_DIFF_GLOBAL, .needs_restart = !from || !to};
	char address[LB_ADDR_TEXT], key[sizeof(lb_name) + sizeof("nodes..")];

	(void)ctx;
	if (!before) {
		snprintf(key, sizeof(key), "nodes.%s", after->name);
		add_change(b, &where, key, "", lb_addr_text(&after->address, address));
	} else if (!after) {
		snprintf(key, sizeof(key), "nodes.%s", before->name);
		add_change(b, &where, key, lb_addr_text(&before->address, address), "");
	} else {
		snprintf(key, sizeof(key), "nodes.%s.", before->name);
		compare(b, LB_CONF_NODE, before, after, &where, key);
	}
}

static void list_vips(const struct lb_conf *conf, struct lb_text *out)
{
	char address[LB_ADDR_TEXT];

	for (size_t i = 0; i < conf->vip_count; i++) {
		lb_text_addf(out, "%s%s", i ? ", " : "", lb_addr_text(&conf->vips[i].address, address));
		if (conf->vips[i].interface[0])
			lb_text_addf(out, " on %s", conf->vips[i].interface);
	}
}

static void compare_vips(struct diff_builder *b, const struct lb_conf *from, const struct lb_conf *to)
{
	const struct lb_diff_entry where = {.kind = LB_DIFF_GLOBAL};
	struct lb_text before = {0}, after = {0};

	list_vips(from, &before);
	list_vips(to, &after);
	if (strcmp(lb_text_str(&before), lb_text_str(&after)) != 0)
		add_change(b, &where, "vips", lb_text_str(&before), lb_text_str(&after));
	b->failed |= before.failed || after.failed;
	lb_text_free(&before);
	lb_text_free(&after);
}

/* ---- services ---- */

static void visit_server(struct diff_builder *b, const void *from, const void *to, const void *ctx)
{
	const struct lb_conf_server *before = from, *after = to;
	const struct lb_conf_service *const *services = ctx;
	const char *service = services[1]->name;
	struct lb_diff_entry where = {.kind = LB_DIFF_SERVER_CHANGED};

	/* Another address is another server: its sessions and its state are not those of the old one. */
	if (before && after && !lb_endpoint_equal(&before->address, &after->address)) {
		add(b, LB_DIFF_SERVER_REMOVED, service, before->name);
		add(b, LB_DIFF_SERVER_ADDED, service, after->name);
	} else if (!before || !after) {
		add(b, before ? LB_DIFF_SERVER_REMOVED : LB_DIFF_SERVER_ADDED, service,
		    before ? before->name : after->name);
	} else {
		copy_text(where.service, sizeof(where.service), service);
		copy_text(where.server, sizeof(where.server), before->name);
		compare(b, LB_CONF_SERVER, before, after, &where, "");
		if (before->check != services[0]->check || after->check != services[1]->check)
			compare(b, LB_CONF_CHECK, before->check, after->check, &where, "check.");
	}
}

/* With `first` the order of servers is a setting; it shows when the same servers stand in another order. */
static void compare_order(struct diff_builder *b, const struct lb_conf_service *from, const struct lb_conf_service *to,
			  const struct lb_diff_entry *where)
{
	struct lb_text before = {0}, after = {0};
	bool moved = false;

	if (to->balance == LB_FIRST && from->server_count == to->server_count)
		for (size_t i = 0; i < to->server_count; i++) {
			lb_text_addf(&before, "%s%s", i ? ", " : "", from->servers[i].name);
			lb_text_addf(&after, "%s%s", i ? ", " : "", to->servers[i].name);
			moved |= strcmp(from->servers[i].name, to->servers[i].name) != 0;
		}
	if (moved)
		add_change(b, where, "servers", lb_text_str(&before), lb_text_str(&after));
	b->failed |= before.failed || after.failed;
	lb_text_free(&before);
	lb_text_free(&after);
}

static void visit_service(struct diff_builder *b, const void *from, const void *to, const void *ctx)
{
	const struct lb_conf_service *before = from, *after = to;
	struct lb_diff_entry where = {.kind = LB_DIFF_SERVICE_CHANGED};

	(void)ctx;
	if (!before || !after) {
		add(b, before ? LB_DIFF_SERVICE_REMOVED : LB_DIFF_SERVICE_ADDED, before ? before->name : after->name,
		    "");
		return;
	}
	copy_text(where.service, sizeof(where.service), after->name);
	compare(b, LB_CONF_SERVICE, before, after, &where, "");
	compare(b, LB_CONF_CHECK, before->check, after->check, &where, "check.");
	compare_order(b, before, after, &where);
	match(b, &(struct pairs){
		     .from = before->servers,
		     .to = after->servers,
		     .from_count = before->server_count,
		     .to_count = after->server_count,
		     .size = sizeof(struct lb_conf_server),
		     .visit = visit_server,
		     .ctx = (const struct lb_conf_service *[]){before, after}
	     });
}

bool lb_conf_diff(const struct lb_conf *from, const struct lb_conf *to, struct lb_diff *out)
{
	const struct lb_diff_entry where = {.kind = LB_DIFF_GLOBAL};
	struct diff_builder b = {.out = out};

	*out = (struct lb_diff){0};
	compare(&b, LB_CONF_GLOBAL, from, to, &where, "");
	match(&b, &(struct pairs){.from = from->nodes,
				  .to = to->nodes,
				  .from_count = from->node_count,
				  .to_count = to->node_count,
				  .size = sizeof(struct lb_conf_node),
				  .visit = visit_node});
	compare_vips(&b, from, to);
	match(&b, &(struct pairs){.from = from->services,
				  .to = to->services,
				  .from_count = from->service_count,
				  .to_count = to->service_count,
				  .size = sizeof(struct lb_conf_service),
				  .visit = visit_service});
	if (b.failed)
		lb_conf_diff_free(out);
	return !b.failed;
}

void lb_conf_diff_free(struct lb_diff *diff)
{
	free(diff->entries);
	*diff = (struct lb_diff){0};
}
