#include "daemon/lbctl/table.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

/* A cell's text lies in the table's, behind its NUL-terminated neighbours: a screen may have ten thousand of them. */
struct cell {
	enum table_tint tint;
	size_t at, width;
};

struct table {
	const struct table_column *columns;
	size_t column_count;
	struct cell *cells; /* row by row */
	size_t count, capacity;
	struct lb_text text;
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

/* Characters, not bytes: those of UTF-8 that go on with one are not counted. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* Where the text of the next cell is; it must be added before the next cell. */
static void new_cell(struct table *t, enum table_tint tint)
{
	if (t->count == t->capacity) {
		t->capacity = t->capacity ? t->capacity * 2 : 64;
		t->cells = must(reallocarray(t->cells, t->capacity, sizeof(*t->cells)));
	}
	t->cells[t->count++] = (struct cell){.tint = tint, .at = t->text.len};
}

static void end_cell(struct table *t)
{
	struct cell *cell = &t->cells[t->count - 1];

	lb_text_addn(&t->text, "", 1);
	cell->width = width_of(must(t->text.failed ? NULL : t->text.data + cell->at));
}

void table_text_cell(struct table *t, enum table_tint tint, const char *text)
{
	new_cell(t, tint);
	lb_text_add(&t->text, text);
	end_cell(t);
}

void table_number_cell(struct table *t, enum table_tint tint, uint64_t number)
{
	char digits[24], *at = digits + sizeof(digits);

	*--at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	table_text_cell(t, tint, at);
}

void table_cell(struct table *t, enum table_tint tint, const char *fmt, ...)
{
	va_list args;
	char *text = NULL;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	table_text_cell(t, tint, must(text));
	free(text);
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

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = strlen(t->columns[column].title);

	for (size_t i = column; i < t->count; i += t->column_count) {
		size_t length = t->cells[i].width;

		width = length > width ? length : width;
	}
	return width;
}

static void add_spaces(struct lb_text *out, size_t count)
{
	static const char spaces[] = "                                ";

	for (size_t n; count > 0; count -= n) {
		n = count < sizeof(spaces) - 1 ? count : sizeof(spaces) - 1;
		lb_text_addn(out, spaces, n);
	}
}

/* What pads a cell is held back until something follows it, so that no line ends with spaces. */
static void row_text(const struct table *t, const size_t *widths, const struct cell *row, const char *text, bool colour,
		     struct lb_text *out)
{
	size_t owed = 0;

	for (size_t i = 0; i < t->column_count; i++) {
		size_t padding = widths[i] - row[i].width;

		if (row[i].width > 0) {
			add_spaces(out, owed + (t->columns[i].right ? padding : 0));
			table_tinted(row[i].tint, colour, text + row[i].at, out);
			owed = GAP + (t->columns[i].right ? 0 : padding);
		} else {
			owed += widths[i] + GAP;
		}
	}
	lb_text_add(out, "\n");
}

/* The row of titles is a table of its own with the widths of this one. */
static void titles_text(const struct table *t, const size_t *widths, bool colour, struct lb_text *out)
{
	struct table *titles = table_new(t->columns, t->column_count);

	for (size_t i = 0; i < t->column_count; i++)
		table_text_cell(titles, TABLE_DIM, t->columns[i].title);
	row_text(titles, widths, titles->cells, titles->text.data, colour, out);
	table_free(titles);
}

void table_text(const struct table *t, bool colour, struct lb_text *out)
{
	size_t *widths;

	if (t->count == 0)
		return;
	widths = must(calloc(t->column_count, sizeof(*widths)));
	for (size_t i = 0; i < t->column_count; i++)
		widths[i] = column_width(t, i);
	titles_text(t, widths, colour, out);
	for (size_t i = 0; i + t->column_count <= t->count; i += t->column_count)
		row_text(t, widths, t->cells + i, t->text.data, colour, out);
	free(widths);
}

void table_free(struct table *t)
{
	if (!t)
		return;
	lb_text_free(&t->text);
	free(t->cells);
	free(t);
}
