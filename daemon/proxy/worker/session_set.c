#include "daemon/proxy/worker/session_set.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/proxy/worker/connect.h"
#include "daemon/proxy/worker/session.h"
#include "daemon/proxy/worker/thread.h"

/* Freed sessions kept for the next ones. */
#define SPARE_MAX 1024
/* Ids of different workers never meet; all stay below 2^53, exact in JSON readers that use doubles. */
#define ID_SHIFT 44

void session_set_init(struct session_set *set)
{
	lb_list_init(&set->list);
	lb_list_init(&set->spare);
}

void session_set_free(struct session_set *set)
{
	lb_list_foreach (node, &set->spare)
		free(lb_container_of(node, struct session, node));
	lb_list_init(&set->spare);
	set->spare_count = 0;
}

struct session *session_set_take(struct worker *w)
{
	struct session_set *set = &w->sessions;
	struct session *s;

	if (lb_list_empty(&set->spare)) {
		s = malloc(sizeof(*s));
		if (s == NULL)
			return NULL;
	} else {
		s = lb_container_of(set->spare.next, struct session, node);
		lb_list_del(&s->node);
		set->spare_count--;
	}
	*s = (struct session){.worker = w};
	s->id = (uint64_t)w->params.index << ID_SHIFT | ++set->last_id;
	lb_list_init(&s->node);
	lb_list_add_tail(&set->list, &s->node);
	set->count++;
	tuples_add(w, s);
	return s;
}

void session_set_give(struct worker *w, struct session *s)
{
	struct session_set *set = &w->sessions;

	tuples_remove(w, s);
	if (set->next_told == &s->node)
		set->next_told = s->node.next;
	lb_list_del(&s->node);
	set->count--;
	if (set->spare_count >= SPARE_MAX) {
		free(s);
		return;
	}
	lb_list_add_tail(&set->spare, &s->node);
	set->spare_count++;
}

static bool is_meant(const struct session *s, const struct message *order)
{
	switch (order->scope) {
	case END_VIP:
		return s->on_vip;
	case END_SERVER:
		return s->server != NULL && s->server->block == order->server;
	case END_SESSION:
		return s->id == order->session_id;
	case END_PARKED:
		return s->rest == SESSION_PARKED;
	case END_ALL:
		return true;
	}
	return false;
}

/* A session that another node was told of goes on there. */
static enum flow_end reason_of(const struct session *s, const struct message *order)
{
	return s->rest == SESSION_DUMPED && order->reason == FLOW_END_HANDOVER ? FLOW_END_MOVED : order->reason;
}

void session_set_end(struct worker *w, const struct message *order, struct message *answer)
{
	/* Ending one session frees no other, so the successor that the loop holds stays valid. */
	lb_list_foreach (node, &w->sessions.list) {
		struct session *s = lb_container_of(node, struct session, node);

		worker_proceeds(w);
		if (!is_meant(s, order))
			continue;
		session_end(s, reason_of(s, order));
		answer->count++;
	}
}

static void describe(const struct session *s, struct session_info *info)
{
	*info = (struct session_info){
	    .id = s->id,
	    .client = s->client,
	    .local = s->local,
	    .started = s->started,
	    .bytes_in = s->flow.half[FLOW_CLIENT].bytes,
	    .bytes_out = s->flow.half[FLOW_SERVER].bytes,
	    .state = s->flow.state,
	    .half_closed = s->flow.half[FLOW_CLIENT].eof || s->flow.half[FLOW_SERVER].eof,
	};
	memcpy(info->service, s->service->block->name, sizeof(info->service));
	if (s->server != NULL)
		memcpy(info->server, s->server->block->name, sizeof(info->server));
}

void session_set_describe(struct worker *w, const struct message *order, struct message *answer)
{
	uint32_t i = 0;

	(void)order;
	answer->sessions = calloc(w->sessions.count, sizeof(*answer->sessions));
	if (answer->sessions == NULL)
		return;
	lb_list_foreach (node, &w->sessions.list)
		describe(lb_container_of(node, struct session, node), &answer->sessions[i++]);
	answer->count = i;
}
