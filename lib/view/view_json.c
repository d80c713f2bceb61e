#include <lb/view.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/view/view_names.h"
#include "lib/view/view_services.h"

#define COMPACT (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* Milliseconds as people read them: three digits after the point are enough for a network. */
static json_t *ms(lb_duration d)
{
	return json_real(round(lb_duration_ms(d) * 1000) / 1000);
}

/*
 * A text that may hold what a server or a client said. What is no UTF-8 must not cost the whole answer: then every byte
 * that is not ASCII becomes a question mark.
 */
static json_t *words(const char *s)
{
	json_t *o = json_string(s);
	char *copy;

	if (o)
		return o;
	copy = strdup(s);
	for (char *c = copy; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	o = copy ? json_string(copy) : NULL;
	free(copy);
	return o;
}

static json_t *instant(lb_wall at)
{
	char buf[VIEW_TIME_TEXT];

	return at > 0 ? json_string(view_time_text(at, buf)) : json_null();
}

static json_t *count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *hash(uint32_t value)
{
	char buf[VIEW_HASH_TEXT];

	return json_string(view_hash_text(value, buf));
}

static json_t *address(const struct lb_addr *addr)
{
	char buf[LB_ADDR_TEXT];

	return json_string(lb_addr_text(addr, buf));
}

static json_t *mac(const uint8_t m[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static json_t *vip(const struct lb_snapshot_vip *v)
{
	return json_pack("{s:o, s:s, s:b, s:b}", "address", address(&v->address), "interface", v->interface, "present",
			 v->present, "fenced", v->fenced);
}

static json_t *node(const struct lb_snapshot_node *n)
{
	json_t *o = json_pack("{s:s, s:o, s:b, s:s, s:b, s:b, s:i}", "name", n->name, "address", address(&n->address),
			      "self", n->self, "role", vrrp_state_name(n->role), "can_serve", n->can_serve, "standby",
			      n->standby, "priority", (int)n->priority);

	json_object_set_new(o, "version", n->version[0] ? words(n->version) : json_null());
	/* What is known of another node only as long as it is heard. */
	if (n->self)
		return o;
	json_object_set_new(o, "heard", json_boolean(n->heard));
	json_object_set_new(o, "heard_ms", n->heard_age >= 0 ? ms(n->heard_age) : json_null());
	json_object_set_new(o, "advert_ms", n->advert_age >= 0 ? ms(n->advert_age) : json_null());
	json_object_set_new(o, "hears_us", json_boolean(n->hears_us));
	json_object_set_new(o, "config", n->version[0] ? hash(n->config_hash) : json_null());
	json_object_set_new(o, "ready_servers", count(n->ready_servers));
	json_object_set_new(o, "total_servers", count(n->total_servers));
	return o;
}

/* The election half of the status. */
static void add_keeper(json_t *o, const struct lb_snapshot_keeper *k)
{
	json_t *vips = json_array(), *nodes = json_array();

	for (uint32_t i = 0; i < k->vip_count; i++)
		json_array_append_new(vips, vip(&k->vips[i]));
	for (uint32_t i = 0; i < k->node_count; i++)
		json_array_append_new(nodes, node(&k->nodes[i]));
	json_object_set_new(o, "role", json_string(vrrp_state_name(k->role)));
	json_object_set_new(o, "since", instant(k->since));
	json_object_set_new(o, "reason", json_string(vrrp_reason_name(k->reason)));
	json_object_set_new(o, "owner", k->owner[0] ? json_string(k->owner) : json_null());
	json_object_set_new(o, "standby", json_boolean(k->standby));
	json_object_set_new(o, "can_serve", json_boolean(k->can_serve));
	json_object_set_new(o, "obstacle",
			    k->obstacle == OWNERSHIP_CAN ? json_null()
							 : json_string(ownership_obstacle_name(k->obstacle)));
	json_object_set_new(o, "fence", json_string(view_fence_name(k->fence_in_force)));
	json_object_set_new(o, "authenticated", json_boolean(k->has_key));
	json_object_set_new(o, "takeover_gap_ms", k->last_gap > 0 ? ms(k->last_gap) : json_null());
	json_object_set_new(o, "foreign_owner", json_boolean(k->foreign_owner));
	json_object_set_new(o, "foreign_mac", k->foreign_owner ? mac(k->foreign_mac) : json_null());
	json_object_set_new(o, "upgrade", k->upgrade[0] ? json_string(k->upgrade) : json_null());
	json_object_set_new(o, "vips", vips);
	json_object_set_new(o, "nodes", nodes);
}

/* Connections that outlive an owner which dies only in the memory of others. */
static json_t *wake(const struct lb_snapshot_wake *w)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "possible", w->possible, "nodes",
			 count(w->listeners), "told", count(w->told), "held", count(w->held), "woken_clients",
			 count(w->woken_clients), "woken_servers", count(w->woken_servers), "segments",
			 count(w->segments), "dropped", count(w->dropped));
}

/* Sessions that moved with the VIP, and why others did not. */
static json_t *moves(const struct lb_snapshot_moves *m)
{
	json_t *lost = json_object();

	for (int i = 0; i < LB_MOVE_LOSSES_; i++)
		json_object_set_new(lost, lb_move_loss_name((enum lb_move_loss)i), count(m->lost[i]));
	return json_pack("{s:o, s:o, s:o}", "away", count(m->away), "here", count(m->here), "not_moved", lost);
}

static char *finish(json_t *o)
{
	char *text = o ? json_dumps(o, COMPACT) : NULL;

	json_decref(o);
	return text;
}

/* The services are the last member; they come as text. */
static char *finish_with_services(json_t *o, const struct lb_snapshot *s, enum view_detail detail)
{
	struct lb_text text = {0};
	char *head = finish(o);

	if (!head)
		return NULL;
	lb_text_addn(&text, head, strlen(head) - 1);
	lb_text_add(&text, strlen(head) > 2 ? ",\"services\":" : "\"services\":");
	free(head);
	view_services_text(s, detail, &text);
	lb_text_add(&text, "}");
	if (text.failed)
		lb_text_free(&text);
	return text.data;
}

char *view_status_json(const struct lb_snapshot *s, enum view_detail detail)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:f}", "cluster", s->cluster, "node", s->node, "version",
			      s->version, "config", hash(s->config_hash), "uptime_seconds",
			      round(lb_duration_seconds(s->uptime) * 1000) / 1000);

	if (!o)
		return NULL;
	json_object_set_new(o, "session_limit", count(s->session_limit));
	json_object_set_new(o, "counters_cleared", instant(s->counters_cleared));
	json_object_set_new(
	    o, "reload_refused",
	    s->reload_refused ? json_pack("{s:o, s:o}", "at", instant(s->reload_at), "reason", words(s->reload_refused))
			      : json_null());
	json_object_set_new(o, "wake", wake(&s->wake));
	json_object_set_new(o, "moves", moves(&s->keeper.moves));
	add_keeper(o, &s->keeper);
	return detail == VIEW_NODE ? finish(o) : finish_with_services(o, s, detail);
}

char *view_services_json(const struct lb_snapshot *s)
{
	return finish_with_services(json_object(), s, VIEW_FULL);
}

static json_t *event(const struct lb_event *e)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", count(e->id), "at", instant(e->at), "kind",
			 words(e->kind), "subject", words(e->subject), "from", words(e->from), "to", words(e->to),
			 "reason", words(e->reason), "duration_ms", e->duration > 0 ? ms(e->duration) : json_null());
}

char *view_events_json(const struct lb_event *events, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, event(&events[i]));
	return finish(json_pack("{s:o}", "events", list));
}

char *view_event_json(const struct lb_event *e)
{
	return finish(event(e));
}

char *view_error_json(const char *code, const char *message)
{
	return finish(json_pack("{s:{s:o, s:o}}", "error", "code", words(code), "message", words(message)));
}
