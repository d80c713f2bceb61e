/*
 * HAProxy's agent protocol: the server tells one line of words and closes. Known here: up, ready, drain, maint, down,
 * fail(ed), stopped and NN% (share of the configured weight). drain and maint take new sessions away (not-ready), down
 * and its kin mean that the server does not serve (down); text behind a '#' is for people.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/proxy/control/probe_step.h"

static const struct {
	const char *word;
	enum health_result result;
} words[] = {
    {"up",	   HEALTH_RESULT_OK	   },
    {"ready",	 HEALTH_RESULT_OK	 },
	   {"drain",   HEALTH_RESULT_WRONG	},
    {"maint",   HEALTH_RESULT_WRONG	 },
    {"down",	HEALTH_RESULT_REFUSED},
	   {"fail",    HEALTH_RESULT_REFUSED},
    {"failed",  HEALTH_RESULT_REFUSED},
    {"stopped", HEALTH_RESULT_REFUSED},
};

/* "NN%", 0 to 100. */
static bool parse_percent(const char *word, uint8_t *out)
{
	char *end;
	unsigned long n = isdigit((unsigned char)*word) ? strtoul(word, &end, 10) : 101;

	if (n > 100 || strcmp(end, "%") != 0)
		return false;
	*out = (uint8_t)n;
	return true;
}

/* The gravest word decides; a percentage alone means up. */
static enum probe_step judge(struct probe *p)
{
	enum health_result worst = HEALTH_RESULT_OK;
	bool understood = false;
	char *rest = NULL, said[PROBE_LINE_MAX];

	p->line[p->line_len] = '\0';
	p->line[strcspn(p->line, "#\r\n")] = '\0';
	memcpy(said, p->line, sizeof(said));
	for (char *word = strtok_r(p->line, " ,\t", &rest); word; word = strtok_r(NULL, " ,\t", &rest)) {
		understood |= parse_percent(word, &p->outcome.agent_percent);
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcasecmp(word, words[i].word) == 0) {
				understood = true;
				worst = words[i].result > worst ? words[i].result : worst;
			}
	}
	if (!understood)
		return probe_over(p, HEALTH_RESULT_GARBAGE, "agent: not understood");
	p->answered = true;
	return probe_over(p, worst, "agent: %.48s", said);
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
