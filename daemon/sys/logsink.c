#include "daemon/sys/logsink.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_uint_fast64_t dropped;

/* stderr may be shared with other programs, so it is not made non-blocking: ask first whether it takes a line. */
static void write_line(void *ctx, enum lb_log_level level, const char *line)
{
	char text[1200];
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
	int len = snprintf(text, sizeof(text), "<%d>%s %s\n", (int)level, (const char *)ctx, line);

	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text)) {
		len = sizeof(text) - 1;
		text[len - 1] = '\n';
	}
	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) || write(STDERR_FILENO, text, (size_t)len) != len)
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

void logsink_init(const char *program, enum lb_log_level max)
{
	/* The context is only ever read back as text. */
	lb_log_init(write_line, (void *)(uintptr_t)program, max);
}

uint64_t logsink_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}
