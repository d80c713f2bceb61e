/* Which texts are acceptable where: one judge per kind. */
#include <string.h>

#include "lib/conf/conf_yaml.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static bool only(const char *text, const char *set)
{
	return text[0] != '\0' && text[strspn(text, set)] == '\0';
}

/* Printable ASCII without blanks: what may go into a request line or header as it is. */
static bool visible(const char *text)
{
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return text[0] != '\0';
}

bool conf_yaml_good_cluster(const char *text)
{
	return only(text, LOWER DIGIT "-");
}

bool conf_yaml_good_name(const char *text)
{
	return only(text, LOWER UPPER DIGIT "._-");
}

bool conf_yaml_good_path(const char *text)
{
	return text[0] == '/';
}

bool conf_yaml_good_target(const char *text)
{
	return text[0] == '/' && visible(text);
}

bool conf_yaml_good_method(const char *text)
{
	return only(text, UPPER);
}

bool conf_yaml_good_host(const char *text)
{
	return only(text, LOWER UPPER DIGIT "._-:[]");
}

bool conf_yaml_good_interface(const char *text)
{
	return visible(text) && !strpbrk(text, "/:");
}

bool conf_yaml_good_body(const char *text)
{
	return text[0] != '\0';
}
