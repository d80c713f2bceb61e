#include "lib/view/metric_text.h"

#include <inttypes.h>

void metric_family(struct lb_text *t, const char *name, const char *type, const char *help)
{
	lb_text_addf(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_label(struct lb_text *t, const char *name, const char *value, bool first)
{
	lb_text_addf(t, "%s%s=\"", first ? "{" : ",", name);
	for (const char *c = value; *c; c++) {
		if (*c == '\\' || *c == '"')
			lb_text_addn(t, "\\", 1);
		if (*c == '\n')
			lb_text_add(t, "\\n");
		else
			lb_text_addn(t, c, 1);
	}
	lb_text_add(t, "\"");
}

void metric_integer(struct lb_text *t, uint64_t value)
{
	lb_text_addf(t, " %" PRIu64 "\n", value);
}

void metric_seconds(struct lb_text *t, lb_duration d)
{
	lb_text_addf(t, " %.9g\n", lb_duration_seconds(d));
}

void metric_single(struct lb_text *t, const char *name, const char *type, const char *help, uint64_t value)
{
	metric_family(t, name, type, help);
	lb_text_add(t, name);
	metric_integer(t, value);
}

void metric_single_seconds(struct lb_text *t, const char *name, const char *help, lb_duration d)
{
	metric_family(t, name, "gauge", help);
	lb_text_add(t, name);
	metric_seconds(t, d);
}

void metric_labelled(struct lb_text *t, const char *name, const char *key, const char *value, uint64_t n)
{
	lb_text_add(t, name);
	metric_label(t, key, value, true);
	lb_text_add(t, "}");
	metric_integer(t, n);
}

void metric_labelled_seconds(struct lb_text *t, const char *name, const char *key, const char *value, lb_duration d)
{
	lb_text_add(t, name);
	metric_label(t, key, value, true);
	lb_text_add(t, "}");
	metric_seconds(t, d);
}
