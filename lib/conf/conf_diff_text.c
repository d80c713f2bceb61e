#include <lb/conf_diff.h>

/* What an entry is about: "service x", "server x/y", or nothing for the cluster. */
static void subject(const struct lb_diff_entry *e, struct lb_text *out)
{
	if (e->server[0])
		lb_text_addf(out, " server %s/%s", e->service, e->server);
	else if (e->service[0])
		lb_text_addf(out, " service %s", e->service);
}

void lb_conf_diff_text(const struct lb_diff *diff, struct lb_text *out)
{
	static const char signs[] = {
	    [LB_DIFF_GLOBAL] = '~',	     [LB_DIFF_SERVICE_ADDED] = '+', [LB_DIFF_SERVICE_REMOVED] = '-',
	    [LB_DIFF_SERVICE_CHANGED] = '~', [LB_DIFF_SERVER_ADDED] = '+',  [LB_DIFF_SERVER_REMOVED] = '-',
	    [LB_DIFF_SERVER_CHANGED] = '~',
	};

	for (size_t i = 0; i < diff->count; i++) {
		const struct lb_diff_entry *e = &diff->entries[i];

		lb_text_addf(out, "%c", signs[e->kind]);
		subject(e, out);
		if (e->key[0])
			lb_text_addf(out, " %s: %s -> %s%s", e->key, e->from[0] ? e->from : "(none)",
				     e->to[0] ? e->to : "(none)", e->needs_restart ? " (needs a restart)" : "");
		lb_text_add(out, "\n");
	}
}
