/* HAProxy's agent protocol: the agent tells one line of words and closes, see <lb/agent_line.h>. */
#include <string.h>

#include "daemon/proxy/control/probe_step.h"

/* An agent that was understood has given orders; the server is what they say. */
static enum probe_step judge(struct probe *p)
{
	if (!agent_line_apply(&p->outcome.orders, p->line, p->line_len))
		return probe_over(p, HEALTH_RESULT_GARBAGE, "agent: not understood");
	p->answered = true;
	p->outcome.told = true;
	p->line[p->line_len] = '\0';
	p->line[strcspn(p->line, "#\r\n")] = '\0';
	return probe_over(p, agent_orders_result(&p->outcome.orders), "agent: %.48s", p->line);
}

enum probe_step probe_agent_judge(struct probe *p)
{
	for (;;) {
		size_t len, room = sizeof(p->line) - 1 - p->line_len;
		enum probe_step step;

		if (room == 0)
			return probe_over(p, HEALTH_RESULT_GARBAGE, "agent: line too long");
		step = probe_stream_receive(p, p->line + p->line_len, room, &len);
		if (step != PROBE_NEXT)
			return step;
		p->line_len += len;
		if (len == 0 && p->line_len == 0)
			return probe_over(p, HEALTH_RESULT_RESET, "closed without an answer");
		if (len == 0 || memchr(p->line, '\n', p->line_len))
			return judge(p);
	}
}
