#include "daemon/proxy/control/probe_step.h"

bool probe_rest_possible(const struct probe *p)
{
	return p->params.keep && p->answered && p->uses < PROBE_USES &&
	       (http_probe_reusable(&p->http) || http_probe_goes_on(&p->http));
}

void probe_rest(struct probe *p, probe_on_closed *on_closed, void *ctx)
{
	p->resting = true;
	p->on_closed = on_closed;
	p->closed_ctx = ctx;
	/* What the next one does not change may be gone by then. */
	p->params.plan = NULL;
}

/* The rest of the last answer may still come; anything else that is said, the end included, was not asked for. */
void probe_rest_on_io(struct probe *p)
{
	probe_on_closed *on_closed = p->on_closed;
	void *ctx = p->closed_ctx;
	enum probe_step step;
	char buf[4096];
	size_t len = 0;
	bool proven;

	while ((step = probe_stream_receive(p, buf, sizeof(buf), &len)) == PROBE_NEXT && len > 0 &&
	       http_probe_goes_on(&p->http))
		http_probe_feed(&p->http, NULL, buf, len, false, NULL);
	if (step == PROBE_READ)
		return;
	proven = p->uses > 1 && (step == PROBE_OVER || len == 0);
	probe_cancel(p);
	on_closed(ctx, proven);
}
