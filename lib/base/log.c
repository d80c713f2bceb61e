#include <lb/log.h>

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1000

/* Written before threads start and only read afterwards; the level alone may change at any time. */
static lb_log_sink *process_sink;
static void *process_ctx;
static atomic_int level_max;

void lb_log_init(lb_log_sink *sink, void *ctx, enum lb_log_level max)
{
	process_sink = sink;
	process_ctx = ctx;
	lb_log_set_level(max);
}

void lb_log_set_level(enum lb_log_level max)
{
	atomic_store_explicit(&level_max, (int)max, memory_order_relaxed);
}

void lb_log(enum lb_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES + 1];
	va_list args;

	if (!process_sink || (int)level > atomic_load_explicit(&level_max, memory_order_relaxed))
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);

	/* One event is one line: what came from outside must not start another or steer a terminal. */
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	process_sink(process_ctx, level, line);
}
