#include "daemon/proxy/worker/rest.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/worker/accept_proxy.h"
#include "daemon/proxy/worker/connect.h"

/* --- freeze, go on --- */

void rest_freeze(struct session *s)
{
	connect_cancel(s);
	for (int side = 0; side < 2; side++)
		poller_remove(&s->worker->poller, &s->side[side].io);
	wheel_remove(&s->worker->wheel, &s->timer);
	s->rest = SESSION_FROZEN;
}

void rest_go_on(struct session *s)
{
	s->rest = SESSION_RUNS;
	if (s->awaits_header) {
		s->header_seen = 0;
		accept_proxy_start(s);
		return;
	}
	if (s->server == NULL) {
		struct flow_half held = s->flow.half[FLOW_CLIENT];

		flow_init(&s->flow, s->worker->now);
		s->flow.half[FLOW_CLIENT] = held;
		connect_start(s);
		return;
	}
	for (int side = 0; side < 2; side++)
		if (s->flow.half[side].eof && !session_event(s, FLOW_READ_EOF, (enum flow_side)side, 0))
			return;
	session_update_interest(s);
}

/* --- tell --- */

void rest_describe(const struct session *s, struct session_state *state)
{
	lb_time now = s->worker->now;

	*state = (struct session_state){
	    .client = s->client,
	    .local = s->local,
	    .age = now - s->started,
	    .idle = now - s->flow.last_activity,
	    .connect_time = s->connect_time,
	    .half_closed = s->flow.half_closed_at != 0 ? now - s->flow.half_closed_at : 0,
	};
	memcpy(state->service, s->service->block->name, sizeof(state->service));
	if (s->server != NULL)
		memcpy(state->server, s->server->block->name, sizeof(state->server));
	if (s->destination != NULL)
		state->destination = *s->destination;
}

/* --- assume --- */

struct worker_service *rest_service(struct worker *w, const char *name)
{
	for (size_t i = 0; i < w->pool.service_count; i++)
		if (strcmp(w->pool.services[i]->block->name, name) == 0)
			return w->pool.services[i];
	return NULL;
}

struct worker_server *rest_server(const struct worker_service *service, const char *name)
{
	for (size_t i = 0; i < service->server_count; i++)
		if (strcmp(service->servers[i]->block->name, name) == 0)
			return service->servers[i];
	return NULL;
}

static bool hold_pending(struct session *s, const struct session_state *state, enum flow_side from)
{
	const struct lb_bytes *bytes = &state->pending[from];

	s->flow.half[from] = state->half[from];
	s->flow.half[from].pending = bytes->len;
	if (bytes->len > 0)
		s->side[from].held = buffer_keep(&s->worker->buffers, bytes->data, bytes->len);
	return bytes->len == 0 || s->side[from].held != NULL;
}

bool rest_assume(struct session *s, const struct session_state *state)
{
	const struct lb_conf_service *conf = s->service->conf;
	lb_time now = s->worker->now;

	s->client = state->client;
	s->local = state->local;
	s->on_vip = true;
	s->started = now - state->age;
	s->connect_time = state->connect_time;
	s->limits = (struct flow_limits){.buffer_max = 1};
	if (conf != NULL) {
		s->send_proxy = (uint8_t)conf->send_proxy;
		s->limits.idle_timeout = conf->idle_timeout;
		s->limits.fin_timeout = conf->fin_timeout;
	}
	wheel_entry_init(&s->timer);
	flow_init(&s->flow, now);
	if (state->server[0] != '\0')
		s->flow.state = FLOW_RELAYING;
	s->flow.last_activity = now - state->idle;
	s->flow.half_closed_at = state->half_closed > 0 ? now - state->half_closed : 0;
	if (state->destination.addr.family != 0) {
		s->destination = malloc(sizeof(*s->destination));
		if (s->destination == NULL)
			return false;
		*s->destination = state->destination;
	}
	return hold_pending(s, state, FLOW_CLIENT) && hold_pending(s, state, FLOW_SERVER);
}
