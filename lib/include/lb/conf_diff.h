/*
 * What a reload would change: a list of plain facts, used to apply a reload, to refuse the impossible and to print
 * `lbctl diff`.
 */
#ifndef LB_CONF_DIFF_H
#define LB_CONF_DIFF_H

#include <lb/conf.h>

enum lb_diff_kind {
	LB_DIFF_GLOBAL, /* a top-level or election key */
	LB_DIFF_SERVICE_ADDED,
	LB_DIFF_SERVICE_REMOVED,
	LB_DIFF_SERVICE_CHANGED, /* a key of the service other than its servers */
	LB_DIFF_SERVER_ADDED,
	LB_DIFF_SERVER_REMOVED, /* also: its address changed (removed and added) */
	LB_DIFF_SERVER_CHANGED, /* weight, limits, check */
};

struct lb_diff_entry {
	enum lb_diff_kind kind;
	lb_name service, server; /* "" where not of that kind */
	char key[48];		 /* dotted key, for the CHANGED and GLOBAL kinds */
	char from[96], to[96]; /* value texts, "" where added or removed; secrets and paths as they stand in the file */
	bool needs_restart;    /* cannot be applied by a reload (cluster, own address, vrid …) */
};

struct lb_diff {
	struct lb_diff_entry *entries;
	size_t count;
};

/* Compare; the result is owned by the caller (lb_conf_diff_free). Returns false only when memory is short. */
bool lb_conf_diff(const struct lb_conf *from, const struct lb_conf *to, struct lb_diff *out);
void lb_conf_diff_free(struct lb_diff *diff);
/* One line per entry: "+ service x", "- server x/y", "~ service x balance: leastconn -> source". */
void lb_conf_diff_text(const struct lb_diff *diff, struct lb_text *out);

#endif
