#include "daemon/proxy/worker/succession.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/succession.h>

#include "daemon/proxy/worker/ghost.h"
#include "daemon/proxy/worker/rest.h"

/* One message carries at most 253 descriptors (SCM_MAX_FD); one of them is the records'. */
#define BATCH_FDS 252
/* Sessions with full buffers make large records; what one batch may take of memory. */
#define BATCH_BYTES (1024u * 1024)
/* The record's rules ask for a size that TCP has; nobody reads it here. */
#define SOME_MSS 536

/* --- hold --- */

static uint32_t count_resting(const struct worker *w)
{
	uint32_t n = 0;

	lb_list_foreach (node, &w->sessions.list) {
		const struct session *s = lb_container_of(node, struct session, node);

		n += s->rest != SESSION_RUNS || s->narrowed;
	}
	return n;
}

void succession_hold(struct worker *w, const struct message *order, struct message *answer)
{
	(void)order;
	answer->count = count_resting(w);
	if (answer->count > 0)
		return;
	listener_hold(w);
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		rest_freeze(s);
		for (int side = 0; side < 2; side++) {
			/* An empty pipe is as good as none. */
			if (s->side[side].pipe == NULL || s->side[side].pipe->held > 0)
				continue;
			splice_pool_put(&w->pipes, s->side[side].pipe);
			s->side[side].pipe = NULL;
		}
	}
	w->sessions.next_told = w->sessions.list.next;
}

/* --- tell --- */

static uint16_t flags_of(const struct session *s)
{
	unsigned flags = 0;

	if (s->on_vip)
		flags |= SUCCESSION_ON_VIP;
	if (s->awaits_header)
		flags |= SUCCESSION_AWAITS_HEADER;
	if (s->options_set)
		flags |= SUCCESSION_OPTIONS_SET;
	for (unsigned side = 0; side < 2; side++) {
		if (s->side[side].wide)
			flags |= (unsigned)SUCCESSION_WIDE << side;
		if (s->side[side].splicing)
			flags |= (unsigned)SUCCESSION_SPLICING << side;
		if (s->side[side].no_splice)
			flags |= (unsigned)SUCCESSION_NO_SPLICE << side;
	}
	return (uint16_t)flags;
}

/* A record has ports; a PROXY header may have none. */
static void put_ports(struct succession_session *out)
{
	if (out->state.client.port == 0) {
		out->state.client.port = 1;
		out->flags |= SUCCESSION_NO_CLIENT_PORT;
	}
	if (out->state.destination.addr.family != 0 && out->state.destination.port == 0) {
		out->state.destination.port = 1;
		out->flags |= SUCCESSION_NO_DESTINATION_PORT;
	}
}

static void describe(const struct session *s, struct succession_session *out)
{
	*out = (struct succession_session){.id = s->id,
					   .flags = flags_of(s),
					   .farewell = s->farewell,
					   .idle_timeout = s->limits.idle_timeout,
					   .fin_timeout = s->limits.fin_timeout};
	rest_describe(s, &out->state);
	put_ports(out);
	for (int side = 0; side < 2; side++) {
		const struct buffer *held = s->side[side].held;

		out->state.half[side] = s->flow.half[side];
		out->state.side[side] = (struct tcp_image){.local = s->local, .remote = s->local, .mss = SOME_MSS};
		if (held != NULL)
			out->state.pending[side] =
			    (struct lb_bytes){.data = held->data + held->start, .len = held->end - held->start};
		if (s->side[side].pipe != NULL)
			out->piped[side] = (uint32_t)s->side[side].pipe->held;
	}
	if (s->server != NULL)
		out->state.side[FLOW_SERVER].local = out->state.side[FLOW_SERVER].remote = s->server->block->address;
	/* What a client has closed before there was a server is found out again. */
	if (s->server == NULL)
		out->state.half[FLOW_CLIENT].shut = out->state.half[FLOW_SERVER].eof = false;
}

/* In the order of succession_session_fds. */
static uint32_t list_fds(const struct session *s, int *fds)
{
	uint32_t n = 0;

	fds[n++] = s->side[FLOW_CLIENT].io.fd;
	if (s->server != NULL)
		fds[n++] = s->side[FLOW_SERVER].io.fd;
	for (int side = 0; side < 2; side++)
		if (s->side[side].pipe != NULL) {
			fds[n++] = s->side[side].pipe->read_fd;
			fds[n++] = s->side[side].pipe->write_fd;
		}
	return n;
}

/* Append one more; false: there is no room, or refusal says what speaks against it. */
static bool tell(const struct session *s, struct message *answer, size_t *room)
{
	struct succession_session told;
	size_t size;

	describe(s, &told);
	size = succession_session_size(&told);
	if (size == 0) {
		answer->refusal = "a session cannot be told";
		return false;
	}
	if (answer->fd_count + succession_session_fds(&told) > BATCH_FDS ||
	    (answer->count > 0 && answer->size + size > BATCH_BYTES))
		return false;
	if (answer->size + size > *room) {
		size_t grown = 2 * (answer->size + size);
		uint8_t *bytes = realloc(answer->bytes, grown);

		if (bytes == NULL) {
			answer->refusal = "memory is short";
			return false;
		}
		answer->bytes = bytes;
		*room = grown;
	}
	answer->size += succession_session_encode(&told, answer->bytes + answer->size);
	answer->fd_count += list_fds(s, answer->fds + answer->fd_count);
	answer->count++;
	return true;
}

