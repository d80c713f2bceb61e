/* Types whose value is one scalar. */
#include <stdio.h>
#include <string.h>

#include "lib/conf/conf_yaml.h"

#define TYPE(name) const struct conf_yaml_type conf_yaml_type_##name = {.read = read_##name, .print = print_##name}

static void *field(const struct conf_yaml_key *key, void *object)
{
	return (char *)object + key->offset;
}

static const void *const_field(const struct conf_yaml_key *key, const void *object)
{
	return (const char *)object + key->offset;
}

/* Unsigned fields of 1, 2 and 4 bytes; enums are of 4. */
static void store(const struct conf_yaml_key *key, void *object, uint32_t value)
{
	uint16_t two = (uint16_t)value;
	uint8_t one = (uint8_t)value;

	memcpy(field(key, object),
	       key->size == 4	? (const void *)&value
	       : key->size == 2 ? (const void *)&two
				: &one,
	       key->size);
}

static uint32_t load(const struct conf_yaml_key *key, const void *object)
{
	uint32_t four = 0;
	uint16_t two = 0;
	uint8_t one = 0;

	memcpy(key->size == 4	? (void *)&four
	       : key->size == 2 ? (void *)&two
				: &one,
	       const_field(key, object), key->size);
	return four + two + one;
}

static bool is_word(const struct conf_doc *value, const char *word)
{
	return word && value->kind == CONF_DOC_SCALAR && strcmp(value->text, word) == 0;
}

/* ---- numbers ---- */

/* Decimal digits alone: no sign, no leading zero, no other base. */
static bool parse_number(const char *text, uint64_t *out)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 10 || text[len] != '\0' || (text[0] == '0' && len > 1))
		return false;
	*out = 0;
	for (size_t i = 0; i < len; i++)
		*out = *out * 10 + (uint64_t)(text[i] - '0');
	return true;
}

static void read_number(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			void *object)
{
	const struct conf_yaml_number *of = key->of.number;
	uint64_t number;

	if (is_word(value, of->unset))
		store(key, object, 0);
	else if (value->kind == CONF_DOC_SCALAR && parse_number(value->text, &number) && number >= of->min &&
		 number <= of->max)
		store(key, object, (uint32_t)number);
	else
		conf_yaml_refuse(r, key, value, "%s%sa number from %u to %u", of->unset ? of->unset : "",
				 of->unset ? " or " : "", of->min, of->max);
}

static void print_number(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	uint32_t number = load(key, object);

	if (number == 0 && key->of.number->unset)
		lb_text_add(out, key->of.number->unset);
	else
		lb_text_addf(out, "%u", number);
}

TYPE(number);

/* ---- durations ---- */

static lb_duration constant(const char *text)
{
	lb_duration d = 0;

	lb_duration_parse(text, &d);
	return d;
}

static void refuse_duration(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value)
{
	const struct conf_yaml_duration *of = key->of.duration;
	uint64_t number;

	if (value->kind == CONF_DOC_SCALAR && parse_number(value->text, &number) && number > 0)
		conf_yaml_refuse(r, key, value, "%s%sa duration with its unit, from %s to %s; write %ss or %sms",
				 of->unset ? of->unset : "", of->unset ? " or " : "", of->min, of->max, value->text,
				 value->text);
	else
		conf_yaml_refuse(r, key, value, "%s%sa duration from %s to %s", of->unset ? of->unset : "",
				 of->unset ? " or " : "", of->min, of->max);
}

static void read_duration(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			  void *object)
{
	const struct conf_yaml_duration *of = key->of.duration;
	bool off = is_word(value, of->unset), parsed;
	lb_duration d = 0;

	parsed = off || (value->kind == CONF_DOC_SCALAR && lb_duration_parse(value->text, &d));
	/* Where "0" is off, "0s" is too. */
	off = off || (parsed && d == 0 && of->unset && strcmp(of->unset, "0") == 0);
	if (!parsed || (!off && (d < constant(of->min) || d > constant(of->max)))) {
		refuse_duration(r, key, value);
		return;
	} else if (of->step && d % constant(of->step) != 0) {
		conf_yaml_refuse(r, key, value, "a multiple of %s", of->step);
		return;
	}
	memcpy(field(key, object), &d, sizeof(d));
}

