#include <lb/text.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Make room for n more bytes and the NUL. */
static bool reserve(struct lb_text *t, size_t n)
{
	size_t need = t->len + n + 1, cap = t->cap ? t->cap : 64;
	char *data;

	if (t->failed || n > PTRDIFF_MAX - t->len - 1) {
		t->failed = true;
		return false;
	}
	if (need <= t->cap)
		return true;
	while (cap < need)
		cap *= 2;
	data = realloc(t->data, cap);
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->cap = cap;
	return true;
}

void lb_text_addn(struct lb_text *t, const char *s, size_t n)
{
	if (!reserve(t, n))
		return;
	memcpy(t->data + t->len, s, n);
	t->len += n;
	t->data[t->len] = '\0';
}

void lb_text_add(struct lb_text *t, const char *s)
{
	lb_text_addn(t, s, strlen(s));
}

void lb_text_addf(struct lb_text *t, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !reserve(t, (size_t)n))
		return;
	va_start(args, fmt);
	vsnprintf(t->data + t->len, (size_t)n + 1, fmt, args);
	va_end(args);
	t->len += (size_t)n;
}

const char *lb_text_str(const struct lb_text *t)
{
	return t->data ? t->data : "";
}

void lb_text_free(struct lb_text *t)
{
	free(t->data);
	*t = (struct lb_text){0};
}

#define WORD_MAX 63

/* Optimal string alignment distance: insert, delete, replace, or swap two neighbours, each for one. */
static size_t edit_distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= len_b; j++)
		above[j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *spare = before;

		before = above;
		above = row;
		row = spare;
	}
	return above[len_b];
}

const char *lb_text_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word), best = 3;
	const char *nearest = NULL;

	if (len > WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t len_c = strlen(candidates[i]), distance;

		if (len_c > WORD_MAX)
			continue;
		distance = edit_distance(word, len, candidates[i], len_c);
		if (distance < best && distance * 2 < len) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}