void succession_tell(struct worker *w, const struct message *order, struct message *answer)
{
	struct session_set *set = &w->sessions;
	size_t room = 0;

	(void)order;
	answer->session_id = set->last_id;
	answer->fds = calloc(BATCH_FDS, sizeof(int));
	if (answer->fds == NULL) {
		answer->refusal = "memory is short";
		return;
	}
	while (set->next_told != NULL && set->next_told != &set->list) {
		if (!tell(lb_container_of(set->next_told, struct session, node), answer, &room))
			return;
		set->next_told = set->next_told->next;
	}
}

/* --- take --- */

static void assume_side(struct session *s, const struct succession_session *told, unsigned side)
{
	s->side[side].wide = (told->flags & (unsigned)SUCCESSION_WIDE << side) != 0;
	s->side[side].splicing = (told->flags & (unsigned)SUCCESSION_SPLICING << side) != 0;
	s->side[side].no_splice = (told->flags & (unsigned)SUCCESSION_NO_SPLICE << side) != 0;
}

/* What the record tells beyond what moves to another node. */
static void assume(struct session *s, const struct succession_session *told)
{
	s->id = told->id;
	s->farewell = told->farewell;
	s->limits.idle_timeout = told->idle_timeout;
	s->limits.fin_timeout = told->fin_timeout;
	s->on_vip = (told->flags & SUCCESSION_ON_VIP) != 0;
	s->awaits_header = (told->flags & SUCCESSION_AWAITS_HEADER) != 0;
	s->options_set = (told->flags & SUCCESSION_OPTIONS_SET) != 0;
	assume_side(s, told, FLOW_CLIENT);
	assume_side(s, told, FLOW_SERVER);
	if ((told->flags & SUCCESSION_NO_CLIENT_PORT) != 0)
		s->client.port = 0;
	if ((told->flags & SUCCESSION_NO_DESTINATION_PORT) != 0 && s->destination != NULL)
		s->destination->port = 0;
}

/* The pipes become the session's, and with them their descriptors. */
static bool assume_pipes(struct session *s, const struct succession_session *told, const int **fds)
{
	for (int side = 0; side < 2; side++) {
		if (told->piped[side] == 0)
			continue;
		s->side[side].pipe = splice_pool_adopt(&s->worker->pipes, (*fds)[0], (*fds)[1], told->piped[side]);
		if (s->side[side].pipe == NULL)
			return false;
		s->flow.half[side].pending += told->piped[side];
		*fds += 2;
	}
	return true;
}

/* The configuration may have been changed since the session began. */
static struct worker_service *find_service(struct worker *w, const struct succession_session *told)
{
	struct worker_service *listed = rest_service(w, told->state.service);

	return listed != NULL ? listed : ghost_service(w, told->state.service);
}

static struct worker_server *find_server(struct worker *w, const struct worker_service *service,
					 const struct succession_session *told)
{
	struct worker_server *listed = rest_server(service, told->state.server);

	return listed != NULL
		   ? listed
		   : ghost_server(w, told->state.service, told->state.server, &told->state.side[FLOW_SERVER].remote);
}

/* NULL, or why it cannot be set up; its descriptors from *fds on are used as far as they belong to it then. */
static const char *take(struct worker *w, const struct succession_session *told, const int **fds)
{
	bool connected = told->state.server[0] != '\0';
	struct worker_service *service = find_service(w, told);
	struct worker_server *server = service != NULL && connected ? find_server(w, service, told) : NULL;
	struct session *s = service != NULL ? session_set_take(w) : NULL;

	if (s == NULL || (connected && server == NULL))
		return "memory is short";
	s->service = service;
	s->rest = SESSION_PARKED;
	pool_service_enter(service);
	session_set_socket(s, FLOW_CLIENT, *(*fds)++);
	session_set_socket(s, FLOW_SERVER, connected ? *(*fds)++ : -1);
	if (connected) {
		pool_enter_again(server);
		s->server = server;
	}
	if (!rest_assume(s, &told->state) || !assume_pipes(s, told, fds))
		return "memory is short";
	assume(s, told);
	/* Whatever the limit is now: it was let in. */
	if (!s->awaits_header && s->service->conf != NULL)
		session_count_source(s);
	return NULL;
}

void succession_take(struct worker *w, const struct message *order, struct message *answer)
{
	const int *fds = order->fds, *end = fds + order->fd_count;
	struct succession_session told;
	size_t at = 0, used;

	if (order->session_id > w->sessions.last_id)
		w->sessions.last_id = order->session_id;
	for (uint32_t i = 0; i < order->count && answer->refusal == NULL; i++, at += used) {
		if (succession_session_decode(order->bytes + at, order->size - at, &used, &told) != SESSION_STATE_OK ||
		    succession_session_fds(&told) > (size_t)(end - fds))
			answer->refusal = "a record that cannot be read";
		else
			answer->refusal = take(w, &told, &fds);
		if (answer->refusal != NULL)
			break;
		answer->count++;
	}
	while (fds < end)
		close(*fds++);
}

/* --- resume --- */

void succession_resume(struct worker *w, const struct message *order, struct message *answer)
{
	(void)order;
	w->sessions.next_told = NULL;
	/* One that was never held has others at rest: those that move with the VIP. */
	if (!w->listeners.held)
		return;
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		if (s->rest != SESSION_FROZEN && s->rest != SESSION_PARKED)
			continue;
		answer->count++;
		if (s->server != NULL && !s->options_set) {
			tcp_sock_set_options(s->side[FLOW_SERVER].io.fd, &s->service->tcp);
			s->options_set = true;
		}
		rest_go_on(s);
	}
	listener_release(w);
}
