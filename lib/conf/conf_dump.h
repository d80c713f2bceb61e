/*
 * A configuration as text: for people (lb_conf_dump) and for its fingerprint.
 */
#ifndef CONF_DUMP_H
#define CONF_DUMP_H

#include <lb/conf.h>

/*
 * Hash of everything the configuration means: values with defaults, whatever the order of nodes, services and servers
 * in the file (the order of servers counts where `balance: first` gives it a meaning). False when memory is short.
 */
bool conf_dump_hash(const struct lb_conf *conf, uint32_t *hash);

#endif
