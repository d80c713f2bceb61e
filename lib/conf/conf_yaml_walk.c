#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/conf/conf_yaml.h"

#define CANDIDATES_MAX 64

size_t conf_yaml_errors(const struct conf_yaml_reader *r)
{
	return r->errors->count + r->errors->dropped + r->silent;
}

const char *conf_yaml_excerpt(const struct conf_doc *value, char buf[static CONF_YAML_EXCERPT])
{
	const size_t max = CONF_YAML_EXCERPT - sizeof("...");
	size_t len;

	switch (value->kind) {
	case CONF_DOC_LIST:
		return value->count ? "a list" : "an empty list";
	case CONF_DOC_MAP:
		return "a mapping";
	case CONF_DOC_SCALAR:
		break;
	default:
		return "empty";
	}
	if (value->text[0] == '\0')
		return "\"\"";
	len = strlen(value->text);
	if (len <= max)
		return value->text;

	/* Not within a character: back over its continuation bytes. */
	for (len = max; ((unsigned char)value->text[len] & 0xc0) == 0x80; len--)
		;
	snprintf(buf, CONF_YAML_EXCERPT, "%.*s...", (int)len, value->text);
	return buf;
}

void conf_yaml_refuse(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		      const char *expected, ...)
{
	char excerpt[CONF_YAML_EXCERPT], sentence[160];
	va_list args;

	va_start(args, expected);
	vsnprintf(sentence, sizeof(sentence), expected, args);
	va_end(args);
	lb_conf_errors_add(r->errors, value->mark, "\"%.63s\" %s %s; expected %s", value->key ? value->key : key->name,
			   value->item ? "contains" : "is", conf_yaml_excerpt(value, excerpt), sentence);
}

const struct conf_doc *conf_yaml_find(const struct conf_doc *map, const char *name)
{
	const char *dot = strchr(name, '.');
	const struct conf_doc *outer;
	char word[32];

	if (!dot)
		return conf_doc_find(map, name);
	snprintf(word, sizeof(word), "%.*s", (int)(dot - name), name);
	outer = conf_doc_find(map, word);
	return outer && outer->kind == CONF_DOC_MAP ? conf_doc_find(outer, dot + 1) : NULL;
}

bool conf_yaml_applies(const struct conf_yaml_table *table, const struct conf_yaml_key *key, const void *object)
{
	if (table != conf_yaml_table(LB_CONF_CHECK) || key->check_types == 0)
		return true;
	return key->check_types & 1U << ((const struct lb_conf_check *)object)->type;
}

/* The part of a key's name that may stand in the mapping "outer" ("" is the table's own), or NULL. */
static const char *word_within(const struct conf_yaml_key *key, const char *outer)
{
	size_t len = strlen(outer);

	if (len == 0)
		return key->name;
	return strncmp(key->name, outer, len) == 0 && key->name[len] == '.' ? key->name + len + 1 : NULL;
}

enum place { UNKNOWN, VALUE, NESTED };

/* What a word is at this place: a key with a value, a mapping with keys of its own, or unknown. */
static enum place place_of(const struct conf_yaml_table *table, const char *outer, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < table->count; i++) {
		const char *name = word_within(&table->keys[i], outer);

		if (!name || strncmp(name, word, len) != 0)
			continue;
		if (name[len] == '\0')
			return VALUE;
		if (name[len] == '.')
			return NESTED;
	}
	return UNKNOWN;
}

/* Another mapping that knows the word, for somebody who put a key one level too high or too low. */
static const char *known_under(const struct conf_yaml_table *here, const char *word)
{
	for (unsigned object = 0; object < LB_CONF_OBJECTS_; object++) {
		const struct conf_yaml_table *table = conf_yaml_table((enum lb_conf_object)object);

		if (table != here && place_of(table, "", word) != UNKNOWN)
			return table->under;
	}
	return NULL;
}

