#include <lb/balance.h>

#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

#include "lib/core/balance_ops.h"

/* One turn of weight 1; divisible by every weight up to 256 closely enough that shares are exact within 1e-9. */
#define TURN (1ull << 40)

static const struct balance_ops *const algorithms[] = {
    [LB_LEASTCONN] = &balance_least_ops, [LB_ROUNDROBIN] = &balance_rr_ops, [LB_RANDOM] = &balance_random_ops,
    [LB_SOURCE] = &balance_source_ops,	 [LB_FIRST] = &balance_first_ops,
};

int balance_compare_load(const struct balance *b, size_t x, size_t y)
{
	const struct balance_server *sx = &b->servers[x], *sy = &b->servers[y];
	uint64_t lx = ((uint64_t)sx->load + 1) * sy->weight, ly = ((uint64_t)sy->load + 1) * sx->weight;

	return lx < ly ? -1 : lx > ly;
}

int balance_compare_turn(const struct balance *b, size_t x, size_t y)
{
	if (b->turn[x] != b->turn[y])
		return b->turn[x] < b->turn[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

void balance_advance_turn(struct balance *b, size_t i)
{
	b->turn[i] += TURN / b->servers[i].weight;
}

int balance_usable_class(const struct balance *b, const bool *skip)
{
	bool full = false, backup = false;

	for (size_t i = 0; i < b->n; i++) {
		const struct balance_server *s = &b->servers[i];
		int class = balance_class(s);

		if (class == 2 || (skip && skip[i]))
			continue;
		if (class == 0 && !balance_full(s))
			return 0;
		full = full || class == 0;
		backup = backup || class == 1;
	}
	return backup && !full ? 1 : -1;
}

/* The earliest turn of those in play: where a server that joins begins, so that it catches up on nothing. */
static uint64_t present_turn(const struct balance *b, size_t except)
{
	uint64_t earliest = UINT64_MAX;

	for (size_t i = 0; i < b->n; i++)
		if (i != except && balance_in_play(&b->servers[i]) && b->turn[i] < earliest)
			earliest = b->turn[i];
	return earliest == UINT64_MAX ? 0 : earliest;
}

/* Workers start at different places of the first round, so that few connections still reach all servers. */
static void spread_turns(struct balance *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->servers[i].weight > 0)
			b->turn[i] = lb_random_next(&b->random) % (TURN / b->servers[i].weight);
}

struct balance *balance_new(enum lb_balance_kind kind, const struct balance_server *servers, size_t n, uint64_t seed)
{
	struct balance *b = calloc(1, sizeof(*b));
	size_t room = n > 0 ? n : 1;

	if (!b)
		return NULL;
	b->ops = algorithms[kind];
	b->n = n;
	b->random = seed;
	b->sums_stale = true;
	b->servers = calloc(room, sizeof(*b->servers));
	b->turn = calloc(room, sizeof(*b->turn));
	b->heap = calloc(room, sizeof(*b->heap));
	b->place = calloc(room, sizeof(*b->place));
	b->scratch = calloc(room, sizeof(*b->scratch));
	b->sums = calloc(room, sizeof(*b->sums));
	if (!b->servers || !b->turn || !b->heap || !b->place || !b->scratch || !b->sums) {
		balance_free(b);
		return NULL;
	}
	if (n > 0)
		memcpy(b->servers, servers, n * sizeof(*servers));
	spread_turns(b);
	if (b->ops->compare)
		balance_heap_build(b);
	return b;
}

void balance_free(struct balance *b)
{
	if (!b)
		return;
	free(b->servers);
	free(b->turn);
	free(b->heap);
	free(b->place);
	free(b->scratch);
	free(b->sums);
	free(b);
}

int balance_pick(struct balance *b, const struct lb_addr *client, const bool *skip)
{
	int chosen = b->ops->compare ? balance_heap_pick(b, skip) : b->ops->pick(b, client, skip);

	if (chosen >= 0 && b->ops->picked)
		b->ops->picked(b, (size_t)chosen);
	return chosen;
}

static void changed(struct balance *b, size_t index)
{
	b->sums_stale = true;
	if (b->ops->compare)
		balance_heap_update(b, index);
}

void balance_load(struct balance *b, size_t index, uint32_t load)
{
	if (b->servers[index].load == load)
		return;
	b->servers[index].load = load;
	if (b->ops->compare)
		balance_heap_update(b, index);
}

void balance_update(struct balance *b, size_t index, uint16_t weight, bool usable)
{
	struct balance_server *s = &b->servers[index];
	bool joined = !balance_in_play(s) && usable && weight > 0;

	if (s->weight == weight && s->usable == usable)
		return;
	s->weight = weight;
	s->usable = usable;
	if (joined)
		b->turn[index] = present_turn(b, index);
	changed(b, index);
}

uint16_t balance_ramp(uint16_t weight, lb_duration up_for, lb_duration slow_start)
{
	lb_duration ramped;

	if (slow_start <= 0 || up_for >= slow_start)
		return weight;
	ramped = up_for > 0 ? weight * (up_for / 1000) / (slow_start / 1000 > 0 ? slow_start / 1000 : 1) : 0;
	return ramped > 1 ? (uint16_t)ramped : 1;
}
