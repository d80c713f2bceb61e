/* Are two descriptors the same socket? */
#ifndef SYS_SOCK_SAME_H
#define SYS_SOCK_SAME_H

#include <stdbool.h>

/* False also where the kernel cannot tell. */
bool sock_same(int a, int b);

#endif
