/*
 * How long one choice of a server takes: for each algorithm and number of servers, picks with the change of load that a
 * session brings, the way a worker does it.
 *
 *     pick SERVERS [SERVERS ...]
 *
 * Prints one line each: algorithm, servers, nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lb/balance.h>
#include <lb/hash.h>

#define PICKS 200000

static const struct {
	enum lb_balance_kind kind;
	const char *name;
} algorithms[] = {
    {LB_LEASTCONN,  "leastconn" },
	 {LB_ROUNDROBIN, "roundrobin"},
	{LB_RANDOM,	    "random"    },
    {LB_SOURCE,	"source"	},
	 {LB_FIRST,	    "first"	   },
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static struct balance *make(enum lb_balance_kind kind, size_t n)
{
	struct balance_server *list = calloc(n, sizeof(*list));
	struct balance *b;

	if (list == NULL)
		exit(1);
	for (size_t i = 0; i < n; i++)
		list[i] = (struct balance_server){
		    .key_hash = (uint32_t)lb_hash_mix(i, 7), .weight = (uint16_t)(100 + i % 3), .usable = true};
	b = balance_new(kind, list, n, 1);
	free(list);
	return b;
}

/* Sessions come and, four per server later, go again. */
static double measure(enum lb_balance_kind kind, size_t n)
{
	struct balance *b = make(kind, n);
	size_t window = 4 * n, next = 0;
	int *live = malloc(window * sizeof(*live));
	uint32_t *load = calloc(n, sizeof(*load));
	double began;

	if (b == NULL || live == NULL || load == NULL)
		exit(1);
	began = now_ns();
	for (size_t i = 0; i < PICKS + window; i++) {
		struct lb_addr client = {.family = 2};
		size_t slot = next++ % window;

		if (i == window)
			began = now_ns();
		if (i >= window)
			balance_load(b, (size_t)live[slot], --load[live[slot]]);
		for (size_t byte = 0; byte < 4; byte++)
			client.bytes[byte] = (uint8_t)(i * 2654435761u >> 8 * byte);
		live[slot] = balance_pick(b, &client, NULL);
		balance_load(b, (size_t)live[slot], ++load[live[slot]]);
	}
	double took = (now_ns() - began) / PICKS;
	balance_free(b);
	free(live);
	free(load);
	return took;
}

int main(int argc, char **argv)
{
	for (size_t a = 0; a < sizeof(algorithms) / sizeof(algorithms[0]); a++)
		for (int i = 1; i < argc; i++)
			printf("%s %s %.1f\n", algorithms[a].name, argv[i],
			       measure(algorithms[a].kind, strtoul(argv[i], NULL, 10)));
	return 0;
}
