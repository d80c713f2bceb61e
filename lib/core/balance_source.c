/*
 * source: the same client goes to the same server, on every node and worker (weighted rendezvous hashing). When a
 * server leaves only its own clients move, each to the server that was second in its order.
 */
#include <lb/hash.h>

#include "lib/core/balance_ops.h"

#define FRACTION_BITS 20

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
 * Each server races with an exponential time of rate weight, drawn from the hash of client and server; the first
 * one wins with probability weight / sum of weights.
 */
static uint64_t race_time(uint64_t client, const struct balance_server *s)
{
	return (minus_log2(lb_hash_mix(client, s->key_hash)) << 24) / s->weight;
}

static int pick(struct balance *b, const struct lb_addr *client, const bool *skip)
{
	int class = balance_usable_class(b, skip);
	uint64_t key = lb_hash(client->bytes, lb_addr_size(client)), best = UINT64_MAX;
	int chosen = -1;

	for (size_t i = 0; i < b->n && class >= 0; i++) {
		const struct balance_server *s = &b->servers[i];
		uint64_t time;

		if (balance_class(s) != class || (skip && skip[i]) || balance_full(s))
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

const struct balance_ops balance_source_ops = {.pick = pick};
