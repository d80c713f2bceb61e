/*
 * The rules of a configuration that have a file of their own.
 */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include <lb/conf.h>

/* No two listeners on one address and port: of services, and of metrics.listen. Adds an error for each clash. */
void conf_check_listen(const struct lb_conf *conf, struct lb_conf_errors *errors);

#endif
