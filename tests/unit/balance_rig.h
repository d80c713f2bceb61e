/*
 * What the tests of the picker share: a list of servers by weight, one picker, and counting.
 */
#ifndef BALANCE_RIG_H
#define BALANCE_RIG_H

#include <check.h>
#include <stdlib.h>

#include <lb/balance.h>
#include <lb/hash.h>

#define PICKS 100000
#define MAX   8

/* The picker of the running test, its servers as they were given to it, and what count() counted. */
static struct balance *picker;
static struct balance_server servers[MAX];
static uint32_t picked[MAX];

/* Usable servers of these weights; 0 ends the list. */
static inline size_t serve(const uint16_t *weights)
{
	size_t n = 0;

	for (; n < MAX && weights[n] > 0; n++)
		servers[n] = (struct balance_server){
		    .key_hash = (uint32_t)lb_hash(&(char){(char)('a' + n)}, 1), .weight = weights[n], .usable = true};
	return n;
}

static inline void begin(enum lb_balance_kind kind, size_t n, uint64_t seed)
{
	balance_free(picker);
	picker = balance_new(kind, servers, n, seed);
	ck_assert_ptr_nonnull(picker);
}

static inline void finish(void)
{
	balance_free(picker);
	picker = NULL;
}

static inline struct lb_addr client(uint32_t i)
{
	return (struct lb_addr){
	    AF_INET, {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}
	    };
}

static inline int pick(uint32_t i)
{
	struct lb_addr c = client(i);

	return balance_pick(picker, &c, NULL);
}

/* Pick so many times, each from another client, and count. */
static inline void count(size_t n, uint32_t picks)
{
	for (size_t i = 0; i < n; i++)
		picked[i] = 0;
	for (uint32_t i = 0; i < picks; i++) {
		int s = pick(i);

		ck_assert_int_ge(s, 0);
		ck_assert_uint_lt((size_t)s, n);
		picked[s]++;
	}
}

/* Every server got its share by weight, give or take so many picks. */
static inline void shares(size_t n, uint32_t picks, double tolerance)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += servers[i].weight;
	for (size_t i = 0; i < n; i++)
		ck_assert_double_eq_tol(picked[i], picks * servers[i].weight / sum, tolerance);
}

static const uint16_t equal[MAX] = {100, 100, 100}, usual[MAX] = {100, 200, 50}, steep[MAX] = {256, 1, 3},
		      two[MAX] = {1, 1}, odd[MAX] = {7, 11, 13, 17, 19, 23, 29, 31};
static const uint16_t *const weight_rows[] = {equal, usual, steep, two, odd};
#define WEIGHT_ROWS (int)(sizeof(weight_rows) / sizeof(weight_rows[0]))

#endif
