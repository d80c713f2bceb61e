#include <lb/tuple_table.h>

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256u

static bool is_open(const struct lb_tuple *tuple)
{
	return tuple->client.addr.family != 0;
}

static bool make_room(struct tuple_table *t, uint32_t slot)
{
	uint32_t size = t->size > 0 ? t->size : FIRST_SIZE;
	struct lb_tuple *slots;

	if (slot < t->size)
		return true;
	while (size <= slot)
		size *= 2;
	slots = reallocarray(t->slots, size, sizeof(*slots));
	if (slots == NULL)
		return false;
	memset(slots + t->size, 0, (size - t->size) * sizeof(*slots));
	t->slots = slots;
	t->size = size;
	return true;
}

bool tuple_table_apply(struct tuple_table *t, const struct tuple_change *change)
{
	struct lb_tuple *tuple;

	if (change->slot >= TUPLE_SLOTS)
		return false;
	if (change->kind == TUPLE_CLOSED && change->slot >= t->size)
		return true;
	if (!make_room(t, change->slot))
		return false;
	tuple = &t->slots[change->slot];
	t->count -= is_open(tuple);
	*tuple = change->kind == TUPLE_OPENED ? change->tuple : (struct lb_tuple){0};
	t->count += is_open(tuple);
	return true;
}

const struct lb_tuple *tuple_table_from(const struct tuple_table *t, uint32_t *slot)
{
	for (; *slot < t->size; ++*slot)
		if (is_open(&t->slots[*slot]))
			return &t->slots[*slot];
	return NULL;
}

void tuple_table_clear(struct tuple_table *t)
{
	free(t->slots);
	*t = (struct tuple_table){0};
}
