/*
 * source: the same client goes to the same server, on every node and worker. When a server leaves only its own clients
 * move, and all come back with it. What is drawn depends on the names of the listed servers alone; weight and state
 * only decide whether a server accepts, so that they can change without rebuilding anything.
 */
#include <lb/hash.h>

#include "lib/core/balance_ops.h"

#define FRACTION_BITS 20
/* Draws before a race decides, which costs as much as some draws for each server. */
#define DRAWS_MIN  32
#define DRAWS_EACH 8

/* -log2(u / 2^64) in fixed point, bit by bit: integers only, so that every node gets the same number. */
static uint64_t minus_log2(uint64_t u)
{
	uint64_t result, mantissa;
	int leading;

	if (u == 0)
		u = 1;
	leading = __builtin_clzll(u);
	mantissa = (u << leading) >> 32; /* 1 <= mantissa / 2^31 < 2 */
	result = (uint64_t)(63 - leading) << FRACTION_BITS;
	for (uint64_t bit = 1u << (FRACTION_BITS - 1); bit; bit >>= 1) {
		mantissa = (mantissa * mantissa) >> 31;
		if (mantissa >> 32) {
			mantissa >>= 1;
			result |= bit;
		}
	}
	return (64ull << FRACTION_BITS) - result;
}

/*
 * Weighted rendezvous hashing: each server races with an exponential time of rate weight, drawn from the hash of client
 * and server; the first one wins with probability weight / sum of weights.
 */
static uint64_t race_time(uint64_t client, const struct balance_server *s)
{
	return (minus_log2(lb_hash_mix(client, s->key_hash)) << 24) / s->weight;
}

static bool fits(const struct balance *b, size_t i, int class, const bool *skip)
{
	const struct balance_server *s = &b->servers[i];

	return balance_class(s) == class && !(skip && skip[i]) && !balance_full(s);
}

/*
 * The client's own sequence of places in the table; the first server that fits and accepts is taken. Each accepts with
 * probability weight / 256. What a server does changes nothing for the clients that another one has accepted before.
 */
static int draw(const struct balance *b, uint64_t key, int class, const bool *skip)
{
	size_t draws = DRAWS_MIN + DRAWS_EACH * b->n;

	for (size_t i = 0; i < draws; i++) {
		uint64_t number = lb_hash_mix(key, i);
		size_t server = b->table[(number >> 8) % b->places];

		if ((number & 0xff) < b->servers[server].weight && fits(b, server, class, skip))
			return (int)server;
	}
	return -1;
}

/* Where few fit, or weights are small, the race among all of a class. */
static int race(const struct balance *b, uint64_t key, int class, const bool *skip)
{
	uint64_t best = UINT64_MAX;
	int chosen = -1;

	for (size_t i = 0; i < b->n && class >= 0; i++) {
		const struct balance_server *s = &b->servers[i];
		uint64_t time;

		if (!fits(b, i, class, skip))
			continue;
		time = race_time(key, s);
		/* Of equals the name decides, as the order of the list may differ from node to node. */
		if (time < best || (time == best && s->key_hash < b->servers[chosen].key_hash)) {
			best = time;
			chosen = (int)i;
		}
	}
	return chosen;
}

static void count_primaries(struct balance *b)
{
	b->primaries = 0;
	for (size_t i = 0; i < b->n; i++)
		b->primaries += balance_class(&b->servers[i]) == 0;
	b->sums_stale = false;
}

static int pick(struct balance *b, const struct lb_addr *client, const bool *skip)
{
	uint64_t key = lb_hash(client->bytes, lb_addr_size(client));
	int chosen;

	if (b->n == 0)
		return -1;
	if (b->sums_stale)
		count_primaries(b);
	chosen = draw(b, key, b->primaries > 0 ? 0 : 1, skip);
	return chosen >= 0 ? chosen : race(b, key, balance_usable_class(b, skip), skip);
}

const struct balance_ops balance_source_ops = {.prepare = balance_table_build, .pick = pick};
