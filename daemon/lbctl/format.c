#include "daemon/lbctl/format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *format_age(double seconds, char buf[static FORMAT_TEXT])
{
	long s = (long)seconds;

	if (seconds < 0)
		return "-";
	if (s < 60)
		snprintf(buf, FORMAT_TEXT, "%lds", s);
	else if (s < 3600)
		snprintf(buf, FORMAT_TEXT, "%ldm %02lds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, FORMAT_TEXT, "%ldh %02ldm", s / 3600, s / 60 % 60);
	else
		snprintf(buf, FORMAT_TEXT, "%ldd %ldh", s / 86400, s / 3600 % 24);
	return buf;
}

const char *format_ms(double ms, char buf[static FORMAT_TEXT])
{
	if (ms < 0)
		return "-";
	if (ms < 10)
		snprintf(buf, FORMAT_TEXT, "%.2f ms", ms);
	else if (ms < 1000)
		snprintf(buf, FORMAT_TEXT, "%.0f ms", ms);
	else
		snprintf(buf, FORMAT_TEXT, "%.1f s", ms / 1000);
	return buf;
}

const char *format_bytes(double bytes, char buf[static FORMAT_TEXT])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	size_t unit = 0;

	while (bytes >= 999.5 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		bytes /= 1000;
		unit++;
	}
	if (unit == 0 && bytes >= 0)
		snprintf(buf, FORMAT_TEXT, "%u B", (unsigned)(bytes + 0.5));
	else
		snprintf(buf, FORMAT_TEXT, unit > 0 && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return buf;
}

/* The bytes of the character at text; those of UTF-8 that go on with one are its own. */
static size_t character_length(const char *text)
{
	size_t length = 1;

	while (((unsigned char)text[length] & 0xc0) == 0x80)
		length++;
	return length;
}

const char *format_cut(const char *text, size_t width, char buf[static FORMAT_CUT])
{
	size_t line = strcspn(text, "\n"), used = 0, count = 0;

	while (used < line && count < width && used + 8 < FORMAT_CUT) {
		used += character_length(text + used);
		count++;
	}
	/* A newline at the very end leaves nothing out. */
	if (used == line && (text[line] == '\0' || text[line + 1] == '\0'))
		snprintf(buf, FORMAT_CUT, "%.*s", (int)used, text);
	else
		snprintf(buf, FORMAT_CUT, "%.*s…", (int)used, text);
	return buf;
}

const char *format_whole_ms(double ms, char buf[static FORMAT_TEXT])
{
	if (ms < 0)
		return "-";
	if (ms < 10000)
		snprintf(buf, FORMAT_TEXT, "%.0f ms", ms);
	else
		snprintf(buf, FORMAT_TEXT, "%.0f s", ms / 1000);
	return buf;
}

/* The fraction of a second behind the instant's whole seconds, 0 without one. */
static double parse_fraction(const char *rest)
{
	double scale = 0.1, fraction = 0;

	if (*rest != '.')
		return 0;
	for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
		fraction += scale * (*rest - '0');
	return fraction;
}

double format_instant(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return rest ? (double)timegm(&tm) + parse_fraction(rest) : -1;
}

double format_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *format_local(const char *text, char buf[static FORMAT_TEXT])
{
	double instant = format_instant(text);
	time_t seconds = (time_t)instant;
	struct tm tm;
	size_t length;

	if (instant < 0 || !localtime_r(&seconds, &tm))
		return text;
	length = strftime(buf, FORMAT_TEXT, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + length, FORMAT_TEXT - length, ".%03d", (int)((instant - (double)seconds) * 1000 + 0.5) % 1000);
	return buf;
}

const char *format_string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

double format_number(const json_t *object, const char *key, double fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : fallback;
}

bool format_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
