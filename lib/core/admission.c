/*
 * Networks either contain each other or do not touch, so they cut the addresses into ranges in which one and the same
 * network is the innermost. Kept are the ranges' first addresses in order, each with the answer, for a binary search.
 */
#include <lb/admission.h>

#include <stdlib.h>

struct range {
	struct lb_addr from; /* up to the next one's */
	bool allowed;
};

struct admission {
	bool otherwise; /* the answer outside of every network */
	size_t count;
	struct range ranges[];
};

struct rule {
	struct lb_cidr net;
	bool allow;
};

/* Outer networks before those in them; of two equal ones the denied is the inner. */
static int compare_rules(const void *one, const void *two)
{
	const struct rule *x = one, *y = two;
	int by_addr = lb_addr_compare(&x->net.addr, &y->net.addr);

	if (by_addr != 0)
		return by_addr;
	if (x->net.prefix != y->net.prefix)
		return x->net.prefix < y->net.prefix ? -1 : 1;
	return (int)y->allow - (int)x->allow;
}

/* The first address behind the network; false when it reaches to the end of its family. */
static bool end_of(const struct lb_cidr *net, struct lb_addr *end)
{
	*end = net->addr;
	if (net->prefix == 0)
		return false;
	for (size_t i = (net->prefix - 1u) / 8 + 1; i-- > 0;) {
		bool last = i == (net->prefix - 1u) / 8;
		unsigned sum = end->bytes[i] + (last ? 0x80u >> ((net->prefix - 1u) % 8) : 1u);

		end->bytes[i] = (uint8_t)sum;
		if (sum <= UINT8_MAX)
			return true;
	}
	return false;
}

/* From this address on the answer is this one; it replaces what was said of the same address. */
static void begin_range(struct admission *a, const struct lb_addr *from, bool allowed)
{
	if (a->count > 0 && lb_addr_compare(&a->ranges[a->count - 1].from, from) == 0)
		a->count--;
	if ((a->count > 0 ? a->ranges[a->count - 1].allowed : a->otherwise) == allowed)
		return;
	a->ranges[a->count++] = (struct range){.from = *from, .allowed = allowed};
}

/* Leave the networks in which this one (NULL: none) is not; from the end of each the answer of the one around goes on.
 */
static size_t leave_networks(struct admission *a, const struct rule *const *around, size_t depth,
			     const struct lb_cidr *next)
{
	while (depth > 0 && (next == NULL || !lb_cidr_contains(&around[depth - 1]->net, &next->addr))) {
		const struct rule *left = around[--depth];
		struct lb_addr end;

		if (end_of(&left->net, &end))
			begin_range(a, &end, depth > 0 ? around[depth - 1]->allow : a->otherwise);
	}
	return depth;
}

/* The networks of one family, from the first rule on; returns how many rules that were. */
static size_t cut_family(struct admission *a, int family, const struct rule *rules, size_t count,
			 const struct rule **around)
{
	size_t depth = 0, i = 0;

	begin_range(a, &(struct lb_addr){.family = (uint8_t)family}, a->otherwise);
	for (; i < count && rules[i].net.addr.family == family; i++) {
		depth = leave_networks(a, around, depth, &rules[i].net);
		begin_range(a, &rules[i].net.addr, rules[i].allow);
		around[depth++] = &rules[i];
	}
	leave_networks(a, around, depth, NULL);
	return i;
}

static void add_rules(struct rule *rules, const struct lb_cidr *nets, size_t count, bool allow)
{
	for (size_t i = 0; i < count; i++)
		rules[i] = (struct rule){.net = nets[i], .allow = allow};
}

struct admission *admission_new(const struct lb_cidr *allow, size_t allow_count, const struct lb_cidr *deny,
				size_t deny_count)
{
	size_t count = allow_count + deny_count;
	struct rule *rules = calloc(count + 1, sizeof(*rules));
	const struct rule **around = calloc(count + 1, sizeof(*around));
	struct admission *a = calloc(1, sizeof(*a) + (2 * count + 2) * sizeof(a->ranges[0]));

	if (rules == NULL || around == NULL || a == NULL) {
		free(a);
		a = NULL;
		goto free_rules;
	}
	add_rules(rules, allow, allow_count, true);
	add_rules(rules + allow_count, deny, deny_count, false);
	qsort(rules, count, sizeof(*rules), compare_rules);
	a->otherwise = allow_count == 0;
	size_t ipv4 = cut_family(a, AF_INET, rules, count, around);
	cut_family(a, AF_INET6, rules + ipv4, count - ipv4, around);

free_rules:
	free(around);
	free(rules);
	return a;
}

void admission_free(struct admission *a)
{
	free(a);
}

bool admission_allows(const struct admission *a, const struct lb_addr *addr)
{
	size_t low = 0, high = a->count;

	/* How many ranges begin at or before the address? */
	while (low < high) {
		size_t middle = (low + high) / 2;

		if (lb_addr_compare(&a->ranges[middle].from, addr) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? a->ranges[low - 1].allowed : a->otherwise;
}
