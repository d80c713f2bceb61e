#include <lb/addr.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

bool lb_addr_parse(const char *text, struct lb_addr *out)
{
	struct lb_addr addr = {0};

	addr.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(addr.family, text, addr.bytes) != 1)
		return false;
	*out = addr;
	return true;
}

/* Digits only, no sign and no leading zero, at most max. */
static bool parse_number(const char *text, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (unsigned)(*text - '0');
		if (value > max)
			return false;
	}
	*out = value;
	return true;
}

/* Copy the address part [text, end) so that it can be NUL-terminated. */
static bool parse_addr_part(const char *text, const char *end, struct lb_addr *out)
{
	char part[LB_ADDR_TEXT];
	size_t len = (size_t)(end - text);

	if (len >= sizeof(part))
		return false;
	memcpy(part, text, len);
	part[len] = '\0';
	return lb_addr_parse(part, out);
}

bool lb_endpoint_parse(const char *text, struct lb_endpoint *out)
{
	bool v6 = text[0] == '[';
	const char *start = text + (v6 ? 1 : 0);
	const char *end = strchr(start, v6 ? ']' : ':');
	struct lb_endpoint ep = {0};
	unsigned port;

	if (!end || !parse_addr_part(start, end, &ep.addr))
		return false;
	if ((ep.addr.family == AF_INET6) != v6)
		return false;
	if (v6 && *++end != ':')
		return false;
	if (!parse_number(end + 1, UINT16_MAX, &port) || port == 0)
		return false;
	ep.port = (uint16_t)port;
	*out = ep;
	return true;
}

/* The bits of one byte that lie beyond a prefix; index counts bytes of the address. */
static uint8_t host_bits(size_t index, unsigned prefix)
{
	if (prefix >= (index + 1) * 8)
		return 0;
	if (prefix <= index * 8)
		return 0xff;
	return (uint8_t)(0xff >> (prefix - index * 8));
}

bool lb_cidr_parse(const char *text, struct lb_cidr *out)
{
	const char *slash = strchr(text, '/');
	const char *end = slash ? slash : text + strlen(text);
	struct lb_cidr cidr = {0};
	unsigned prefix;

	if (!parse_addr_part(text, end, &cidr.addr))
		return false;
	prefix = (unsigned)lb_addr_size(&cidr.addr) * 8;
	if (slash && !parse_number(slash + 1, prefix, &prefix))
		return false;
	for (size_t i = 0; i < lb_addr_size(&cidr.addr); i++)
		if (cidr.addr.bytes[i] & host_bits(i, prefix))
			return false;
	cidr.prefix = (uint8_t)prefix;
	*out = cidr;
	return true;
}

const char *lb_addr_text(const struct lb_addr *addr, char buf[static LB_ADDR_TEXT])
{
	if (addr->family == 0 || !inet_ntop(addr->family, addr->bytes, buf, LB_ADDR_TEXT))
		snprintf(buf, LB_ADDR_TEXT, "none");
	return buf;
}

const char *lb_endpoint_text(const struct lb_endpoint *ep, char buf[static LB_ENDPOINT_TEXT])
{
	char addr[LB_ADDR_TEXT];

	lb_addr_text(&ep->addr, addr);
	if (ep->addr.family == AF_INET6)
		snprintf(buf, LB_ENDPOINT_TEXT, "[%s]:%u", addr, ep->port);
	else
		snprintf(buf, LB_ENDPOINT_TEXT, "%s:%u", addr, ep->port);
	return buf;
}

bool lb_addr_equal(const struct lb_addr *a, const struct lb_addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, lb_addr_size(a)) == 0;
}

bool lb_endpoint_equal(const struct lb_endpoint *a, const struct lb_endpoint *b)
{
	return a->port == b->port && lb_addr_equal(&a->addr, &b->addr);
}

int lb_addr_compare(const struct lb_addr *a, const struct lb_addr *b)
{
	size_t size_a = lb_addr_size(a), size_b = lb_addr_size(b);

	if (size_a != size_b)
		return size_a < size_b ? -1 : 1;
	return memcmp(a->bytes, b->bytes, size_a);
}

bool lb_cidr_contains(const struct lb_cidr *cidr, const struct lb_addr *addr)
{
	if (cidr->addr.family != addr->family)
		return false;
	for (size_t i = 0; i < lb_addr_size(addr); i++)
		if ((cidr->addr.bytes[i] ^ addr->bytes[i]) & (uint8_t)~host_bits(i, cidr->prefix))
			return false;
	return true;
}

size_t lb_addr_size(const struct lb_addr *addr)
{
	switch (addr->family) {
	case AF_INET:
		return 4;
	case AF_INET6:
		return 16;
	default:
		return 0;
	}
}

socklen_t lb_endpoint_to_sockaddr(const struct lb_endpoint *ep, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (ep->addr.family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(ep->port);
		memcpy(&in6->sin6_addr, ep->addr.bytes, 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	in->sin_port = htons(ep->port);
	memcpy(&in->sin_addr, ep->addr.bytes, 4);
	return sizeof(*in);
}

bool lb_endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct lb_endpoint *out)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct lb_endpoint ep = {0};

	if (len < sizeof(sa->sa_family))
		return false;
	if (sa->sa_family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		memcpy(ep.addr.bytes, &in.sin_addr, 4);
		ep.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(in6)) {
		memcpy(&in6, sa, sizeof(in6));
		memcpy(ep.addr.bytes, &in6.sin6_addr, 16);
		ep.port = ntohs(in6.sin6_port);
	} else {
		return false;
	}
	ep.addr.family = (uint8_t)sa->sa_family;
	*out = ep;
	return true;
}
