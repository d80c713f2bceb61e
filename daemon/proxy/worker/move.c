#include "daemon/proxy/worker/move.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/proxy/share/move_endpoint.h"
#include "daemon/proxy/worker/rest.h"
#include "daemon/proxy/worker/session.h"
#include "daemon/sys/tcp_repair.h"

/* --- freeze --- */

/* Its server answers to an address that stays here, or it has not begun yet. */
static bool is_bound_here(const struct session *s)
{
	return s->awaits_header || s->service->conf == NULL || s->service->conf->source != LB_SOURCE_VIP;
}

void move_preview(struct worker *w, const struct message *order, struct message *answer)
{
	(void)order;
	answer->bytes = malloc(2 * (size_t)MOVE_ENDPOINT_MAX * w->sessions.count + 1);
	if (answer->bytes == NULL)
		return;
	lb_list_foreach (node, &w->sessions.list) {
		const struct session *s = lb_container_of(node, struct session, node);
		struct lb_endpoint server;

		if (!s->on_vip || s->rest != SESSION_RUNS || is_bound_here(s))
			continue;
		answer->size += move_endpoint_put(answer->bytes + answer->size, &s->local);
		if (s->server != NULL && tcp_sock_local(s->side[FLOW_SERVER].io.fd, &server))
			answer->size += move_endpoint_put(answer->bytes + answer->size, &server);
	}
}

/* A queue that is worth waiting for. */
#define LONG_QUEUE (512u * 1024)

void move_narrow(struct worker *w, const struct message *order, struct message *answer)
{
	(void)order;
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		for (int side = 0; side < 2 && s->on_vip && !is_bound_here(s); side++) {
			const struct buffer *held = s->side[side].held;
			size_t queued = s->side[side].io.fd >= 0 ? tcp_sock_narrow(s->side[side].io.fd) : 0;

			queued += held != NULL ? held->end - held->start : 0;
			if (queued <= LONG_QUEUE)
				continue;
			answer->size += queued;
			s->narrowed = true;
		}
	}
}

/* The session stays after all. */
static void widen(struct session *s)
{
	for (int side = 0; side < 2 && s->narrowed; side++)
		if (s->side[side].io.fd >= 0)
			tcp_sock_widen(s->side[side].io.fd);
	s->narrowed = false;
}

static bool is_of(const struct session *s, enum move_part part)
{
	return part == MOVE_ALL || s->went_early == (part == MOVE_IDLE);
}

/* The descriptors of those that are in this state. */
static void list(struct worker *w, bool (*wanted)(const struct session *s, enum move_part part), enum move_part part,
		 struct message *answer)
{
	answer->fds = calloc(2 * (size_t)w->sessions.count + 1, sizeof(int));
	if (answer->fds == NULL)
		return;
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		for (int side = 0; side < 2 && wanted(s, part); side++)
			if (s->side[side].io.fd >= 0)
				answer->fds[answer->count++] = s->side[side].io.fd;
	}
}

static bool does_not_run(const struct session *s, enum move_part part)
{
	return s->rest != SESSION_RUNS && is_of(s, part);
}

void move_list(struct worker *w, const struct message *order, struct message *answer)
{
	list(w, does_not_run, order->part, answer);
}

/* So long nothing has moved on a session that is sent ahead. */
#define IDLE_FOR LB_MSEC(200)

static bool goes_early(const struct session *s)
{
	return s->flow.state == FLOW_RELAYING && s->server != NULL && s->farewell == FAREWELL_NONE &&
	       s->worker->now - s->flow.last_activity >= IDLE_FOR && !is_bound_here(s);
}

static bool is_frozen(const struct session *s, enum move_part part)
{
	(void)part;
	return s->rest == SESSION_FROZEN;
}

void move_freeze(struct worker *w, const struct message *order, struct message *answer)
{
	bool all = order->part == MOVE_ALL;

	if (all)
		listener_drain_vip(w);
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		if (!s->on_vip || s->rest != SESSION_RUNS || (!all && !goes_early(s)))
			continue;
		s->went_early = !all;
		if (!is_bound_here(s)) {
			rest_freeze(s);
			continue;
		}
		session_end(s, FLOW_END_HANDOVER);
		answer->stay++;
	}
	list(w, is_frozen, MOVE_ALL, answer);
}

