#include "daemon/proxy/worker/session.h"

#include <lb/proxy_header.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/proxy/worker/accept_proxy.h"
#include "daemon/proxy/worker/connect.h"
#include "daemon/proxy/worker/relay.h"

/* Sessions shorter than this never pay for the keepalive options towards the server. */
#define OPTIONS_AFTER LB_SEC(1)

/* --- accept --- */

/* May this client be served at all? */
static bool is_allowed(const struct worker_service *service, const struct lb_addr *client)
{
	return service->clients == NULL || admission_allows(service->clients, client);
}

/* Does it speak for others? */
static bool is_proxy(const struct worker_service *service, const struct lb_addr *client)
{
	return service->proxies != NULL && admission_allows(service->proxies, client);
}

/* What can be said before there is a session; FLOW_END_NONE when nothing speaks against it. */
static enum flow_end judge(const struct worker_service *service, const struct lb_addr *client, bool awaits_header)
{
	const struct lb_conf_service *conf = service->conf;

	if (!awaits_header && !is_allowed(service, client))
		return FLOW_END_REFUSED;
	if (conf->max_connections > 0 && pool_service_sessions(service) >= conf->max_connections)
		return FLOW_END_LIMIT;
	return FLOW_END_NONE;
}

/* Turned away before it became a session. */
static void refuse(struct worker *w, struct worker_service *service, int fd, const struct lb_endpoint *client,
		   enum flow_end why)
{
	struct session_log_entry entry = {.client = client, .service = service->block->name, .end = why};

	tcp_sock_reset(fd);
	counter_add_own(&service->slot->refused, 1);
	session_log_write(&w->log, &entry, w->now);
}

static void on_client_ready(struct poll_io *io, unsigned ready);
static void on_server_ready(struct poll_io *io, unsigned ready);

void session_set_socket(struct session *s, enum flow_side side, int fd)
{
	poll_io_init(&s->side[side].io, side == FLOW_CLIENT ? on_client_ready : on_server_ready, fd);
}

void session_start(struct worker *w, const struct session_origin *origin, int fd, const struct lb_endpoint *client)
{
	const struct lb_conf_service *conf = origin->service->conf;
	bool awaits_header = is_proxy(origin->service, &client->addr);
	enum flow_end why = judge(origin->service, &client->addr, awaits_header);
	struct session *s;

	if (why != FLOW_END_NONE) {
		refuse(w, origin->service, fd, client, why);
		return;
	}
	s = session_set_take(w);
	if (s == NULL) {
		reserve_spend(&w->reserve);
		refuse(w, origin->service, fd, client, FLOW_END_RESOURCE);
		return;
	}
	s->service = origin->service;
	s->local = origin->local;
	s->on_vip = origin->on_vip;
	s->client = *client;
	s->started = w->now;
	/* Bytes held for a side stop the reader at once: there is never more than one read's worth. */
	s->limits =
	    (struct flow_limits){.buffer_max = 1, .idle_timeout = conf->idle_timeout, .fin_timeout = conf->fin_timeout};
	wheel_entry_init(&s->timer);
	session_set_socket(s, FLOW_CLIENT, fd);
	session_set_socket(s, FLOW_SERVER, -1);
	flow_init(&s->flow, w->now);
	pool_service_enter(s->service);
	s->send_proxy = (uint8_t)conf->send_proxy;
	s->awaits_header = awaits_header;
	if (awaits_header)
		accept_proxy_start(s);
	else
		session_admitted(s);
}

/* --- choose --- */

bool session_count_source(struct session *s)
{
	uint32_t max = s->service->conf->max_connections_per_source;

	if (max == 0)
		return true;
	s->source_key = source_table_key(s->service->block, &s->client.addr);
	switch (source_table_enter(s->worker->sources, s->source_key, max)) {
	case SOURCE_ENTERED:
		s->source_counted = true;
		return true;
	case SOURCE_UNCOUNTED:
		return true;
	case SOURCE_OVER:
		break;
	}
	return false;
}

