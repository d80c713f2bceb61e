#include "daemon/lbctl/table.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

struct cell {
	enum table_tint tint;
	char *text;
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	struct cell *cells; /* row by row */
	size_t count, capacity;
};

static void *must(void *memory)
{
	if (!memory)
		errx(EXIT_FAILURE, "out of memory");
	return memory;
}

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *t = must(calloc(1, sizeof(*t)));

	t->columns = columns;
	t->column_count = count;
	return t;
}

void table_cell(struct table *t, enum table_tint tint, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	if (t->count == t->capacity) {
		t->capacity = t->capacity ? t->capacity * 2 : 64;
		t->cells = must(reallocarray(t->cells, t->capacity, sizeof(*t->cells)));
	}
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	t->cells[t->count++] = (struct cell){tint, must(text)};
}

void table_tinted(enum table_tint tint, bool colour, const char *text, struct lb_text *out)
{
	static const char *const codes[] = {
	    [TABLE_PLAIN] = "", [TABLE_GOOD] = "32", [TABLE_WARN] = "33",
	    [TABLE_BAD] = "31", [TABLE_DIM] = "2",   [TABLE_BOLD] = "1",
	};

	if (colour && codes[tint][0] != '\0')
		lb_text_addf(out, "\033[%sm%s\033[0m", codes[tint], text);
	else
		lb_text_add(out, text);
}

/* Characters, not bytes: those of UTF-8 that go on with one are not counted. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = strlen(t->columns[column].title);

	for (size_t i = column; i < t->count; i += t->column_count) {
		size_t length = width_of(t->cells[i].text);

		width = length > width ? length : width;
	}
	return width;
}

static void add_spaces(struct lb_text *out, size_t count)
{
	while (count-- > 0)
		lb_text_addn(out, " ", 1);
}

/* What pads a cell is held back until something follows it, so that no line ends with spaces. */
static void row_text(const struct table *t, const size_t *widths, const struct cell *row, bool colour,
		     struct lb_text *out)
{
	size_t owed = 0;

	for (size_t i = 0; i < t->column_count; i++) {
		size_t length = width_of(row[i].text);
		size_t padding = widths[i] - length;

		if (length > 0) {
			add_spaces(out, owed + (t->columns[i].right ? padding : 0));
			table_tinted(row[i].tint, colour, row[i].text, out);
			owed = GAP + (t->columns[i].right ? 0 : padding);
		} else {
			owed += widths[i] + GAP;
		}
	}
	lb_text_add(out, "\n");
}

void table_text(const struct table *t, bool colour, struct lb_text *out)
{
	size_t *widths;
	struct cell *titles;

	if (t->count == 0)
		return;
	widths = must(calloc(t->column_count, sizeof(*widths)));
	titles = must(calloc(t->column_count, sizeof(*titles)));
	for (size_t i = 0; i < t->column_count; i++) {
		widths[i] = column_width(t, i);
		titles[i] = (struct cell){TABLE_DIM, (char *)(uintptr_t)t->columns[i].title};
	}
	row_text(t, widths, titles, colour, out);
	for (size_t i = 0; i + t->column_count <= t->count; i += t->column_count)
		row_text(t, widths, t->cells + i, colour, out);
	free(titles);
	free(widths);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->cells[i].text);
	free(t->cells);
	free(t);
}
