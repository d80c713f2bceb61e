/*
 * The keys of lbd.yaml as data: what exists, and each value as it would stand in the file. For whoever lists, prints or
 * compares configurations without knowing every field.
 */
#ifndef LB_CONF_KEYS_H
#define LB_CONF_KEYS_H

#include <lb/conf.h>

/* The mappings of the file and the struct that each describes. */
enum lb_conf_object {
	LB_CONF_GLOBAL,	 /* struct lb_conf */
	LB_CONF_NODE,	 /* struct lb_conf_node */
	LB_CONF_VIP,	 /* struct lb_conf_vip */
	LB_CONF_SERVICE, /* struct lb_conf_service */
	LB_CONF_SERVER,	 /* struct lb_conf_server */
	LB_CONF_CHECK,	 /* struct lb_conf_check */
	LB_CONF_OBJECTS_
};

struct lb_conf_key {
	const char *name;   /* "balance"; dotted where nested: "election.vrid" */
	bool needs_restart; /* a running daemon cannot take over another value */
	bool holds_objects; /* nodes, vips, services, servers, check: no value of its own */
};

/* How many keys a mapping knows, and one of them (i < count). */
size_t lb_conf_key_count(enum lb_conf_object object);
struct lb_conf_key lb_conf_key_at(enum lb_conf_object object, size_t i);

/*
 * Append the value of key i as one line of YAML. False, and nothing appended, where the key holds objects or has no
 * meaning for this object (`path` in a tcp check). data points to the struct that enum lb_conf_object names.
 */
bool lb_conf_key_text(enum lb_conf_object object, size_t i, const void *data, struct lb_text *out);

#endif
