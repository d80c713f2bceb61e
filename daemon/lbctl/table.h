/*
 * Text in aligned columns, with colour where the reader is a terminal.
 */
#ifndef LBCTL_TABLE_H
#define LBCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/text.h>

enum table_tint { TABLE_PLAIN, TABLE_GOOD, TABLE_WARN, TABLE_BAD, TABLE_DIM, TABLE_BOLD };

struct table_column {
	const char *title;
	bool right; /* numbers stand at the right edge */
};

struct table;

/* A table with these columns (borrowed until table_free). Ends the program when memory is short. */
struct table *table_new(const struct table_column *columns, size_t count);

/* The next cell, from the left; a new row begins by itself after the last column. */
void table_cell(struct table *t, enum table_tint tint, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same of a text as it is, or of a number: a fifth of the time where there are thousands. */
void table_text_cell(struct table *t, enum table_tint tint, const char *text);
void table_number_cell(struct table *t, enum table_tint tint, uint64_t number);

/* Titles and rows, two spaces between columns, no spaces at the end of a line. Nothing for a table without rows. */
void table_text(const struct table *t, bool colour, struct lb_text *out);

void table_free(struct table *t);

/* One tinted piece of text. */
void table_tinted(enum table_tint tint, bool colour, const char *text, struct lb_text *out);

#endif
