/* Datagrams that the kernel dropped because a socket was full: nobody else ever hears of them. */
#ifndef SYS_SOCK_DROPS_H
#define SYS_SOCK_DROPS_H

#include <stdint.h>

/* Since the socket was opened, wrapping at 2^32; 0 where the kernel does not tell. */
uint32_t sock_drops(int fd);

#endif
