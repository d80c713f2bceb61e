/*
 * From a document tree to struct lb_conf by tables: each mapping of lbd.yaml has a table of its keys, each key a type
 * that can read it from the tree and print it back, and one walker serves them all.
 */
#ifndef CONF_YAML_H
#define CONF_YAML_H

#include <lb/conf_keys.h>

#include "lib/conf/conf_doc.h"

/* What one run of the parser carries along. */
struct conf_yaml_reader {
	struct lb_conf *conf;
	struct conf_arena *arena; /* the configuration's */
	struct lb_conf_errors *errors;
	size_t silent;			       /* values met that were refused before reading began */
	size_t object_errors;		       /* errors inside nodes, vips and services: these are left out */
	const struct lb_conf_service *service; /* while its keys are read */
	struct lb_conf_check *default_check;   /* of services that say nothing; made on first use */
};

struct conf_yaml_key;

/*
 * How values of one type are read and written. object is the struct that the key's table describes.
 *
 * read stores a value or adds an error and leaves the object as it was. print writes the value as it would stand in the
 * file, on one line, so that reading it again gives the same. A type without print holds objects of their own.
 */
struct conf_yaml_type {
	void (*read)(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		     void *object);
	void (*print)(const struct conf_yaml_key *key, const void *object, struct lb_text *out);
};

/* unset: the word that stands for 0, or NULL. */
struct conf_yaml_number {
	uint32_t min, max;
	const char *unset;
};

/* As texts, so that messages and rule are one; step: what the value must be a multiple of, NULL: anything; unset: 0. */
struct conf_yaml_duration {
	const char *min, *max, *step, *unset;
};

/* A word of the file and what it stands for; a list ends with word NULL. */
struct conf_yaml_word {
	const char *word;
	unsigned value;
};

/* unset: what stands for "", or NULL where a value is needed. */
struct conf_yaml_text {
	bool (*good)(const char *text);
	const char *expected, *unset;
};

/* A counted list: where the count is (uint8_t of codes, size_t of networks), and how "none at all" is written. */
struct conf_yaml_list {
	size_t count_offset;
	bool may_be_empty; /* [] is fine */
	const char *unset; /* or a word, since an empty list of networks would say neither all nor none */
};

struct conf_yaml_key {
	const char *name; /* dotted where the value stands in a nested mapping */
	const struct conf_yaml_type *type;
	size_t offset, size;  /* of the field in the object */
	const char *fallback; /* as it would stand in the file; NULL: required, or worked out from other keys */
	const char *example;  /* what a required key could look like; not NULL means required */
	union {
		const struct conf_yaml_number *number;
		const struct conf_yaml_duration *duration;
		const struct conf_yaml_word *words;
		const struct conf_yaml_text *text;
		const struct conf_yaml_list *list;
	} of;
	size_t mark;	      /* offset of a struct lb_mark that keeps where the value stands; 0: none */
	unsigned check_types; /* in a check: bits of enum lb_check_type that know the key; 0: all */
	bool needs_restart;
};

struct conf_yaml_table {
	const struct conf_yaml_key *keys;
	size_t count;
	const char *what;  /* "service", for messages */
	const char *under; /* where this mapping stands, for "belongs under" */
};

/* The tables, by the object that they describe. In a short form the value is that of the first key. */
const struct conf_yaml_table *conf_yaml_table(enum lb_conf_object object);

/* Types; the text forms are told at the tables. */
extern const struct conf_yaml_type conf_yaml_type_number, conf_yaml_type_duration, conf_yaml_type_word,
    conf_yaml_type_bool, conf_yaml_type_text, conf_yaml_type_address, conf_yaml_type_endpoint,
    conf_yaml_type_endpoint_or_off, conf_yaml_type_keepalive, conf_yaml_type_hedge, conf_yaml_type_codes,
    conf_yaml_type_cidrs, conf_yaml_type_listen, conf_yaml_type_nodes, conf_yaml_type_vips, conf_yaml_type_services,
    conf_yaml_type_servers, conf_yaml_type_check;

/* Judges of texts (struct conf_yaml_text). */
bool conf_yaml_good_cluster(const char *text);
bool conf_yaml_good_name(const char *text);
bool conf_yaml_good_path(const char *text);
bool conf_yaml_good_target(const char *text);
bool conf_yaml_good_method(const char *text);
bool conf_yaml_good_host(const char *text);
bool conf_yaml_good_interface(const char *text);
bool conf_yaml_good_body(const char *text);

enum conf_yaml_missing { CONF_YAML_DEFAULTS, CONF_YAML_INHERIT };

/*
 * Read a mapping into object: refuse unknown keys, read each known one in the table's order, and give the ones that are
 * missing their default (CONF_YAML_DEFAULTS: an error where required) or leave them (CONF_YAML_INHERIT).
 */
void conf_yaml_walk(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const struct conf_doc *map,
		    enum conf_yaml_missing missing, void *object);
/* The short form: value is that of the table's first key, all others are missing. */
void conf_yaml_walk_short(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const struct conf_doc *value,
			  void *object);
/* The value of a possibly dotted key, or NULL. */
const struct conf_doc *conf_yaml_find(const struct conf_doc *map, const char *name);

/* Refusals so far, also silent and dropped ones: compare to see whether something failed. */
size_t conf_yaml_errors(const struct conf_yaml_reader *r);

/* "KEY" is FOUND; expected EXPECTED. Silent for what was refused already. */
void conf_yaml_refuse(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		      const char *expected, ...) __attribute__((format(printf, 4, 5)));

#define CONF_YAML_EXCERPT 64
/* What a person finds at a value: its text, cut to a readable length, or what kind of thing it is. */
const char *conf_yaml_excerpt(const struct conf_doc *value, char buf[static CONF_YAML_EXCERPT]);

/* Text in quotes where YAML needs them. */
void conf_yaml_print_text(const char *text, struct lb_text *out);

/* Does a key have a meaning in this object: some keys of a check belong to some of its types only. */
bool conf_yaml_applies(const struct conf_yaml_table *table, const struct conf_yaml_key *key, const void *object);

#endif
