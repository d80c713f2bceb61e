/*
 * Prometheus text format 0.0.4, a line at a time; private to lib/view. A family opens with HELP and TYPE, and its
 * samples follow without a break.
 */
#ifndef VIEW_METRIC_TEXT_H
#define VIEW_METRIC_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include <lb/text.h>
#include <lb/time.h>

/* type is "gauge" or "counter"; help a sentence. */
void metric_family(struct lb_text *t, const char *name, const char *type, const char *help);

/* A sample by hand: its name, then its labels (the first one opens the brace, the caller closes it), then a value. */
void metric_label(struct lb_text *t, const char *name, const char *value, bool first);
void metric_integer(struct lb_text *t, uint64_t value);
void metric_seconds(struct lb_text *t, lb_duration d);

/* A whole sample with one label. */
void metric_labelled(struct lb_text *t, const char *name, const char *key, const char *value, uint64_t n);
void metric_labelled_seconds(struct lb_text *t, const char *name, const char *key, const char *value, lb_duration d);

/* A whole family of one sample without labels. */
void metric_single(struct lb_text *t, const char *name, const char *type, const char *help, uint64_t value);
void metric_single_seconds(struct lb_text *t, const char *name, const char *help, lb_duration d);

#endif
