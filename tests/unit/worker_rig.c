#include "tests/unit/worker_rig.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"

#define LIMIT_SECONDS 5

double rig_now_ms(void)
{
	return lb_duration_ms(clock_now());
}

/* --- control --- */

static void on_message(void *ctx, struct message *m)
{
	struct rig *rig = ctx;

	rig->seen[m->kind]++;
	if (m->kind == MESSAGE_VIEW_RETIRED) {
		admission_free((struct admission *)(uintptr_t)m->view->services->clients);
		admission_free((struct admission *)(uintptr_t)m->view->services->proxies);
		free(m->view->services);
		free(m->view);
		m->view = NULL;
		rig->views_out--;
	}
	if (rig->last[m->kind] != NULL) {
		free(rig->last[m->kind]->sessions);
		message_free(rig->last[m->kind]);
	}
	rig->last[m->kind] = m;
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void run_for(struct rig *rig, double seconds)
{
	ev_timer timer;

	ev_now_update(rig->loop);
	ev_timer_init(&timer, on_timeout, seconds, 0);
	ev_timer_start(rig->loop, &timer);
	ev_run(rig->loop, EVRUN_ONCE);
	ev_timer_stop(rig->loop, &timer);
}

struct message *rig_wait(struct rig *rig, enum message_kind kind, uint32_t count)
{
	double limit = rig_now_ms() + LIMIT_SECONDS * 1e3;

	while (rig->seen[kind] < count) {
		ck_assert_msg(rig_now_ms() < limit, "message %d: %u of %u came", kind, rig->seen[kind], count);
		run_for(rig, 0.05);
	}
	return rig->last[kind];
}

void rig_wait_counter(struct rig *rig, const _Atomic uint64_t *counter, uint64_t value)
{
	double limit = rig_now_ms() + LIMIT_SECONDS * 1e3;

	while (counter_get(counter) != value) {
		ck_assert_msg(rig_now_ms() < limit, "counter is %llu, not %llu",
			      (unsigned long long)counter_get(counter), (unsigned long long)value);
		run_for(rig, 0.001);
	}
}

uint64_t rig_sessions(const struct rig *rig)
{
	return counter_get(&rig->block->slot[0].sessions);
}

void rig_send(struct rig *rig, struct message *m)
{
	mailbox_post(worker_mailbox(rig->worker), m);
}

void rig_publish(struct rig *rig)
{
	struct pool_view *view = calloc(1, sizeof(*view));
	struct {
		struct pool_service service;
		struct lb_conf_service conf;
		struct pool_server servers[RIG_SERVERS];
		struct pool_listener listener;
		struct lb_conf global;
	} *all = calloc(1, sizeof(*all));

	all->conf = rig->service;
	all->listener = rig->listener;
	all->global.log_connections = rig->conf.log_connections;
	memcpy(all->servers, rig->servers, sizeof(all->servers));
	all->service = (struct pool_service){.block = rig->block,
					     .conf = &all->conf,
					     .servers = all->servers,
					     .server_count = rig->server_count,
					     .listeners = &all->listener,
					     .listener_count = rig->listener.fd >= 0};
	if (all->conf.allow_count + all->conf.deny_count > 0)
		all->service.clients =
		    admission_new(all->conf.allow, all->conf.allow_count, all->conf.deny, all->conf.deny_count);
	if (all->conf.accept_proxy)
		all->service.proxies =
		    admission_new(all->conf.accept_proxy_from, all->conf.accept_proxy_from_count, NULL, 0);
	*view = (struct pool_view){.generation = ++rig->generation,
				   .conf = &all->global,
				   .max_connections = rig->max_connections,
				   .services = &all->service,
				   .service_count = rig->service_count};
	struct message *m = message_new(MESSAGE_PUBLISH);
	m->view = view;
	rig->views_out++;
	rig_send(rig, m);
	/* The list of sessions is answered after the view was taken over. */
	rig_send(rig, message_new(MESSAGE_LIST_SESSIONS));
	rig_wait(rig, MESSAGE_SESSION_LIST, rig->seen[MESSAGE_SESSION_LIST] + 1);
}

static struct lb_endpoint loopback(const char *address, uint16_t port)
{
	struct lb_endpoint ep = {.port = port};

	ck_assert(lb_addr_parse(address, &ep.addr));
	return ep;
}

size_t rig_add_server(struct rig *rig, uint16_t port)
{
	struct lb_endpoint at = loopback("127.0.0.1", port);
	char name[8];

	snprintf(name, sizeof(name), "s%zu", rig->server_count);
	rig->servers[rig->server_count] =
	    (struct pool_server){.block = server_block_new("web", name, &at, 1), .weight = 100, .usable = true};
	return rig->server_count++;
}

struct server_slot *rig_slot(struct rig *rig, size_t server)
{
	return &rig->servers[server].block->slot[0];
}

/* --- sockets --- */

static int new_socket(void)
{
	struct timeval limit = {.tv_sec = LIMIT_SECONDS};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return fd;
}

static int listen_at(const char *address, int backlog, uint16_t *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	int fd = new_socket();

	inet_pton(AF_INET, address, &sa.sin_addr);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
	ck_assert_int_eq(listen(fd, backlog), 0);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	*port = ntohs(sa.sin_port);
	return fd;
}

int rig_listen(int backlog, uint16_t *port)
{
	return listen_at("127.0.0.1", backlog, port);
}

int rig_accept(int listener)
{
	struct timeval limit = {.tv_sec = LIMIT_SECONDS};
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	ck_assert_msg(fd >= 0, "accept: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

int rig_client(const struct rig *rig)
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(&rig->listener.endpoint, &sa);
	int fd = new_socket();

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

void rig_pair(const struct rig *rig, int server_listener, int *client, int *server)
{
	*client = rig_client(rig);
	*server = rig_accept(server_listener);
}

void rig_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			ck_abort_msg("send: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void rig_read(int fd, void *data, size_t len)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = recv(fd, p, len, 0);

		if (n <= 0)
			ck_abort_msg("recv: %s", n == 0 ? "end" : strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}

void rig_say(int from, int to, const char *text)
{
	char got[256];
	size_t len = strlen(text);

	rig_write(from, text, len);
	rig_read(to, got, len);
	ck_assert(memcmp(got, text, len) == 0);
}

int rig_read_end(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n < 0 ? -errno : (int)n;
}

void rig_reset(int fd)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

/* --- start and stop --- */

void rig_start(struct rig *rig, const char *address)
{
	struct worker_params params = {.tick = &rig->tick, .stall_max = &rig->stall_max};
	struct lb_err err;
	uint16_t port;

	memset(rig, 0, sizeof(*rig));
	rig->service_count = 1;
	rig->service.connect_timeout = LB_SEC(1);
	rig->service.fin_timeout = LB_SEC(30);
	rig->service.keepalive_idle = LB_SEC(20);
	rig->service.keepalive_interval = LB_SEC(5);
	rig->service.keepalive_count = 3;
	rig->service.user_timeout = LB_SEC(30);
	rig->service.balance = LB_FIRST;
	rig->listener.fd = listen_at(address != NULL ? address : "127.0.0.1", 4096, &port);
	rig->listener.endpoint = loopback(address != NULL ? address : "127.0.0.1", port);
	rig->listener.on_vip = address != NULL;
	ck_assert_int_eq(fcntl(rig->listener.fd, F_SETFL, O_NONBLOCK), 0);
	rig->loop = ev_loop_new(0);
	rig->control = mailbox_new(rig->loop, on_message, rig);
	rig->block = service_block_new("web", 1);
	params.control = rig->control;
	rig->worker = worker_start(&params, &err);
	ck_assert_msg(rig->worker != NULL, "%s", err.text);
}

void rig_stop(struct rig *rig)
{
	rig_send(rig, message_new(MESSAGE_STOP));
	rig_wait(rig, MESSAGE_STOPPED, 1);
	worker_join(rig->worker);
	ck_assert_uint_eq(rig->views_out, 0);
	ck_assert(service_block_idle(rig->block));
	for (size_t i = 0; i < RIG_SERVERS; i++) {
		if (rig->servers[i].block == NULL)
			continue;
		ck_assert(server_block_idle(rig->servers[i].block));
		ck_assert_uint_eq(rig->servers[i].block->sessions, 0);
		free(rig->servers[i].block);
	}
	for (int i = 0; i <= MESSAGE_STOPPED; i++) {
		if (rig->last[i] == NULL)
			continue;
		free(rig->last[i]->sessions);
		message_free(rig->last[i]);
	}
	free(rig->block);
	mailbox_free(rig->control);
	ev_loop_destroy(rig->loop);
}
