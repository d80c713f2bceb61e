#include <lb/view.h>

#include <stdio.h>
#include <time.h>

const char *view_time_text(lb_wall at, char buf[static VIEW_TIME_TEXT])
{
	time_t seconds = (time_t)(at / 1000000000);
	unsigned ms = (unsigned)(at % 1000000000 / 1000000);
	struct tm tm;
	size_t n;

	buf[0] = '\0';
	if (at <= 0 || !gmtime_r(&seconds, &tm))
		return buf;
	n = strftime(buf, VIEW_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, VIEW_TIME_TEXT - n, ".%03uZ", ms);
	return buf;
}
