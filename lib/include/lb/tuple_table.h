/*
 * The connections that another node has told of, by slot; bounded by TUPLE_SLOTS. Not safe for more than one thread.
 */
#ifndef LB_TUPLE_TABLE_H
#define LB_TUPLE_TABLE_H

#include <lb/tuple_record.h>

/* A table of zeros is empty. */
struct tuple_table {
	struct lb_tuple *slots; /* client's family 0: free */
	uint32_t size, count;
};

/* False, and nothing changes, where memory is short. Slots out of range are the caller's error. */
bool tuple_table_apply(struct tuple_table *t, const struct tuple_change *change);
/* The first connection in slot or behind it, its slot then in *slot; NULL: there is none. */
const struct lb_tuple *tuple_table_from(const struct tuple_table *t, uint32_t *slot);
/* Empty it and give its memory back. */
void tuple_table_clear(struct tuple_table *t);

#endif
