/*
 * A YAML document as a tree of plain nodes, each with its place in the file. Only the subset that lbd.yaml may use gets
 * through: one document of maps, lists and scalars, without anchors, aliases, tags, merge keys or duplicate keys.
 */
#ifndef CONF_DOC_H
#define CONF_DOC_H

#include <lb/conf.h>

#include "lib/conf/conf_arena.h"

#define CONF_DOC_DEPTH_MAX  8
#define CONF_DOC_SCALAR_MAX 4096

enum conf_doc_kind {
	CONF_DOC_EMPTY,	 /* nothing, ~ or null */
	CONF_DOC_BAD,	 /* refused already; whoever meets it says nothing more */
	CONF_DOC_SCALAR, /* quoted or not: types are decided by the key, never by the spelling */
	CONF_DOC_LIST,
	CONF_DOC_MAP,
};

struct conf_doc {
	enum conf_doc_kind kind;
	struct lb_mark mark;
	const char *text;		      /* of a scalar, NUL-terminated, no control characters */
	const char *key;		      /* that it stands under; of a list's items: the list's */
	bool item;			      /* of a list */
	struct lb_mark key_mark;	      /* of a list's item: its own */
	struct conf_doc *first, *last, *next; /* children in file order; next sibling */
	size_t count;			      /* children */
};

/*
 * Parse bytes into a tree that lives as long as the arena. Errors are added to *errors. NULL when the text is no YAML
 * (or too large, too deep, …) and there is nothing to go on with; a tree may come with errors as well.
 */
struct conf_doc *conf_doc_parse(const char *bytes, size_t len, struct conf_arena *arena, struct lb_conf_errors *errors);

/* The value of a key of a map, or NULL. Linear: for maps whose keys are known words. */
const struct conf_doc *conf_doc_find(const struct conf_doc *map, const char *key);

/* Size, encoding and characters of the raw bytes, before any parsing. False after adding an error. */
bool conf_doc_screen(const char *bytes, size_t len, struct lb_conf_errors *errors);

/* True when a value (UTF-8) holds a control character, tabs and line ends included; *point is the first one. */
bool conf_doc_control(const char *text, size_t len, uint32_t *point);

#endif
