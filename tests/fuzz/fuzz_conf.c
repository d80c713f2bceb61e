/* Whatever stands in a configuration file: never a crash, a refusal has a place, and what is accepted can be told
 * again. */
#include <stdlib.h>

#include <lb/conf.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lb_conf_errors errors;
	struct lb_conf *conf, *again;
	struct lb_text dump = {0};

	errors.count = errors.dropped = 0;
	conf = lb_conf_load((const char *)data, size, &errors);
	require((conf != NULL) == (errors.count == 0));
	for (size_t i = 1; i < errors.count; i++)
		require(errors.list[i - 1].mark.line <= errors.list[i].mark.line);
	if (!conf)
		return 0;
	lb_conf_dump(conf, &dump);
	again = dump.len <= LB_CONF_BYTES_MAX ? lb_conf_load(dump.data, dump.len, &errors) : NULL;
	require(dump.len > LB_CONF_BYTES_MAX || (again && again->hash == conf->hash));
	lb_conf_free(again);
	lb_conf_free(conf);
	lb_text_free(&dump);
	return 0;
}
