/*
 * Allowed and denied networks cut into ranges answer for every address as a search through the lists does: 18 bytes a
 * network (list and family, prefix, address), asked for its ends and for what lies beside it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lb/admission.h>

#define NETS_MAX 64
#define RECORD	 18

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct nets {
	struct lb_cidr list[NETS_MAX];
	size_t count;
};

/* The longest prefix that contains the address; -1 none. */
static int longest(const struct nets *nets, const struct lb_addr *addr)
{
	int best = -1;

	for (size_t i = 0; i < nets->count; i++)
		if (lb_cidr_contains(&nets->list[i], addr) && nets->list[i].prefix > best)
			best = nets->list[i].prefix;
	return best;
}

static void check(const struct admission *a, const struct nets *allow, const struct nets *deny,
		  const struct lb_addr *addr)
{
	int yes = longest(allow, addr), no = longest(deny, addr);
	bool expected = yes < 0 && no < 0 ? allow->count == 0 : yes > no;

	if (admission_allows(a, addr) != expected)
		abort();
}

/* Bits beyond the prefix to all ones or all zeroes. */
static struct lb_addr edge(const struct lb_cidr *net, bool ones)
{
	struct lb_addr addr = net->addr;

	for (size_t bit = net->prefix; bit < 8 * lb_addr_size(&addr); bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		addr.bytes[bit / 8] = (uint8_t)(ones ? addr.bytes[bit / 8] | mask : addr.bytes[bit / 8] & ~mask);
	}
	return addr;
}

static struct lb_addr next_to(struct lb_addr addr, int step)
{
	for (size_t i = lb_addr_size(&addr); i-- > 0;) {
		addr.bytes[i] = (uint8_t)(addr.bytes[i] + step);
		if (addr.bytes[i] != (step > 0 ? 0 : UINT8_MAX))
			break;
	}
	return addr;
}

static void check_around(const struct admission *a, const struct nets *allow, const struct nets *deny,
			 const struct lb_cidr *net)
{
	for (int ones = 0; ones < 2; ones++) {
		struct lb_addr at = edge(net, ones), before = next_to(at, -1), behind = next_to(at, 1);

		check(a, allow, deny, &at);
		check(a, allow, deny, &before);
		check(a, allow, deny, &behind);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nets allow, deny;

	allow.count = deny.count = 0;
	for (; size >= RECORD && allow.count < NETS_MAX && deny.count < NETS_MAX; data += RECORD, size -= RECORD) {
		struct nets *to = data[0] & 1 ? &allow : &deny;
		struct lb_cidr *net = &to->list[to->count++];

		*net = (struct lb_cidr){.addr.family = data[0] & 2 ? AF_INET6 : AF_INET};
		net->prefix = (uint8_t)(data[1] % (8 * lb_addr_size(&net->addr) + 1));
		memcpy(net->addr.bytes, data + 2, lb_addr_size(&net->addr));
		net->addr = edge(net, false);
	}
	struct admission *a = admission_new(allow.list, allow.count, deny.list, deny.count);
	if (a == NULL)
		abort();
	for (size_t i = 0; i < allow.count; i++)
		check_around(a, &allow, &deny, &allow.list[i]);
	for (size_t i = 0; i < deny.count; i++)
		check_around(a, &allow, &deny, &deny.list[i]);
	check(a, &allow, &deny, &(struct lb_addr){0});
	check(a, &allow, &deny, &(struct lb_addr){.family = AF_INET});
	check(a, &allow, &deny, &(struct lb_addr){.family = AF_INET6});
	admission_free(a);
	return 0;
}
