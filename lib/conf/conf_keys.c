#include "lib/conf/conf_yaml.h"

size_t lb_conf_key_count(enum lb_conf_object object)
{
	return conf_yaml_table(object)->count;
}

struct lb_conf_key lb_conf_key_at(enum lb_conf_object object, size_t i)
{
	const struct conf_yaml_key *key = &conf_yaml_table(object)->keys[i];

	return (struct lb_conf_key){
	    .name = key->name, .needs_restart = key->needs_restart, .holds_objects = !key->type->print};
}

bool lb_conf_key_text(enum lb_conf_object object, size_t i, const void *data, struct lb_text *out)
{
	const struct conf_yaml_table *table = conf_yaml_table(object);
	const struct conf_yaml_key *key = &table->keys[i];

	if (!key->type->print || !conf_yaml_applies(table, key, data))
		return false;
	key->type->print(key, data, out);
	return true;
}
