#include <lb/agent_line.h>

#include <string.h>
#include <strings.h>

enum word_kind { WORD_ADMIN, WORD_DOWN };

/* HAProxy's words; the later of two that contradict each other counts. */
static const struct {
	const char *word;
	enum word_kind kind;
	unsigned value;
} words[] = {
    {"ready",   WORD_ADMIN, AGENT_READY},
	{"drain",	  WORD_ADMIN, AGENT_DRAIN},
    {"maint",   WORD_ADMIN, AGENT_MAINT},
    {"up",	   WORD_DOWN,  false	   },
	{"down",	 WORD_DOWN,  true	},
    {"fail",    WORD_DOWN,	true	    },
    {"failed",  WORD_DOWN,  true	      },
	{"stopped", WORD_DOWN,  true	   },
};

struct agent_orders agent_orders_none(void)
{
	return (struct agent_orders){.admin = AGENT_READY, .percent = 100};
}

static bool word_is(const char *word, size_t len, const char *wanted)
{
	return strlen(wanted) == len && strncasecmp(word, wanted, len) == 0;
}

/* All digits of the len bytes, at most max. */
static bool parse_number(const char *s, size_t len, uint32_t max, uint32_t *out)
{
	uint64_t n = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s[i] - '0');
		if (n > max)
			n = max;
	}
	*out = (uint32_t)n;
	return true;
}

static bool apply_word(struct agent_orders *orders, const char *word, size_t len)
{
	static const char maxconn[] = "maxconn:";
	const size_t prefix = sizeof(maxconn) - 1;
	uint32_t n;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!word_is(word, len, words[i].word))
			continue;
		if (words[i].kind == WORD_ADMIN)
			orders->admin = (enum agent_admin)words[i].value;
		else
			orders->down = words[i].value;
		return true;
	}
	if (word[len - 1] == '%' && parse_number(word, len - 1, AGENT_PERCENT_MAX, &n)) {
		orders->percent = (uint16_t)n;
		return true;
	}
	if (len > prefix && strncasecmp(word, maxconn, prefix) == 0 &&
	    parse_number(word + prefix, len - prefix, UINT32_MAX, &n)) {
		orders->maxconn = n;
		return true;
	}
	return false;
}

static bool is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

bool agent_line_apply(struct agent_orders *orders, const char *line, size_t len)
{
	bool understood = false;
	size_t i = 0;

	while (i < len && line[i] != '#' && line[i] != '\r' && line[i] != '\n' && line[i] != '\0') {
		size_t begin = i;

		if (is_separator(line[i])) {
			i++;
			continue;
		}
		while (i < len && !is_separator(line[i]) && !strchr("#\r\n", line[i]))
			i++;
		understood |= apply_word(orders, line + begin, i - begin);
	}
	return understood;
}

enum health_result agent_orders_result(const struct agent_orders *orders)
{
	if (orders->down)
		return HEALTH_RESULT_REFUSED;
	return orders->admin == AGENT_READY ? HEALTH_RESULT_OK : HEALTH_RESULT_WRONG;
}
