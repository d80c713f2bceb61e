#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/probe_step.h"

enum probe_step probe_http_ask(struct probe *p)
{
	const struct check_plan *plan = p->params.plan;
	enum http_probe_after after = p->params.keep && p->uses < PROBE_USES ? HTTP_PROBE_STAY : HTTP_PROBE_CLOSE;
	char endpoint[LB_ENDPOINT_TEXT], request[PROBE_REQUEST_MAX];
	const char *host = plan->check->host[0] ? plan->check->host : lb_endpoint_text(&p->params.address, endpoint);

	p->request_len = http_probe_request(plan->check, host, plan->bearer, after, request, sizeof(request));
	if (p->request_len == 0)
		return probe_over(p, HEALTH_RESULT_GARBAGE, "the request is too long");
	p->request = must(malloc(p->request_len));
	memcpy(p->request, request, p->request_len);
	return PROBE_NEXT;
}

static bool code_expected(const struct lb_conf_check *check, uint16_t code)
{
	for (size_t i = 0; i < check->expect_count; i++)
		if (code >= check->expect[i].first && code <= check->expect[i].last)
			return true;
	return false;
}

static enum probe_step tell(struct probe *p, enum health_result result)
{
	const struct lb_conf_check *check = p->params.plan->check;

	if (p->http.seen == 0)
		return probe_over(p, HEALTH_RESULT_RESET, "closed without an answer");
	if (result == HEALTH_RESULT_GARBAGE)
		return probe_over(p, result, "not HTTP");
	p->answered = true;
	p->outcome.code = p->http.code;
	if (result == HEALTH_RESULT_WRONG && code_expected(check, p->http.code))
		return probe_over(p, result, "%u without the body", (unsigned)p->http.code);
	return probe_over(p, result, "%u", (unsigned)p->http.code);
}

enum probe_step probe_http_judge(struct probe *p)
{
	char buf[4096];
	enum health_result result;
	size_t len;

	for (;;) {
		enum probe_step step = probe_stream_receive(p, buf, sizeof(buf), &len);

		if (step != PROBE_NEXT)
			return step;
		if (http_probe_feed(&p->http, p->params.plan->check, buf, len, len == 0, &result))
			return tell(p, result);
	}
}
