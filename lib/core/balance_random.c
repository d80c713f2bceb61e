/* random: two servers drawn by weight, the less loaded one wins ("power of two choices"). */
#include <lb/hash.h>

#include "lib/core/balance_ops.h"

/* Draws that may meet skipped or full servers before the list is searched. */
#define DRAWS 16

/* Running sums over the servers of the class in use; those out of play add nothing. */
static uint32_t total_weight(struct balance *b, int class)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < b->n; i++) {
		const struct balance_server *s = &b->servers[i];

		if (balance_class(s) == class)
			sum += s->weight;
		b->sums[i] = sum;
	}
	b->sums_stale = false;
	return sum;
}

/* The first index whose running sum exceeds a uniform number: O(log n). */
static size_t draw(struct balance *b, uint32_t total)
{
	uint32_t at = lb_random_below(&b->random, total);
	size_t low = 0, high = b->n - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (b->sums[middle] > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool fits(const struct balance *b, size_t i, int class, const bool *skip)
{
	const struct balance_server *s = &b->servers[i];

	return balance_class(s) == class && !(skip && skip[i]) && !balance_full(s);
}

/* Drawing again keeps the shares of those that fit; the search only finds the last few among many that do not. */
static int draw_fitting(struct balance *b, uint32_t total, int class, const bool *skip)
{
	size_t from = 0;

	for (int i = 0; i < DRAWS; i++) {
		from = draw(b, total);
		if (fits(b, from, class, skip))
			return (int)from;
	}
	for (size_t step = 0; step < b->n; step++) {
		size_t i = (from + step) % b->n;

		if (fits(b, i, class, skip))
			return (int)i;
	}
	return -1;
}

/* The class in use and its total are found in one place: primaries while any of them can take a session. */
static int pick(struct balance *b, const struct lb_addr *client, const bool *skip)
{
	uint32_t total = b->n == 0 ? 0 : b->sums_stale ? total_weight(b, 0) : b->sums[b->n - 1];
	int class = 0, first, second;

	(void)client;
	if (total == 0 || skip) {
		class = balance_usable_class(b, skip);
		if (class < 0)
			return -1;
		total = total_weight(b, class);
		b->sums_stale = class != 0;
	}
	first = draw_fitting(b, total, class, skip);
	if (first < 0)
		return -1;
	second = draw_fitting(b, total, class, skip);
	return balance_compare_load(b, (size_t)second, (size_t)first) < 0 ? second : first;
}

const struct balance_ops balance_random_ops = {.pick = pick};
