/* leastconn: fewest sessions for its weight; equals take turns as in roundrobin. */
#include "lib/core/balance_ops.h"

static int compare(const struct balance *b, size_t x, size_t y)
{
	int by_load = balance_compare_load(b, x, y);

	return by_load != 0 ? by_load : balance_compare_turn(b, x, y);
}

static void picked(struct balance *b, size_t i)
{
	balance_advance_turn(b, i);
	balance_heap_update(b, i);
}

const struct balance_ops balance_least_ops = {.compare = compare, .picked = picked};
