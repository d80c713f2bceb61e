/*
 * What outlives the proxy, as bytes: the recorder's ring and the orders of administrators. Pure; whoever holds the
 * files reads and writes them at the places named here. Made and read on one machine, so numbers are its own; whatever
 * was written by another build, was cut or was changed is told from what can be used.
 */
#ifndef LB_STATE_FILE_H
#define LB_STATE_FILE_H

#include <lb/err.h>
#include <lb/snapshot.h>

/* ---- events: a head, then STATE_EVENTS records; event `id` stands in record id % STATE_EVENTS ---- */

#define STATE_EVENTS	   1024
#define STATE_EVENTS_HEAD  16
#define STATE_EVENT_RECORD (sizeof(uint64_t) + sizeof(struct lb_event))
#define STATE_EVENTS_SIZE  (STATE_EVENTS_HEAD + STATE_EVENTS * STATE_EVENT_RECORD)

/* Byte of the file at which the record of an event begins. */
size_t state_event_offset(uint64_t id);
void state_events_head(uint8_t out[static STATE_EVENTS_HEAD]);
/* False: another build's or no such file. */
bool state_events_head_good(const uint8_t in[static STATE_EVENTS_HEAD]);
void state_event_encode(const struct lb_event *event, uint8_t out[static STATE_EVENT_RECORD]);
/* False: never written, or damaged; *out is then undefined. */
bool state_event_decode(const uint8_t in[static STATE_EVENT_RECORD], struct lb_event *out);

/* ---- orders: two slots of text, written in turn, so that one is always whole ---- */

#define STATE_ORDERS_SLOT (512u * 1024)
#define STATE_ORDERS_SIZE (2 * STATE_ORDERS_SLOT)

/* What an administrator made of a server; a member that is not ordered is as in the file. */
struct lb_order {
	lb_name service, server;
	enum lb_admin_state admin;
	bool has_weight, has_limit;
	uint16_t weight, weight_over; /* ordered, and what the file said then */
	uint32_t limit, limit_over;   /* max_connections likewise; 0 = none */
};

/* The text of one slot; generation grows by one with each. False: too many orders for a slot. */
bool state_orders_encode(const struct lb_order *orders, size_t count, uint64_t generation, struct lb_text *out);
/*
 * Read a slot (len bytes of it). True: *orders is the caller's (free), *count may be 0. False with a reason; err->text
 * is empty for a slot that was never written.
 */
bool state_orders_decode(const uint8_t *slot, size_t len, uint64_t *generation, struct lb_order **orders, size_t *count,
			 struct lb_err *err);

#endif
