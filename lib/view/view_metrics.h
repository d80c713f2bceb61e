/*
 * The parts of GET /metrics; private to lib/view.
 */
#ifndef VIEW_METRICS_H
#define VIEW_METRICS_H

#include <lb/view.h>

void view_metrics_services(struct lb_text *t, const struct lb_snapshot *s);
void view_metrics_servers(struct lb_text *t, const struct lb_snapshot *s);
void view_metrics_process(struct lb_text *t, const struct lb_snapshot *s);

#endif
