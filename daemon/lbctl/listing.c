#include "daemon/lbctl/listing.h"

#include <stdio.h>
#include <string.h>

#include "daemon/lbctl/format.h"
#include "daemon/lbctl/table.h"

static const struct table_column event_columns[] = {
    {"TIME",    false},
    {"KIND",    false},
    {"SUBJECT", false},
	  {"FROM",	   false},
    {"TO",	   false},
    {"TOOK",    true },
    {"REASON",	 false},
};
#define EVENT_COLUMNS (sizeof(event_columns) / sizeof(event_columns[0]))

#define REASON_WIDTH 100

static enum table_tint event_tint(const char *to)
{
	if (strcmp(to, "active") == 0 || strcmp(to, "up") == 0)
		return TABLE_GOOD;
	return strcmp(to, "down") == 0 || strcmp(to, "fault") == 0 ? TABLE_BAD : TABLE_PLAIN;
}

/* Nothing behind an alarm: it has ended. */
static const char *reached(const json_t *event)
{
	const char *to = format_string(event, "to");

	return *to == '\0' && strcmp(format_string(event, "from"), "alarm") == 0 ? "ok" : to;
}

/* A step of no known duration leaves its cell empty. */
static const char *took(const json_t *event, char ms[static FORMAT_TEXT])
{
	double duration = format_number(event, "duration_ms", 0);

	return duration > 0 ? format_ms(duration, ms) : "";
}

void listing_events(const json_t *events, size_t count, bool colour, struct lb_text *out)
{
	struct table *t = table_new(event_columns, EVENT_COLUMNS);
	size_t all = json_array_size(events);

	for (size_t i = all > count ? all - count : 0; i < all; i++) {
		const json_t *event = json_array_get(events, i);
		char at[FORMAT_TEXT], ms[FORMAT_TEXT], reason[FORMAT_CUT];

		table_cell(t, TABLE_DIM, "%s", format_local(format_string(event, "at"), at));
		table_cell(t, TABLE_PLAIN, "%s", format_string(event, "kind"));
		table_cell(t, TABLE_PLAIN, "%s", format_string(event, "subject"));
		table_cell(t, TABLE_PLAIN, "%s", format_string(event, "from"));
		table_cell(t, event_tint(reached(event)), "%s", reached(event));
		table_cell(t, TABLE_PLAIN, "%s", took(event, ms));
		table_cell(t, TABLE_PLAIN, "%s", format_cut(format_string(event, "reason"), REASON_WIDTH, reason));
	}
	table_text(t, colour, out);
	table_free(t);
}

/* The columns of the table at widths that fit what is usual, because what is to come is not known. */
#define FOLLOW_COLUMNS "%-7s  %-28s  %-10s  "

void listing_event_titles(bool colour, struct lb_text *out)
{
	char titles[160];

	snprintf(titles, sizeof(titles), "%-23s  " FOLLOW_COLUMNS "%-10s  %8s  %s", "TIME", "KIND", "SUBJECT", "FROM",
		 "TO", "TOOK", "REASON");
	table_tinted(TABLE_DIM, colour, titles, out);
	lb_text_add(out, "\n");
}

void listing_event(const json_t *event, bool colour, struct lb_text *out)
{
	char at[FORMAT_TEXT], ms[FORMAT_TEXT], to[FORMAT_TEXT], reason[FORMAT_CUT];

	snprintf(at, sizeof(at), "%-23s", format_local(format_string(event, "at"), ms));
	table_tinted(TABLE_DIM, colour, at, out);
	lb_text_addf(out, "  " FOLLOW_COLUMNS, format_string(event, "kind"), format_string(event, "subject"),
		     format_string(event, "from"));
	snprintf(to, sizeof(to), "%-10s", reached(event));
	table_tinted(event_tint(reached(event)), colour, to, out);
	lb_text_addf(out, "  %8s  %s\n", took(event, ms),
		     format_cut(format_string(event, "reason"), REASON_WIDTH, reason));
}

void listing_sessions(const json_t *answer, bool colour, struct lb_text *out)
{
	static const struct table_column columns[] = {
	    {"ID",	   true },
	      {"SERVICE", false},
		  {"SERVER",  false},
	     {"CLIENT",	false},
	    {"STATE",   false},
	      {"AGE",     true },
		  {"IN",	 true },
	     {"OUT",     true },
	};
	struct table *t = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	const json_t *sessions = json_object_get(answer, "connections"), *session;
	double all = format_number(answer, "total", 0);
	size_t i;

	json_array_foreach(sessions, i, session)
	{
		char age[FORMAT_TEXT], in[FORMAT_TEXT], sent[FORMAT_TEXT];

		table_cell(t, TABLE_PLAIN, "%lld", (long long)json_integer_value(json_object_get(session, "id")));
		table_cell(t, TABLE_PLAIN, "%s", format_string(session, "service"));
		table_cell(t, TABLE_PLAIN, "%s", format_string(session, "server"));
		table_cell(t, TABLE_PLAIN, "%s", format_string(session, "client"));
		table_cell(t, TABLE_PLAIN, "%s", format_string(session, "state"));
		table_cell(t, TABLE_PLAIN, "%s", format_age(format_number(session, "age_seconds", -1), age));
		table_cell(t, TABLE_PLAIN, "%s", format_bytes(format_number(session, "bytes_in", 0), in));
		table_cell(t, TABLE_PLAIN, "%s", format_bytes(format_number(session, "bytes_out", 0), sent));
	}
	table_text(t, colour, out);
	table_free(t);
	if ((double)i < all)
		lb_text_addf(out, "%zu of ", i);
	lb_text_addf(out, "%.0f session%s\n", all, all > 0 && all < 2 ? "" : "s");
}
