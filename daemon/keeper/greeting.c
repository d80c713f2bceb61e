#include "daemon/keeper/greeting.h"

#include <string.h>

#include "daemon/keeper/conf_file.h"

bool greeting_send(struct ipc *ipc, const struct greeting *g)
{
	struct ipc_hello hello = {
	    .own_node = (uint32_t)g->own_node,
	    .workers = g->workers,
	    .has_metrics = g->admin->metrics_fd >= 0,
	    .admin_gid = g->admin->gid,
	    .heir = g->heir,
	};
	const int fds[] = {g->page_fd, g->admin->socket_fd, g->admin->metrics_fd};

	conf_file_name(g->conf_path, hello.conf_path, sizeof(hello.conf_path));
	memcpy(hello.admin_group, g->conf->admin_group, sizeof(hello.admin_group));
	return ipc_send(ipc, IPC_HELLO, &hello, sizeof(hello), fds, hello.has_metrics ? 3 : 2);
}

void greeting_end_orphans(struct ipc *ipc, struct election *election)
{
	const struct ipc_end_sessions what = {0};
	struct lb_snapshot_keeper picture;

	memset(&picture, 0, sizeof(picture));
	election_snapshot(election, &picture);
	if (picture.role != VRRP_ACTIVE)
		ipc_post(ipc, IPC_END_SESSIONS, &what, sizeof(what));
}
