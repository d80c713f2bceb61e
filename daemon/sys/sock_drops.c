#include "daemon/sys/sock_drops.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>

uint32_t sock_drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 ? info[SK_MEMINFO_DROPS] : 0;
}
