#include "lib/conf/conf_doc.h"

#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

#include "lib/conf/conf_doc_syntax.h"

/* A collection that is being filled; in a map a key waits for its value. */
struct frame {
	struct conf_doc *node;
	const char *key;
	struct lb_mark key_mark;
	bool drop; /* the waiting key was refused: its value is read and forgotten */
};

struct builder {
	struct conf_arena *arena;
	struct lb_conf_errors *errors;
	struct frame stack[CONF_DOC_DEPTH_MAX];
	size_t depth;
	struct conf_doc *root;
	bool documents; /* one has begun */
};

static struct conf_doc *new_node(struct builder *b, enum conf_doc_kind kind, struct lb_mark mark)
{
	struct conf_doc *node = conf_arena_alloc(b->arena, sizeof(*node));

	if (node) {
		node->kind = kind;
		node->mark = node->key_mark = mark;
	}
	return node;
}

/* The collection that is being filled, NULL outside all. */
static struct frame *top(struct builder *b)
{
	struct frame *frame = b->depth ? &b->stack[b->depth - 1] : NULL;

	return frame && frame->node ? frame : NULL;
}

/* Hang a finished or just opened node where the document is at. */
static bool attach(struct builder *b, struct conf_doc *node)
{
	struct frame *frame = top(b);
	struct conf_doc *parent = frame ? frame->node : NULL;
	bool drop = false;

	if (!node)
		return false;
	if (!parent) {
		b->root = node;
		return true;
	}
	if (parent->kind == CONF_DOC_MAP) {
		drop = frame->drop;
		node->key = frame->key;
		node->key_mark = frame->key_mark;
		frame->key = NULL;
		frame->drop = false;
	} else {
		node->key = parent->key;
		node->item = true;
	}
	if (drop)
		return true;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	parent->count++;
	return true;
}

static bool in_key_place(struct builder *b)
{
	const struct frame *frame = top(b);

	return frame && frame->node->kind == CONF_DOC_MAP && !frame->key;
}

/* Anchors and tags are refused wherever they can stand; the value itself is read on. */
static bool plain_event(struct builder *b, const yaml_char_t *anchor, const yaml_char_t *tag, struct lb_mark mark)
{
	if (anchor)
		lb_conf_errors_add(b->errors, mark, "anchor \"&%.60s\" is not supported; write the value out",
				   (const char *)anchor);
	if (tag)
		lb_conf_errors_add(b->errors, mark, "tags are not supported; remove the \"!\"");
	return !anchor && !tag;
}

static bool is_null(const char *text, size_t len, yaml_scalar_style_t style)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0)
			return true;
	return false;
}

/* What escapes in quotes can bring in although the raw bytes were screened. */
static bool good_scalar(struct builder *b, const char *text, size_t len, struct lb_mark mark)
{
	uint32_t point;

	if (len > CONF_DOC_SCALAR_MAX) {
		lb_conf_errors_add(b->errors, mark, "the value has %zu bytes; expected at most %d", len,
				   CONF_DOC_SCALAR_MAX);
		return false;
	}
	if (conf_doc_control(text, len, &point)) {
		lb_conf_errors_add(b->errors, mark, "control character U+%04X in a value; remove it", point);
		return false;
	}
	return true;
}

static bool on_key(struct builder *b, const yaml_event_t *event, struct lb_mark mark, bool good)
{
	struct frame *frame = &b->stack[b->depth - 1];
	const char *text = (const char *)event->data.scalar.value;

	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(text, "<<") == 0) {
		lb_conf_errors_add(b->errors, mark, "merge keys are not supported; write the values out");
		good = false;
	}
	frame->key = conf_arena_text(b->arena, text, event->data.scalar.length);
	frame->key_mark = mark;
	frame->drop = !good;
	return frame->key != NULL;
}

static bool on_scalar(struct builder *b, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct lb_mark mark = conf_doc_mark(&event->start_mark);
	bool plain = plain_event(b, event->data.scalar.anchor, event->data.scalar.tag, mark);
	bool good = good_scalar(b, text, len, mark) && plain;
	struct conf_doc *node;

	if (in_key_place(b))
		return on_key(b, event, mark, good);
	node = new_node(b, good ? CONF_DOC_SCALAR : CONF_DOC_BAD, mark);
	if (node && good) {
		node->text = conf_arena_text(b->arena, text, len);
		if (!node->text)
			return false;
		if (is_null(text, len, event->data.scalar.style)) {
			/* Nothing stands nowhere: its key is the place to look at. */
			node->kind = CONF_DOC_EMPTY;
			if (top(b) && top(b)->node->kind == CONF_DOC_MAP)
				node->mark = top(b)->key_mark;
		}
	}
	return attach(b, node);
}

static bool on_alias(struct builder *b, const yaml_event_t *event)
{
	struct lb_mark mark = conf_doc_mark(&event->start_mark);

	lb_conf_errors_add(b->errors, mark, "alias \"*%.60s\" is not supported; write the value out",
			   (const char *)event->data.alias.anchor);
	if (in_key_place(b)) {
		b->stack[b->depth - 1].key = "";
		b->stack[b->depth - 1].drop = true;
		return true;
	}
	return attach(b, new_node(b, CONF_DOC_BAD, mark));
}

