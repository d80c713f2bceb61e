/*
 * Figures and instants of the API as people read them, and short access to JSON.
 */
#ifndef LBCTL_FORMAT_H
#define LBCTL_FORMAT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_TEXT 32

/* Seconds as "42s", "3m 05s", "2h 10m", "5d 3h"; "-" when negative. */
const char *format_age(double seconds, char buf[static FORMAT_TEXT]);
/* Milliseconds as "0.31 ms", "42 ms", "1.5 s"; "-" when negative. */
const char *format_ms(double ms, char buf[static FORMAT_TEXT]);
/* Bytes as "512 B", "1.5 kB", "20 MB" (powers of 1000). */
const char *format_bytes(double bytes, char buf[static FORMAT_TEXT]);

/*
 * What fits into a line of a table: the first line of text, at most width characters of it; what is left out is marked
 * with an ellipsis.
 */
#define FORMAT_CUT 400
const char *format_cut(const char *text, size_t width, char buf[static FORMAT_CUT]);
/* Milliseconds whole below ten seconds, in seconds above, so that a column stays in one unit; "-" when negative. */
const char *format_whole_ms(double ms, char buf[static FORMAT_TEXT]);

/* "2026-01-01T10:00:00.123Z" as seconds since 1970; -1 when it is not one. */
double format_instant(const char *text);
/* Now, on the same scale. */
double format_now(void);
/* The same instant as local "2026-01-01 11:00:00.123"; the text itself when it is not one. */
const char *format_local(const char *text, char buf[static FORMAT_TEXT]);

/* Members of a JSON object that may be missing or null: "" or fallback then. The string belongs to the object. */
const char *format_string(const json_t *object, const char *key);
double format_number(const json_t *object, const char *key, double fallback);
bool format_bool(const json_t *object, const char *key, bool fallback);

#endif