void session_admitted(struct session *s)
{
	if (s->service->conf == NULL) {
		session_end(s, FLOW_END_NO_SERVER);
		return;
	}
	if (s->awaits_header && !is_allowed(s->service, &s->client.addr)) {
		session_end(s, FLOW_END_REFUSED);
		return;
	}
	if (!session_count_source(s)) {
		session_end(s, FLOW_END_LIMIT);
		return;
	}
	s->awaits_header = false;
	counter_add_own(&s->service->slot->sessions_total, 1);
	connect_start(s);
}

/* --- relay --- */

/* The first bytes that the server gets say who the client is. A new socket takes them all. */
static bool send_header(struct session *s)
{
	uint8_t header[PROXY_HEADER_ENCODED_MAX];
	size_t len = proxy_header_encode((enum lb_proxy_header)s->send_proxy, &s->client,
					 s->destination != NULL ? s->destination : &s->local, header, sizeof(header));

	return send(s->side[FLOW_SERVER].io.fd, header, len, MSG_NOSIGNAL) == (ssize_t)len;
}

void session_take_server(struct session *s, struct worker_server *server, struct poll_io *io)
{
	s->server = server;
	counter_add_own(&server->slot->sessions_total, 1);
	poller_move(&s->worker->poller, io, &s->side[FLOW_SERVER].io);
}

void session_connected(struct session *s, unsigned ready)
{
	struct worker *w = s->worker;

	s->side[FLOW_SERVER].hung_up = (ready & POLLER_HUP) != 0;
	if (!session_event(s, FLOW_CONNECTED, FLOW_SERVER, 0))
		return;
	if (s->send_proxy != LB_PROXY_OFF && !send_header(s)) {
		session_end(s, FLOW_END_SERVER_RESET);
		return;
	}
	wheel_need(&w->wheel, &s->timer, w->now + OPTIONS_AFTER);
	/* The client has mostly spoken by now, and may have before the session came here. */
	if (!relay_write(s, FLOW_SERVER))
		return;
	/* A server that speaks first waits for this, and one that answers in pieces for what follows from it. */
	tcp_sock_acknowledge(s->side[FLOW_SERVER].io.fd);
	if ((ready & POLLER_READ) != 0 && !relay_read(s, FLOW_SERVER))
		return;
	session_update_interest(s);
}

static void on_ready(struct session *s, enum flow_side side, unsigned ready)
{
	if ((ready & POLLER_HUP) != 0)
		s->side[side].hung_up = true;
	if (s->awaits_header) {
		accept_proxy_continue(s);
		return;
	}
	/* What a client says before a server is connected is read then. */
	if (s->flow.state != FLOW_RELAYING)
		return;
	if ((ready & POLLER_WRITE) != 0 && flow_wants_write(&s->flow, side) && !relay_write(s, side))
		return;
	if ((ready & POLLER_READ) != 0 && !relay_read(s, side))
		return;
	session_update_interest(s);
}

static void on_client_ready(struct poll_io *io, unsigned ready)
{
	on_ready(lb_container_of(io, struct session, side[FLOW_CLIENT].io), FLOW_CLIENT, ready);
}

static void on_server_ready(struct poll_io *io, unsigned ready)
{
	on_ready(lb_container_of(io, struct session, side[FLOW_SERVER].io), FLOW_SERVER, ready);
}

/*
 * Watched for room only once there was none, as most never need it. False when the socket cannot be watched at all.
 */
static bool update_side(struct session *s, enum flow_side side)
{
	struct poller *poller = &s->worker->poller;
	struct poll_io *io = &s->side[side].io;
	unsigned room = flow_wants_write(&s->flow, side) ? POLLER_WRITE : 0;

	if (io->fd < 0)
		return true;
	if (io->watched == 0)
		return poller_add(poller, io, POLLER_READ | room);
	if ((room & ~io->watched) != 0)
		poller_change(poller, io, POLLER_READ | room);
	if (s->side[side].unread && flow_wants_read(&s->flow, &s->limits, side))
		poller_again(poller, io);
	return true;
}

