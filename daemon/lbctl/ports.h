/*
 * Who listens where on this node: the kernel's list, with the names of programs where /proc shows them, beside the
 * places where lbd listens by a configuration.
 */
#ifndef LBCTL_PORTS_H
#define LBCTL_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <lb/conf.h>

/* A TCP socket that listens or a UDP socket that is bound. */
struct ports_socket {
	bool udp;
	bool v6_only;	       /* a socket on [::] without it takes IPv4, too */
	bool own;	       /* lbd's */
	struct lb_endpoint at; /* all bytes zero: every address */
	uid_t uid;
	pid_t pid; /* of a process that has it; 0: not known, and name is "" */
	char name[32];
	unsigned long inode;
};

/* Zero-initialise; ports_free. */
struct ports_list {
	struct ports_socket *sockets;
	size_t count;
};

/*
 * All of them. keeper is the user of the running lbd, (uid_t)-1 without one: where /proc does not show who has a
 * socket, one of this user counts as lbd's own. False when the kernel does not tell.
 */
bool ports_read(struct ports_list *list, uid_t keeper);
void ports_free(struct ports_list *list);

/* A place where lbd listens. */
struct ports_place {
	char what[96]; /* "service kube-api", "peer_port" */
	bool udp;
	struct lb_endpoint at;
};

/* Every place of a configuration. */
typedef void ports_visit(void *ctx, const struct ports_place *place);
void ports_of_conf(const struct lb_conf *conf, ports_visit *visit, void *ctx);

/* Would lbd at this place and the socket be in each other's way? */
bool ports_clash(const struct ports_place *place, const struct ports_socket *socket);

#endif
