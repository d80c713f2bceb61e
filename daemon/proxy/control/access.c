#include "daemon/proxy/control/access.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"

bool access_peer(int fd, struct access_peer *out)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	*out = (struct access_peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
	return true;
}

/* The groups the peer had when it connected; the first call only asks how much room they need. */
static bool has_group(int fd, gid_t wanted)
{
	socklen_t len = 0;
	bool found = false;
	gid_t *groups;

	getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len);
	if (len == 0)
		return false;
	groups = must(malloc(len));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(*groups) && !found; i++)
			found = groups[i] == wanted;
	free(groups);
	return found;
}

bool access_may_change(int fd, const struct access_peer *peer, uint32_t admin_gid)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return admin_gid != (uint32_t)-1 && (peer->gid == admin_gid || has_group(fd, admin_gid));
}
