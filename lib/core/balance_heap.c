#include "lib/core/balance_ops.h"

static bool before(const struct balance *b, size_t x, size_t y)
{
	int cx = balance_class(&b->servers[x]), cy = balance_class(&b->servers[y]);

	if (cx != cy)
		return cx < cy;
	return b->ops->compare(b, x, y) < 0;
}

static void put(struct balance *b, size_t at, uint32_t index)
{
	b->heap[at] = index;
	b->place[index] = (uint32_t)at;
}

static void sift_up(struct balance *b, size_t at)
{
	uint32_t index = b->heap[at];

	while (at > 0 && before(b, index, b->heap[(at - 1) / 2])) {
		put(b, at, b->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(b, at, index);
}

static void sift_down(struct balance *b, size_t at, size_t size)
{
	uint32_t index = b->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= size)
			break;
		if (child + 1 < size && before(b, b->heap[child + 1], b->heap[child]))
			child++;
		if (!before(b, b->heap[child], index))
			break;
		put(b, at, b->heap[child]);
		at = child;
	}
	put(b, at, index);
}

void balance_heap_build(struct balance *b)
{
	for (size_t i = 0; i < b->n; i++)
		put(b, i, (uint32_t)i);
	for (size_t i = b->n / 2; i-- > 0;)
		sift_down(b, i, b->n);
}

void balance_heap_update(struct balance *b, size_t i)
{
	sift_up(b, b->place[i]);
	sift_down(b, b->place[i], b->n);
}

/*
 * Take the first off the heap until one fits, then put those passed over back. Only skipped and full servers are
 * passed over, so this costs O(log n) for each of them.
 */
int balance_heap_pick(struct balance *b, const bool *skip)
{
	size_t size = b->n, passed = 0;
	bool full = false;
	int chosen = -1;

	while (size > 0) {
		uint32_t index = b->heap[0];
		const struct balance_server *s = &b->servers[index];
		int class = balance_class(s);

		/* Backups stand in for servers that are out or failed, not for servers that are full. */
		if (class == 2 || (class == 1 && full))
			break;
		if (!(skip && skip[index]) && !balance_full(s)) {
			chosen = (int)index;
			break;
		}
		full = full || (class == 0 && !(skip && skip[index]));
		b->scratch[passed++] = index;
		put(b, 0, b->heap[--size]);
		if (size > 0)
			sift_down(b, 0, size);
	}
	while (passed > 0) {
		put(b, size, b->scratch[--passed]);
		sift_up(b, size++);
	}
	return chosen;
}
