/* roundrobin: the server whose turn is earliest; a turn costs 1/weight, so shares follow weights smoothly. */
#include "lib/core/balance_ops.h"

static void picked(struct balance *b, size_t i)
{
	balance_advance_turn(b, i);
	balance_heap_update(b, i);
}

const struct balance_ops balance_rr_ops = {.compare = balance_compare_turn, .picked = picked};
