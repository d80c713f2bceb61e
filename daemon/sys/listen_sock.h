/*
 * Listening sockets, made by the keeper and passed to the proxy.
 */
#ifndef SYS_LISTEN_SOCK_H
#define SYS_LISTEN_SOCK_H

#include <sys/types.h>

#include <lb/addr.h>
#include <lb/err.h>

/*
 * A non-blocking TCP listener with SO_REUSEPORT that may be bound to an address this host does not have
 * (IP_FREEBIND). Returns the descriptor or -1 with a sentence.
 */
int listen_sock_tcp(const struct lb_endpoint *endpoint, struct lb_err *err);

/*
 * The admin socket at path: mode 0660, group gid ((gid_t)-1 leaves it). A dead socket file is replaced; one that
 * answers belongs to a running daemon and is refused. Returns the descriptor or -1 with a sentence.
 */
int listen_sock_unix(const char *path, gid_t gid, struct lb_err *err);

#endif
