#include <lb/balance.h>

#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>

#include "lib/core/balance_ops.h"

/* One turn of weight 1; divisible by every weight up to 256 closely enough that shares are exact within 1e-9. */
#define TURN (1ull << 40)
/* Virtual time is taken back to zero when it reaches this, long before it could overflow. */
#define TURNS_MAX (1ull << 52)

static const struct balance_ops *const algorithms[] = {
    [LB_LEASTCONN] = &balance_least_ops, [LB_ROUNDROBIN] = &balance_rr_ops, [LB_RANDOM] = &balance_random_ops,
    [LB_SOURCE] = &balance_source_ops,	 [LB_FIRST] = &balance_first_ops,
};

/* A new session counts where there are others; idle servers are all alike, so that their turns decide by weight. */
static uint64_t load_with_one_more(const struct balance_server *s)
{
	return s->load > 0 ? (uint64_t)s->load + 1 : 0;
}

int balance_compare_load(const struct balance *b, size_t x, size_t y)
{
	const struct balance_server *sx = &b->servers[x], *sy = &b->servers[y];
	uint64_t lx = load_with_one_more(sx) * sy->weight, ly = load_with_one_more(sy) * sx->weight;

	return lx < ly ? -1 : lx > ly;
}

int balance_compare_turn(const struct balance *b, size_t x, size_t y)
{
	if (b->turn[x] != b->turn[y])
		return b->turn[x] < b->turn[y] ? -1 : 1;
	return x < y ? -1 : x > y;
}

/* Only what lies before the present matters, so turns that were missed may all become zero. */
static void take_time_back(struct balance *b)
{
	for (size_t i = 0; i < b->n; i++)
		b->turn[i] = b->turn[i] > b->present ? b->turn[i] - b->present : 0;
	b->present = 0;
	balance_heap_build(b);
}

void balance_advance_turn(struct balance *b, size_t i)
{
	/* A server that was out, full or busy for long begins at the present: it catches up on nothing. */
	if (b->turn[i] > b->present)
		b->present = b->turn[i];
	b->turn[i] = b->present + TURN / b->servers[i].weight;
	if (b->present >= TURNS_MAX)
		take_time_back(b);
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
	if (b->ops->prepare && !b->ops->prepare(b)) {
		balance_free(b);
		return NULL;
	}
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
	free(b->table);
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
	uint64_t farthest = weight > 0 ? b->present + TURN / weight : UINT64_MAX;

	if (s->weight == weight && s->usable == usable)
		return;
	s->weight = weight;
	s->usable = usable;
	/* What it waits for was measured in the old weight. */
	if (b->turn[index] > farthest)
		b->turn[index] = farthest;
	changed(b, index);
}

uint16_t balance_ramp(uint16_t weight, lb_duration up_for, lb_duration slow_start)
{
	lb_duration ramped;

	if (slow_start <= 0 || up_for >= slow_start)
		return weight;
	ramped = up_for > 0 ? weight * (up_for / 1000) / (slow_start / 1000 > 0 ? slow_start / 1000 : 1) : 0;
	if (ramped > 0 || weight == 0)
		return (uint16_t)ramped;
	return 1;
}