/* --- dump --- */

/* Bytes of one direction that no kernel holds any more, in the order in which they must go out. */
struct remainder {
	uint8_t *data;
	size_t len, size;
};

static bool append(struct remainder *r, const void *data, size_t len)
{
	if (len == 0)
		return true;
	if (r->size - r->len < len) {
		size_t size = 2 * r->size > r->len + len ? 2 * r->size : r->len + len;
		uint8_t *grown = realloc(r->data, size);

		if (grown == NULL)
			return false;
		r->data = grown;
		r->size = size;
	}
	memcpy(r->data + r->len, data, len);
	r->len += len;
	return true;
}

/*
 * What the pipe holds. Reading it empties it, so the bytes become the side's held buffer: a thawed session goes on with
 * that.
 */
static bool unpipe(struct session *s, struct session_side *side)
{
	uint8_t *bytes;
	size_t done = 0, len = side->pipe != NULL ? side->pipe->held : 0;

	if (len == 0)
		return true;
	bytes = malloc(len);
	while (bytes != NULL && done < len) {
		ssize_t n = read(side->pipe->read_fd, bytes + done, len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == len)
		side->held = buffer_keep(&s->worker->buffers, bytes, len);
	free(bytes);
	if (side->held == NULL)
		return false;
	splice_pool_put(&s->worker->pipes, side->pipe);
	side->pipe = NULL;
	return true;
}

/* Everything that came from one side and the other side's kernel has not sent. */
static bool remain(struct session *s, enum flow_side from, const struct tcp_repair_queues queues[2],
		   struct remainder *out)
{
	struct session_side *side = &s->side[from];
	const struct buffer *held;

	if (!unpipe(s, side))
		return false;
	held = side->held;
	return append(out, queues[1 - from].unsent.data, queues[1 - from].unsent.len) &&
	       (held == NULL || append(out, held->data + held->start, held->end - held->start)) &&
	       append(out, queues[from].received.data, queues[from].received.len);
}

static void describe_half(const struct session *s, enum flow_side from, const struct tcp_repair_queues queues[2],
			  const struct remainder *rest, struct session_state *state)
{
	struct flow_half *half = &state->half[from];

	if (rest->len > 0)
		state->pending[from] = (struct lb_bytes){.data = rest->data, .len = (uint32_t)rest->len};
	half->bytes = s->flow.half[from].bytes - queues[1 - from].unsent.len;
	half->eof = s->flow.half[from].eof || queues[from].fin_received;
	half->shut = queues[1 - from].fin_sent && rest->len == 0;
}

static bool put_record(const struct session_state *state, struct remainder *out)
{
	size_t size = session_state_size(state);

	if (size == 0 || out->size - out->len < size) {
		size_t room = 2 * out->size > out->len + size ? 2 * out->size : out->len + size;
		uint8_t *grown = size > 0 ? realloc(out->data, room) : NULL;

		if (grown == NULL)
			return false;
		out->data = grown;
		out->size = room;
	}
	out->len += session_state_encode(state, out->data + out->len);
	return true;
}

/* One side's socket, or that it has none any more. */
static bool tell_side(struct session *s, enum flow_side side, struct session_state *state,
		      struct tcp_repair_queues *queues)
{
	int fd = s->side[side].io.fd;

	if (fd >= 0 && tcp_repair_dump(fd, &state->side[side], queues))
		return true;
	if (!s->flow.half[1 - side].shut || s->farewell != FAREWELL_NONE)
		return false;
	state->side[side] = (struct tcp_image){0};
	state->over[side] = true;
	*queues = (struct tcp_repair_queues){.fin_sent = true, .fin_received = true};
	return fd < 0 || tcp_repair_rest(fd, queues);
}

static bool tell(struct session *s, struct remainder *out)
{
	struct tcp_repair_queues queues[2] = {0};
	struct remainder rest[2] = {0};
	struct session_state state;
	bool told = false;

	rest_describe(s, &state);
	if (!tell_side(s, FLOW_CLIENT, &state, &queues[FLOW_CLIENT]))
		return false;
	if (s->server != NULL && !tell_side(s, FLOW_SERVER, &state, &queues[FLOW_SERVER]))
		goto free_queues;
	if (remain(s, FLOW_CLIENT, queues, &rest[FLOW_CLIENT]) && remain(s, FLOW_SERVER, queues, &rest[FLOW_SERVER])) {
		describe_half(s, FLOW_CLIENT, queues, &rest[FLOW_CLIENT], &state);
		describe_half(s, FLOW_SERVER, queues, &rest[FLOW_SERVER], &state);
		told = put_record(&state, out);
	}
	free(rest[FLOW_SERVER].data);
	free(rest[FLOW_CLIENT].data);

free_queues:
	tcp_repair_queues_free(&queues[FLOW_SERVER]);
	tcp_repair_queues_free(&queues[FLOW_CLIENT]);
	return told;
}

void move_dump(struct worker *w, const struct message *order, struct message *answer)
{
	struct remainder out = {0};

	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		if (s->rest != SESSION_FROZEN)
			continue;
		if (out.len >= order->size || !tell(s, &out)) {
			answer->stay++;
			continue;
		}
		s->rest = SESSION_DUMPED;
		answer->count++;
	}
	answer->bytes = out.data;
	answer->size = out.len;
}

