/*
 * Growing text buffer and small text helpers for people-facing output (errors, metrics, JSON fragments).
 */
#ifndef LB_TEXT_H
#define LB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/time.h>

/* Zero-initialise; data is NUL-terminated once anything was added and owned by the buffer until lb_text_free. */
struct lb_text {
	char *data;
	size_t len, cap;
	bool failed; /* an allocation failed; what was added since is missing */
};

void lb_text_add(struct lb_text *t, const char *s);
void lb_text_addn(struct lb_text *t, const char *s, size_t n);
void lb_text_addf(struct lb_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The content as a C string, never NULL. */
const char *lb_text_str(const struct lb_text *t);
void lb_text_free(struct lb_text *t);

#define LB_DURATION_TEXT 24
/* Shortest exact form with one unit: "100ms", "2s", "5m", "1h", "0", "250us". */
const char *lb_duration_text(lb_duration d, char buf[static LB_DURATION_TEXT]);
/* Parse "100ms", "2s", "5m", "1h", "250us", fractions ("1.5s", "40.95s") and a bare "0". False leaves *out untouched.
 */
bool lb_duration_parse(const char *text, lb_duration *out);

/* Of n candidates the one nearest to word (edit distance at most 2 and less than half its length), or NULL. */
const char *lb_text_nearest(const char *word, const char *const *candidates, size_t n);

#endif
