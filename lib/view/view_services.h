/*
 * Services and servers as JSON text. A node may have thousands of servers and is asked often, so they are written as
 * they go, without a tree of values.
 */
#ifndef VIEW_SERVICES_H
#define VIEW_SERVICES_H

#include <lb/snapshot.h>
#include <lb/text.h>
#include <lb/view.h>

/* Adds "[{...},...]"; not VIEW_NODE. */
void view_services_text(const struct lb_snapshot *s, enum view_detail detail, struct lb_text *out);

#endif
