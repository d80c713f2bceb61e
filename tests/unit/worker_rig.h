/*
 * A bench for one worker thread: it publishes views written by hand, plays the control thread, and offers blocking
 * client and server sockets with a five-second limit. One service, "web", with up to eight servers "s0", "s1", …
 */
#ifndef WORKER_RIG_H
#define WORKER_RIG_H

#include <ev.h>
#include <stdatomic.h>

#include "daemon/proxy/worker/worker.h"

#define RIG_SERVERS 8

struct rig {
	/* What the next view says; the test changes it before rig_publish. */
	struct lb_conf conf;
	struct lb_conf_service service;
	struct pool_server servers[RIG_SERVERS];
	size_t server_count;
	struct pool_listener listener; /* fd -1: none listed */
	uint32_t max_connections;
	size_t service_count; /* 1, or 0 to publish an empty view */

	struct ev_loop *loop;
	struct mailbox *control;
	struct worker *worker;
	_Atomic uint64_t tick;
	_Atomic int64_t stall_max;
	struct service_block *block;
	uint64_t generation;
	uint32_t views_out; /* published and not yet retired */
	uint32_t seen[MESSAGE_STOPPED + 1];
	struct message *last[MESSAGE_STOPPED + 1]; /* newest of each kind, owned by the rig */
};

/* Start a worker and the listener on 127.0.0.1 (address NULL) or another loopback address; nothing is published. */
void rig_start(struct rig *rig, const char *address);
/* Stop the worker, check that every view came back and every block is idle, free all. */
void rig_stop(struct rig *rig);

/* A server at this port of 127.0.0.1; returns its index. */
size_t rig_add_server(struct rig *rig, uint16_t port);
struct server_slot *rig_slot(struct rig *rig, size_t server);
/* Publish the present settings and wait until the worker has them. */
void rig_publish(struct rig *rig);
void rig_send(struct rig *rig, struct message *m);
/* Run the control loop until so many messages of a kind were seen in all; fails the test after five seconds. */
struct message *rig_wait(struct rig *rig, enum message_kind kind, uint32_t count);
/* Run the control loop until the counter has this value; fails the test after five seconds. */
void rig_wait_counter(struct rig *rig, const _Atomic uint64_t *counter, uint64_t value);
/* Sessions of the worker now. */
uint64_t rig_sessions(const struct rig *rig);

/* A listening server socket; *port is where. */
int rig_listen(int backlog, uint16_t *port);
int rig_accept(int listener);
/* A client connected to the rig's listener. */
int rig_client(const struct rig *rig);
/* A client and the server connection that it is relayed to. */
void rig_pair(const struct rig *rig, int server_listener, int *client, int *server);

/* Whole or fail the test. */
void rig_write(int fd, const void *data, size_t len);
void rig_read(int fd, void *data, size_t len);
void rig_say(int from, int to, const char *text);
/* The next read: 0 at FIN, -errno when it fails. */
int rig_read_end(int fd);
void rig_reset(int fd);
double rig_now_ms(void);

#endif