static void print_duration(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	char buf[LB_DURATION_TEXT];
	lb_duration d;

	memcpy(&d, const_field(key, object), sizeof(d));
	lb_text_add(out, d == 0 && key->of.duration->unset ? key->of.duration->unset : lb_duration_text(d, buf));
}

TYPE(duration);

/* ---- words ---- */

/* "a, b or c" */
static const char *word_list(const struct conf_yaml_word *words, char *buf, size_t cap)
{
	size_t len = 0;

	for (const struct conf_yaml_word *w = words; w->word; w++) {
		const char *join = w == words ? "" : w[1].word ? ", " : " or ";

		len += (size_t)snprintf(buf + len, cap - len, "%s%s", join, w->word);
	}
	return buf;
}

static void read_word(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		      void *object)
{
	char list[128];

	for (const struct conf_yaml_word *w = key->of.words; w->word; w++)
		if (is_word(value, w->word)) {
			store(key, object, w->value);
			return;
		}
	conf_yaml_refuse(r, key, value, "%s", word_list(key->of.words, list, sizeof(list)));
}

static void print_word(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	for (const struct conf_yaml_word *w = key->of.words; w->word; w++)
		if (w->value == load(key, object))
			lb_text_add(out, w->word);
}

TYPE(word);

static void read_bool(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
		      void *object)
{
	bool on = is_word(value, "true");

	if (!on && !is_word(value, "false"))
		conf_yaml_refuse(r, key, value, "true or false");
	else
		memcpy(field(key, object), &on, sizeof(on));
}

static void print_bool(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	bool on;

	memcpy(&on, const_field(key, object), sizeof(on));
	lb_text_add(out, on ? "true" : "false");
}

TYPE(bool);

/* ---- addresses ---- */

static void read_address(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			 void *object)
{
	if (value->kind != CONF_DOC_SCALAR || !lb_addr_parse(value->text, field(key, object)))
		conf_yaml_refuse(r, key, value, "an IPv4 or IPv6 address");
}

static void print_address(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_addr *addr = const_field(key, object);
	const char *quote = addr->family == AF_INET6 ? "\"" : "";
	char buf[LB_ADDR_TEXT];

	lb_text_addf(out, "%s%s%s", quote, lb_addr_text(addr, buf), quote);
}

TYPE(address);

static void read_endpoint(struct conf_yaml_reader *r, const struct conf_yaml_key *key, const struct conf_doc *value,
			  void *object)
{
	if (value->kind != CONF_DOC_SCALAR || !lb_endpoint_parse(value->text, field(key, object)))
		conf_yaml_refuse(r, key, value, "ADDR:PORT, the port from 1 to 65535 and IPv6 as \"[ADDR]:PORT\"");
}

static void print_endpoint(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_endpoint *ep = const_field(key, object);
	const char *quote = ep->addr.family == AF_INET6 ? "\"" : "";
	char buf[LB_ENDPOINT_TEXT];

	lb_text_addf(out, "%s%s%s", quote, lb_endpoint_text(ep, buf), quote);
}

TYPE(endpoint);

static void read_endpoint_or_off(struct conf_yaml_reader *r, const struct conf_yaml_key *key,
				 const struct conf_doc *value, void *object)
{
	if (is_word(value, "off"))
		memset(field(key, object), 0, sizeof(struct lb_endpoint));
	else if (value->kind != CONF_DOC_SCALAR || !lb_endpoint_parse(value->text, field(key, object)))
		conf_yaml_refuse(r, key, value, "off or ADDR:PORT, IPv6 as \"[ADDR]:PORT\"");
}

static void print_endpoint_or_off(const struct conf_yaml_key *key, const void *object, struct lb_text *out)
{
	const struct lb_endpoint *ep = const_field(key, object);

	if (ep->port == 0)
		lb_text_add(out, "off");
	else
		print_endpoint(key, object, out);
}

TYPE(endpoint_or_off);