static void refuse_unknown(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const char *outer,
			   const struct conf_doc *child)
{
	char words[CANDIDATES_MAX][32];
	const char *candidates[CANDIDATES_MAX], *nearest, *under;
	size_t n = 0;

	/* Nobody reads the hundredth advice. */
	if (r->errors->count == LB_CONF_ERRORS_MAX) {
		lb_conf_errors_add(r->errors, child->key_mark, "unknown key \"%.63s\"", child->key);
		return;
	}

	/* "election.vrid: 5" as manuals write it, instead of the nested mapping that it stands for. */
	if (outer[0] == '\0' && place_of(table, "", child->key) == VALUE) {
		const char *dot = strchr(child->key, '.');

		lb_conf_errors_add(r->errors, child->key_mark, "unknown key \"%s\"; write \"%s\" below \"%.*s\"",
				   child->key, dot + 1, (int)(dot - child->key), child->key);
		return;
	}
	for (size_t i = 0; i < table->count && n < CANDIDATES_MAX; i++) {
		const char *name = word_within(&table->keys[i], outer);

		if (!name)
			continue;
		snprintf(words[n], sizeof(words[n]), "%.*s", (int)strcspn(name, "."), name);
		candidates[n] = words[n];
		n++;
	}
	nearest = lb_text_nearest(child->key, candidates, n);
	under = known_under(table, child->key);
	if (nearest)
		lb_conf_errors_add(r->errors, child->key_mark, "unknown key \"%.63s\"; did you mean \"%s\"?",
				   child->key, nearest);
	else if (under)
		lb_conf_errors_add(r->errors, child->key_mark, "unknown key \"%.63s\" here; it belongs under %s",
				   child->key, under);
	else
		lb_conf_errors_add(r->errors, child->key_mark,
				   "unknown key \"%.63s\"; see lbd.yaml(5) for the keys of %s", child->key,
				   outer[0] ? outer : table->what);
}

/* First pass: every key of the file must be one of the table's. */
static void judge_keys(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const char *outer,
		       const struct conf_doc *map)
{
	for (const struct conf_doc *child = map->first; child; child = child->next)
		switch (strchr(child->key, '.') ? UNKNOWN : place_of(table, outer, child->key)) {
		case VALUE:
			break;
		case UNKNOWN:
			refuse_unknown(r, table, outer, child);
			break;
		case NESTED:
			if (child->kind == CONF_DOC_MAP)
				judge_keys(r, table, child->key, child);
			else if (child->kind == CONF_DOC_BAD)
				r->silent++;
			else
				conf_yaml_refuse(r, &table->keys[0], child, "a mapping; put its keys below it");
			break;
		}
}

/* A default is read as if it stood in the file: one rule for both. */
static void read_fallback(struct conf_yaml_reader *r, const struct conf_yaml_key *key, void *object)
{
	struct conf_doc value = {.kind = CONF_DOC_SCALAR, .text = key->fallback, .key = key->name};

	if (key->fallback)
		key->type->read(r, key, &value, object);
}

static void read_key(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		     void *object)
{
	if (value->kind == CONF_DOC_BAD) {
		r->silent++;
		return;
	}
	key->type->read(r, key, value, object);
	if (key->mark)
		memcpy((char *)object + key->mark, &value->mark, sizeof(value->mark));
}

static void refuse_missing(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const struct conf_doc *map,
			   const struct conf_yaml_key *key)
{
	char name[sizeof(lb_name) + 4] = "";

	if (map->key && !map->item)
		snprintf(name, sizeof(name), " \"%.63s\"", map->key);
	lb_conf_errors_add(r->errors, map->key_mark, "%s%s has no \"%s\"; add one, e.g. %s", table->what, name,
			   key->name, key->example);
}

/* Second pass: the table's keys in the table's order, so that one may rely on those above it. */
void conf_yaml_walk(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const struct conf_doc *map,
		    enum conf_yaml_missing missing, void *object)
{
	judge_keys(r, table, "", map);
	for (size_t i = 0; i < table->count; i++) {
		const struct conf_yaml_key *key = &table->keys[i];
		const struct conf_doc *value = conf_yaml_find(map, key->name);

		if (value)
			read_key(r, key, value, object);
		else if (missing == CONF_YAML_INHERIT)
			continue;
		else if (key->example)
			refuse_missing(r, table, map, key);
		else
			read_fallback(r, key, object);
	}
}

void conf_yaml_walk_short(struct conf_yaml_reader *r, const struct conf_yaml_table *table, const struct conf_doc *value,
			  void *object)
{
	read_key(r, &table->keys[0], value, object);
	for (size_t i = 1; i < table->count; i++)
		read_fallback(r, &table->keys[i], object);
}
