#include "daemon/sys/sock_same.h"

#include <stdint.h>
#include <sys/socket.h>

static uint64_t cookie(int fd)
{
	uint64_t value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &value, &len) == 0 ? value : 0;
}

bool sock_same(int a, int b)
{
	uint64_t one = cookie(a);

	return one != 0 && one == cookie(b);
}
