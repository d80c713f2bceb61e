#include "daemon/keeper/session_desk.h"

#include <string.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/election.h"
#include "daemon/keeper/repair.h"
#include "daemon/sys/listen_sock.h"

void session_desk_init(struct session_desk *d)
{
	d->listener = -1;
	wake_sender_init(&d->wake);
}

void session_desk_open(struct session_desk *d, const struct lb_conf *conf, size_t own_node)
{
	struct lb_endpoint at = {.addr = conf->nodes[own_node].address, .port = conf->peer_port};
	struct lb_err err;

	d->listener = -1;
	if (conf->key_file[0] == '\0')
		return;
	d->listener = listen_sock_tcp(&at, &err);
	if (d->listener < 0)
		lb_warning("sessions of other nodes cannot come here: %s", err.text);
}

void session_desk_close(struct session_desk *d)
{
	if (d->listener >= 0)
		close(d->listener);
	d->listener = -1;
}

void session_desk_equip(const struct session_desk *d, struct ipc *ipc, const struct election *election)
{
	struct ipc_move_setup setup;

	election_move_keys(election, &setup);
	if (d->listener < 0)
		setup.key_count = 0;
	ipc_send(ipc, IPC_MOVE_SETUP, &setup, sizeof(setup), &d->listener, setup.key_count > 0 ? 1 : 0);
	explicit_bzero(&setup, sizeof(setup));
}

bool session_desk_on_message(struct session_desk *d, const struct session_desk_message *m)
{
	switch (m->type) {
	case IPC_REPAIR:
		repair_turn(m->ipc, m->conf, m->body, m->fds, m->nfds);
		return true;
	case IPC_NEED_SOCKETS:
		repair_sockets(m->ipc, m->conf, m->body);
		return true;
	case IPC_WAKE:
		wake_sender_send(&d->wake, m->ipc, m->conf, election_owns(m->election), m->body);
		return true;
	default:
		return false;
	}
}