static bool on_open(struct builder *b, enum conf_doc_kind kind, const yaml_event_t *event)
{
	struct lb_mark mark = conf_doc_mark(&event->start_mark);
	struct conf_doc *node;

	if (in_key_place(b)) {
		lb_conf_errors_add(b->errors, mark, "a list or mapping stands where a key is expected; quote the key");
		return false;
	}
	if (b->depth == CONF_DOC_DEPTH_MAX) {
		lb_conf_errors_add(b->errors, mark, "nested too deeply; expected at most %d levels",
				   CONF_DOC_DEPTH_MAX);
		return false;
	}
	node = new_node(b, kind, mark);
	if (!attach(b, node))
		return false;
	b->stack[b->depth++] = (struct frame){.node = node};
	return true;
}

/* Every key once, the first one stays: a table of the keys seen, half full at most. */
static void refuse_duplicates(struct builder *b, struct conf_doc *map)
{
	size_t size = 8, mask;
	struct conf_doc **seen;

	while (size < map->count * 2)
		size *= 2;
	mask = size - 1;
	seen = calloc(size, sizeof(struct conf_doc *));
	if (!seen) {
		lb_conf_errors_add(b->errors, map->mark, "out of memory");
		return;
	}
	for (struct conf_doc **link = &map->first; *link;) {
		struct conf_doc *child = *link;
		size_t slot = lb_hash(child->key, strlen(child->key)) & mask;

		while (seen[slot] && strcmp(seen[slot]->key, child->key) != 0)
			slot = (slot + 1) & mask;
		if (!seen[slot]) {
			seen[slot] = child;
			link = &child->next;
			continue;
		}
		lb_conf_errors_add(b->errors, child->key_mark,
				   "duplicate key \"%.60s\"; it stands on line %u already; remove one", child->key,
				   seen[slot]->key_mark.line);
		*link = child->next;
		map->count--;
	}
	free(seen);
}

static bool on_close(struct builder *b)
{
	struct conf_doc *node = b->stack[--b->depth].node;

	if (node && node->kind == CONF_DOC_MAP)
		refuse_duplicates(b, node);
	return true;
}

static bool on_document(struct builder *b, const yaml_event_t *event)
{
	struct lb_mark mark = conf_doc_mark(&event->start_mark);

	if (b->documents) {
		lb_conf_errors_add(b->errors, mark, "a second document begins; expected one; remove the \"---\"");
		return false;
	}
	if (event->data.document_start.version_directive ||
	    event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end) {
		lb_conf_errors_add(b->errors, mark,
				   "directives are not supported; remove the lines that begin with \"%%\"");
		return false;
	}
	b->documents = true;
	return true;
}

/* False when there is no way on. */
static bool on_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event);
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event);
	case YAML_ALIAS_EVENT:
		return on_alias(b, event);
	case YAML_SEQUENCE_START_EVENT:
		plain_event(b, event->data.sequence_start.anchor, event->data.sequence_start.tag,
			    conf_doc_mark(&event->start_mark));
		return on_open(b, CONF_DOC_LIST, event);
	case YAML_MAPPING_START_EVENT:
		plain_event(b, event->data.mapping_start.anchor, event->data.mapping_start.tag,
			    conf_doc_mark(&event->start_mark));
		return on_open(b, CONF_DOC_MAP, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b);
	default:
		return true;
	}
}

static bool run(struct builder *b, yaml_parser_t *parser)
{
	yaml_event_t event;
	bool on = true, end = false;

	while (on && !end) {
		if (!yaml_parser_parse(parser, &event)) {
			conf_doc_syntax_error(parser, b->errors);
			return false;
		}
		end = event.type == YAML_STREAM_END_EVENT;
		on = on_event(b, &event);
		yaml_event_delete(&event);
	}
	return on;
}

struct conf_doc *conf_doc_parse(const char *bytes, size_t len, struct conf_arena *arena, struct lb_conf_errors *errors)
{
	struct builder b = {.arena = arena, .errors = errors};
	bool bom = len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0;
	yaml_parser_t parser;
	bool ok;

	if (!conf_doc_screen(bytes, len, errors))
		return NULL;
	if (!yaml_parser_initialize(&parser)) {
		lb_conf_errors_add(errors, (struct lb_mark){1, 1}, "out of memory");
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	if (bom) {
		bytes += 3;
		len -= 3;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
	ok = run(&b, &parser);
	yaml_parser_delete(&parser);
	if (conf_arena_failed(arena))
		lb_conf_errors_add(errors, (struct lb_mark){1, 1}, "out of memory");
	if (!ok || conf_arena_failed(arena))
		return NULL;
	if (!b.root || b.root->kind == CONF_DOC_EMPTY) {
		lb_conf_errors_add(errors, (struct lb_mark){1, 1},
				   "the file is empty; expected cluster, nodes, vips and services");
		return NULL;
	}
	return b.root;
}

const struct conf_doc *conf_doc_find(const struct conf_doc *map, const char *key)
{
	for (const struct conf_doc *child = map->first; child; child = child->next)
		if (strcmp(child->key, key) == 0)
			return child;
	return NULL;
}
