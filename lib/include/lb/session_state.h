/*
 * A live session at rest, as one load balancer tells it to another: two TCP connections as their kernel describes them
 * (TCP_REPAIR), the bytes on their way between them, and what the balancer knows. One record, one encoding, versioned;
 * whoever decodes it has checked every number.
 */
#ifndef LB_SESSION_STATE_H
#define LB_SESSION_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/conf.h>
#include <lb/flow.h>
#include <lb/time.h>

#define SESSION_STATE_FORMAT 1
/* A record is never longer; a session whose queues hold more stays where it is. */
#define SESSION_STATE_MAX (256u * 1024 * 1024)
/* So many bytes tell how long a record is (session_state_length). */
#define SESSION_STATE_HEAD 4

/* Bytes that belong to somebody else. */
struct lb_bytes {
	const uint8_t *data; /* NULL when len is 0 */
	uint32_t len;
};

/* What both ends of a connection agreed on in their SYNs. */
enum tcp_image_option {
	TCP_IMAGE_TIMESTAMPS = 0x01,
	TCP_IMAGE_SACK = 0x02,
	TCP_IMAGE_WSCALE = 0x04,
	TCP_IMAGE_KNOWN = 0x07,
};

/* RFC 9293 3.3.1, as TCP_REPAIR_WINDOW has it. */
struct tcp_image_window {
	uint32_t send_wl1, send_window, send_window_max, receive_window, receive_wup;
};

/* One end of a connection. */
struct tcp_image {
	struct lb_endpoint local, remote;
	uint32_t send_seq;    /* of the first byte of unacked; a FIN does not count */
	uint32_t receive_seq; /* expected next; a FIN counts */
	uint16_t mss;
	uint8_t options; /* enum tcp_image_option, or-ed */
	uint8_t send_wscale, receive_wscale;
	uint32_t timestamp; /* of this end's clock, 0 without TCP_IMAGE_TIMESTAMPS */
	struct tcp_image_window window;
	struct lb_bytes unacked; /* sent */
};

struct session_state {
	lb_name service, server; /* server "": none is connected yet, side[FLOW_SERVER] is empty */
	struct lb_endpoint client, local;
	struct lb_endpoint destination; /* where a PROXY header says that the client came to; family 0: no header */
	lb_duration age, idle, connect_time;
	lb_duration half_closed;  /* for how long; 0 while no side has closed */
	struct flow_half half[2]; /* its pending is not told: it is the length below */
	struct tcp_image side[2];
	/* Both FINs have passed on that side: there is no connection any more, only bytes that came from it. */
	bool over[2];
	struct lb_bytes pending[2]; /* received from that side, and not yet sent to the other */
};

/* Bytes that session_state_encode writes; 0 when a field is out of range or it would be longer than SESSION_STATE_MAX.
 */
size_t session_state_size(const struct session_state *s);
/* Write the record; out has room for session_state_size(s) bytes, which is what is returned. */
size_t session_state_encode(const struct session_state *s, uint8_t *out);

enum session_state_drop {
	SESSION_STATE_OK,
	SESSION_STATE_TRUNCATED, /* shorter or longer than it says of itself */
	SESSION_STATE_UNKNOWN,	 /* another format */
	SESSION_STATE_VALUE,	 /* a field out of range */
	SESSION_STATE_DROP_COUNT_,
};
const char *session_state_drop_name(enum session_state_drop drop);

/* Length of the record that begins with these SESSION_STATE_HEAD bytes; 0: it cannot be one. */
size_t session_state_length(const uint8_t head[SESSION_STATE_HEAD]);
/* Decode exactly one record. The bytes of queues stay in buf. *out is undefined unless SESSION_STATE_OK. */
enum session_state_drop session_state_decode(const uint8_t *buf, size_t len, struct session_state *out);

#endif
