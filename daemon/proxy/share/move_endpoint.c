#include "daemon/proxy/share/move_endpoint.h"

#include <string.h>

#include <lb/bytes.h>

size_t move_endpoint_put(uint8_t *to, const struct lb_endpoint *endpoint)
{
	size_t size = lb_addr_size(&endpoint->addr);

	to[0] = size == 4 ? 4 : 6;
	memcpy(to + 1, endpoint->addr.bytes, size);
	lb_put16(to + 1 + size, endpoint->port);
	return 1 + size + 2;
}

size_t move_endpoint_get(const uint8_t *from, size_t len, struct lb_endpoint *endpoint)
{
	size_t size = len > 0 && from[0] == 4 ? 4 : 16;

	if (len < 1 + size + 2 || (from[0] != 4 && from[0] != 6))
		return 0;
	*endpoint = (struct lb_endpoint){.port = lb_get16(from + 1 + size)};
	endpoint->addr.family = size == 4 ? AF_INET : AF_INET6;
	memcpy(endpoint->addr.bytes, from + 1, size);
	return 1 + size + 2;
}
