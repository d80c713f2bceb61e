/* Names, paths and other words that the file spells out. */
#include <string.h>

#include "lib/conf/conf_yaml.h"

static bool unset_word(const struct conf_yaml_text *of, const struct conf_doc *value)
{
	return of->unset && value->kind == CONF_DOC_SCALAR && strcmp(value->text, of->unset) == 0;
}

static void read_text(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		      void *object)
{
	const struct conf_yaml_text *of = key->of.text;
	bool unset = unset_word(of, value);
	const char *text = unset ? "" : value->text;

	if (value->kind != CONF_DOC_SCALAR || (!unset && !of->good(text))) {
		conf_yaml_refuse(r, key, value, "%s%s%s", of->expected, of->unset ? ", or " : "",
				 !of->unset	? ""
				 : of->unset[0] ? of->unset
						: "\"\"");
		return;
	}
	if (strlen(text) >= key->size) {
		conf_yaml_refuse(r, key, value, "at most %zu bytes; it has %zu", key->size - 1, strlen(text));
		return;
	}
	memcpy((char *)object + key->offset, text, strlen(text) + 1);
}

/* Plain only where no reader could take it for something else. */
static bool may_be_plain(const char *text)
{
	static const char *const taken[] = {"null", "Null", "NULL"};

	if (!strchr("/", text[0]) && !conf_yaml_good_name((const char[2]){text[0], '\0'}))
		return false;
	if (text[0] == '-' || text[0] == '.')
		return false;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcmp(text, taken[i]) == 0)
			return false;
	for (const char *c = text; *c; c++)
		if (*c != '/' && !conf_yaml_good_name((const char[2]){*c, '\0'}))
			return false;
	return text[0] != '\0';
}

void conf_yaml_print_text(const char *text, struct lb_text *out)
{
	if (may_be_plain(text)) {
		lb_text_add(out, text);
		return;
	}
	lb_text_add(out, "\"");
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			lb_text_add(out, "\\");
		lb_text_addn(out, c, 1);
	}
	lb_text_add(out, "\"");
}

static void print_text(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const char *text = (const char *)object + key->offset;

	conf_yaml_print_text(text[0] == '\0' && key->of.text->unset ? key->of.text->unset : text, out);
}

const struct conf_yaml_type conf_yaml_type_text = {.read = read_text, .print = print_text};
