#include "lib/conf/conf_doc_syntax.h"

#include <string.h>

/* What libyaml calls a problem, and what a person can do about it. */
static const struct {
	const char *problem, *advice;
} hints[] = {
    {"mapping values are not allowed in this context",
     "unexpected \":\"; check the indentation, and quote a value that contains \": \""							      },
    {"found character that cannot start any token",
     "a character that cannot begin a value; indent with spaces, not tabs, and quote values"						    },
    {"found a tab character that violates indentation",	"a tab; indent with spaces"							   },
    {"did not find expected key",				  "expected a key; check the indentation, and quote an IPv6 address with its port"},
    {"could not find expected ':'",			    "expected \":\" behind the key"						   },
    {"did not find expected ',' or ']'",
     "expected \",\" or \"]\"; close the list, and quote an IPv6 address with its port"							       },
    {"did not find expected ',' or '}'",			 "expected \",\" or \"}\"; close the braces"					    },
    {"found unexpected end of stream",			       "a quote is not closed"							      },
    {"block sequence entries are not allowed in this context",
     "unexpected \"-\"; put the list on the lines below its key"									       },
    {"did not find expected '-' indicator",		    "expected \"- \"; check the indentation"					    },
    {"found undefined tag handle",				   "tags are not supported; remove it"					      },
    {"did not find expected <document start>",		       "expected one document; check the first lines"				     },
};

void conf_doc_syntax_error(const yaml_parser_t *parser, struct lb_conf_errors *errors)
{
	const char *problem = parser->problem ? parser->problem : "unreadable";
	struct lb_mark mark = conf_doc_mark(&parser->problem_mark);
	const char *advice = NULL;

	if (parser->error == YAML_MEMORY_ERROR) {
		lb_conf_errors_add(errors, mark, "out of memory");
		return;
	}
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (strcmp(problem, hints[i].problem) == 0)
			advice = hints[i].advice;

	/* A quote that is never closed is better shown where it begins. */
	if (strcmp(problem, "found unexpected end of stream") == 0)
		mark = conf_doc_mark(&parser->context_mark);
	lb_conf_errors_add(errors, mark, "not valid YAML: %s", advice ? advice : problem);
}
