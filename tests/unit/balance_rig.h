/*
 * What the tests of the picker share: a list of servers by weight, one picker, and counting.
 */
#ifndef BALANCE_RIG_H
#define BALANCE_RIG_H

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include <lb/balance.h>
#include <lb/hash.h>

#define PICKS 100000
/* Four standard deviations are 1 % of a share of 7/150, the smallest but for steep weights. */
#define MANY_PICKS 3300000
#define MAX	   8

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

		/* An assertion that holds is told, too, which takes longer than the pick. */
		if (s < 0 || (size_t)s >= n)
			ck_abort_msg("pick %u: %d of %zu", i, s, n);
		picked[s]++;
	}
}

/* Sessions that stay, so that the picker sees them. */
static inline void fill(size_t n, uint32_t picks)
{
	for (size_t i = 0; i < n; i++)
		picked[i] = 0;
	for (uint32_t i = 0; i < picks; i++) {
		int s = pick(i);

		if (s < 0 || (size_t)s >= n)
			ck_abort_msg("pick %u: %d of %zu", i, s, n);
		balance_load(picker, (size_t)s, ++picked[s]);
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

static inline double share(size_t n, size_t i)
{
	double sum = 0;

	for (size_t k = 0; k < n; k++)
		sum += servers[k].weight;
	return servers[i].weight / sum;
}

/* Every server got its share to within 1 % of it, and to the next whole pick. */
static inline void strict_shares(size_t n, uint32_t picks)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_double_eq_tol(picked[i], picks * share(n, i), 1 + 0.01 * picks * share(n, i));
}

/* As independent draws would have it: within four standard deviations. */
static inline void drawn_shares(size_t n, uint32_t picks)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_double_eq_tol(picked[i], picks * share(n, i),
					4 * sqrt(picks * share(n, i) * (1 - share(n, i))));
}

static const uint16_t equal[MAX] = {100, 100, 100}, usual[MAX] = {100, 200, 50}, steep[MAX] = {256, 1, 3},
		      two[MAX] = {1, 1}, odd[MAX] = {7, 11, 13, 17, 19, 23, 29, 31};
static const uint16_t *const weight_rows[] = {equal, usual, steep, two, odd};
#define WEIGHT_ROWS (int)(sizeof(weight_rows) / sizeof(weight_rows[0]))

#endif
