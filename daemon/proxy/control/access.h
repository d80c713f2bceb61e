/*
 * Who is at the other end of a UNIX socket, and may they change things? (Reading needs access to the socket only.)
 */
#ifndef CONTROL_ACCESS_H
#define CONTROL_ACCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct access_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

/* SO_PEERCRED; false when fd is no such socket. */
bool access_peer(int fd, struct access_peer *out);

/*
 * Root, the daemon's own user, and members of group admin_gid, primary or supplementary (SO_PEERGROUPS), may.
 * (uint32_t)-1 is no group.
 */
bool access_may_change(int fd, const struct access_peer *peer, uint32_t admin_gid);

#endif