/* --- thaw --- */

void move_thaw(struct worker *w, const struct message *order, struct message *answer)
{
	(void)order;
	(void)answer;
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		if (s->rest == SESSION_RUNS || s->rest == SESSION_FROZEN || s->rest == SESSION_DUMPED)
			widen(s);
		if (s->rest != SESSION_FROZEN && s->rest != SESSION_DUMPED)
			continue;
		s->went_early = false;
		rest_go_on(s);
	}
}

/* --- adopt --- */

static bool adopt(struct worker *w, const struct session_arrival *arrival, enum move_part part)
{
	const struct session_state *state = &arrival->state;
	struct worker_service *service = rest_service(w, state->service);
	struct worker_server *server = service != NULL ? rest_server(service, state->server) : NULL;
	bool connected = state->server[0] != '\0';
	struct session *s;

	if (service == NULL || service->conf == NULL || (connected && server == NULL))
		return false;
	for (int side = 0; side < (connected ? 2 : 1); side++)
		if (!state->over[side] && !tcp_repair_restore(arrival->fd[side], &state->side[side]))
			return false;
	s = w->sessions.count < w->sessions.max ? session_set_take(w) : NULL;
	if (s == NULL)
		return false;
	s->service = service;
	pool_service_enter(service);
	session_set_socket(s, FLOW_CLIENT, arrival->fd[FLOW_CLIENT]);
	session_set_socket(s, FLOW_SERVER, arrival->fd[FLOW_SERVER]);
	s->rest = SESSION_PARKED;
	s->went_early = part == MOVE_IDLE;
	if (!rest_assume(s, state) || !session_count_source(s) || (connected && !pool_enter(server))) {
		/* Takes the descriptors along. */
		session_end(s, FLOW_END_RESOURCE);
		return true;
	}
	s->server = connected ? server : NULL;
	return true;
}

void move_adopt(struct worker *w, const struct message *order, struct message *answer)
{
	uint32_t before = w->sessions.count;

	for (uint32_t i = 0; i < order->count; i++) {
		const struct session_arrival *arrival = &order->arrivals[i];

		worker_proceeds(w);
		if (adopt(w, arrival, order->part))
			continue;
		for (int side = 0; side < 2; side++)
			if (arrival->fd[side] >= 0)
				close(arrival->fd[side]);
	}
	answer->count = w->sessions.count - before;
}

/* A FIN that the former node had sent already is only known to the other end. */
static void repeat_fins(struct session *s)
{
	for (int from = 0; from < 2; from++)
		if (s->flow.half[from].shut && s->side[1 - from].io.fd >= 0)
			shutdown(s->side[1 - from].io.fd, SHUT_WR);
}

void move_revive(struct worker *w, const struct message *order, struct message *answer)
{
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		if (s->rest != SESSION_PARKED || !is_of(s, order->part))
			continue;
		s->went_early = false;
		answer->count++;
		tcp_sock_set_options(s->side[FLOW_CLIENT].io.fd, &s->service->tcp);
		if (s->server != NULL)
			tcp_sock_set_options(s->side[FLOW_SERVER].io.fd, &s->service->tcp);
		s->options_set = s->server != NULL;
		repeat_fins(s);
		rest_go_on(s);
	}
}
