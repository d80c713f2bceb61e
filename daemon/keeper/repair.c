#include "daemon/keeper/repair.h"

#include <unistd.h>

#include "daemon/sys/tcp_repair.h"
#include "daemon/sys/tcp_sock.h"

/* A socket that cannot be made deaf must not be told as it is: it stays out of repair, where nobody can. */
static void turn(int fd, const struct ipc_repair *question)
{
	if (question->on && (!question->deaf || tcp_sock_deafen(fd)))
		tcp_repair_enter(fd);
	if (question->on)
		return;
	if (question->deaf)
		tcp_sock_hear(fd);
	tcp_repair_leave(fd);
}

void repair_turn(struct ipc *ipc, const struct lb_conf *conf, const struct ipc_repair *question, const int *fds,
		 size_t nfds)
{
	struct ipc_repair answer = *question;
	struct lb_endpoint local;

	for (size_t i = 0; i < nfds; i++)
		if (tcp_sock_local(fds[i], &local) && lb_conf_has_vip(conf, &local.addr))
			turn(fds[i], question);
	answer.count = (uint32_t)nfds;
	ipc_post(ipc, IPC_REPAIRED, &answer, sizeof(answer));
}

void repair_sockets(struct ipc *ipc, const struct lb_conf *conf, const struct ipc_sockets *question)
{
	struct ipc_sockets answer = {.token = question->token};
	int fds[IPC_FDS_MAX] = {0};
	size_t made = 0;

	for (uint32_t i = 0; i < question->count && i < IPC_FDS_MAX; i++) {
		const struct lb_endpoint *local = &question->local[i];
		int fd = local->port != 0 && lb_conf_has_vip(conf, &local->addr) ? tcp_repair_socket(local) : -1;

		if (fd < 0)
			continue;
		fds[made++] = fd;
		answer.made |= (uint64_t)1 << i;
	}
	answer.count = (uint32_t)made;
	ipc_send(ipc, IPC_SOCKETS, &answer, sizeof(answer), fds, made);
	for (size_t i = 0; i < made; i++)
		close(fds[i]);
}