void session_update_interest(struct session *s)
{
	if (!update_side(s, FLOW_CLIENT) || !update_side(s, FLOW_SERVER)) {
		session_end(s, FLOW_END_RESOURCE);
		return;
	}
	wheel_need(&s->worker->wheel, &s->timer, flow_deadline(&s->flow, &s->limits));
}

void session_on_timer(struct session *s)
{
	if (s->awaits_header) {
		session_end(s, FLOW_END_BAD_PROXY_HEADER);
		return;
	}
	if (s->server != NULL && !s->options_set) {
		tcp_sock_set_options(s->side[FLOW_SERVER].io.fd, &s->service->tcp);
		s->options_set = true;
	}
	if (flow_deadline(&s->flow, &s->limits) <= s->worker->now && !session_event(s, FLOW_TIMER, FLOW_CLIENT, 0))
		return;
	session_update_interest(s);
}

/* --- half-close, end --- */

static void close_side(struct session *s, enum flow_side side, bool reset)
{
	struct poll_io *io = &s->side[side].io;

	poller_forget(&s->worker->poller, io);
	if (io->fd < 0)
		return;
	if (reset)
		tcp_sock_reset(io->fd);
	else
		close(io->fd);
	io->fd = -1;
}

static void write_log(struct session *s)
{
	struct session_log_entry entry = {
	    .id = s->id,
	    .client = &s->client,
	    .service = s->service->block->name,
	    .server = s->server != NULL ? s->server->block->name : NULL,
	    .connect_time = s->connect_time,
	    .duration = s->worker->now - s->started,
	    .bytes_in = s->flow.half[FLOW_CLIENT].bytes,
	    .bytes_out = s->flow.half[FLOW_SERVER].bytes,
	    .end = s->flow.end,
	};

	session_log_write(&s->worker->log, &entry, s->worker->now);
}

static void count_end(struct session *s)
{
	enum flow_end end = s->flow.end;

	if (end == FLOW_END_LIMIT || end == FLOW_END_REFUSED || end == FLOW_END_BAD_PROXY_HEADER)
		counter_add_own(&s->service->slot->refused, 1);
	else if (s->server == NULL && end != FLOW_END_MOVED)
		counter_add_own(&s->service->slot->failed, 1);
}

/* Give back everything in the reverse order of taking it. */
static void release(struct session *s, const bool reset[2])
{
	struct worker *w = s->worker;

	connect_cancel(s);
	relay_release(s);
	close_side(s, FLOW_SERVER, reset[FLOW_SERVER]);
	close_side(s, FLOW_CLIENT, reset[FLOW_CLIENT]);
	wheel_remove(&w->wheel, &s->timer);
	free(s->destination);
	write_log(s);
	count_end(s);
	if (s->source_counted)
		source_table_leave(w->sources, s->source_key);
	if (s->server != NULL)
		pool_leave(s->server);
	pool_service_leave(s->service);
	session_set_give(w, s);
	listener_room(w);
}

/* One step of the flow; false when it ended and the session is gone. */
static bool step(struct session *s, const struct flow_event *event)
{
	struct flow_todo todo = {0};

	flow_step(&s->flow, &s->limits, event, &todo);
	if (todo.ended) {
		release(s, todo.reset);
		return false;
	}
	for (int side = 0; side < 2; side++)
		if (todo.shutdown[side])
			shutdown(s->side[side].io.fd, SHUT_WR);
	return true;
}

bool session_event(struct session *s, enum flow_event_kind kind, enum flow_side side, size_t n)
{
	struct flow_event event = {.kind = kind, .side = side, .n = n, .now = s->worker->now};

	return step(s, &event);
}

void session_end(struct session *s, enum flow_end reason)
{
	struct flow_event event = {.kind = FLOW_FAIL, .end = reason, .now = s->worker->now};

	step(s, &event);
}
