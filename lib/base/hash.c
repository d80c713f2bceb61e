#include <lb/hash.h>

/* MurmurHash3's 64-bit finaliser: every input bit reaches every output bit. */
static uint64_t avalanche(uint64_t h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	h ^= h >> 33;
	return h;
}

uint64_t lb_hash(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3ULL;
	return avalanche(h);
}

uint64_t lb_hash_mix(uint64_t h, uint64_t v)
{
	return avalanche(h ^ (v + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2)));
}

uint64_t lb_random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Lemire's method: the high half of a product, redrawn where the low half would favour small numbers. */
uint32_t lb_random_below(uint64_t *state, uint32_t bound)
{
	uint32_t uneven = (uint32_t)(-bound) % bound;
	uint64_t product;

	do
		product = (lb_random_next(state) >> 32) * bound;
	while ((uint32_t)product < uneven);
	return (uint32_t)(product >> 32);
}
