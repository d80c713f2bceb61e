#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <lb/conf.h>

static bool before(struct lb_mark a, struct lb_mark b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

void lb_conf_errors_add(struct lb_conf_errors *errors, struct lb_mark mark, const char *fmt, ...)
{
	size_t place = errors->count;
	va_list args;

	while (place > 0 && before(mark, errors->list[place - 1].mark))
		place--;

	/* A full list keeps what comes first in the file. */
	if (errors->count == LB_CONF_ERRORS_MAX) {
		errors->dropped++;
		if (place == LB_CONF_ERRORS_MAX)
			return;
		errors->count--;
	}
	memmove(&errors->list[place + 1], &errors->list[place], (errors->count - place) * sizeof(errors->list[0]));
	errors->count++;
	errors->list[place].mark = mark;
	va_start(args, fmt);
	vsnprintf(errors->list[place].message, sizeof(errors->list[place].message), fmt, args);
	va_end(args);
}

void lb_conf_errors_text(const struct lb_conf_errors *errors, const char *file, struct lb_text *out)
{
	for (size_t i = 0; i < errors->count; i++) {
		const struct lb_conf_error *e = &errors->list[i];

		/* What is nowhere in the file is shown at its beginning. */
		lb_text_addf(out, "%s:%u:%u: %s\n", file, e->mark.line ? e->mark.line : 1,
			     e->mark.column ? e->mark.column : 1, e->message);
	}
	if (errors->dropped > 0)
		lb_text_addf(out, "%s: %zu more errors\n", file, errors->dropped);
}
