/*
 * Datagrams of the peer link (UDP): one struct, one encoding, authenticated as a whole.
 *
 * Freshness without clocks: each process draws a random nonce at start and counts its datagrams. Every datagram
 * carries the sender's nonce and count and echoes the nonce and the highest count heard from the receiver, so an old
 * one (echoing a former nonce) is recognised, and each side knows whether it is heard.
 */
#ifndef LB_PEER_MSG_H
#define LB_PEER_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/vrrp_fsm.h>

#define PEER_MSG_MAX	      1400
#define PEER_MSG_SERVICES_MAX 96
#define PEER_VERSION_TEXT     24

enum peer_msg_kind {
	PEER_HEARTBEAT = 1,
	PEER_ASK_TAKE,		/* owner -> peer: will you take the VIP? */
	PEER_READY,		/* peer -> owner: yes */
	PEER_REFUSE,		/* peer -> owner: no; reason in text */
	PEER_RELEASED,		/* owner -> peer: it is yours now */
	PEER_REQUEST_VIP,	/* preferred node -> owner: hand over to me (failback, failover --to) */
	PEER_OFFER_SESSIONS,	/* owner -> peer: my sessions could come before the VIP does */
	PEER_EXPECT_SESSIONS,	/* peer -> owner: let them come */
	PEER_RELEASED_SESSIONS, /* as RELEASED, and the sessions that came are yours */
	PEER_KIND_LAST_ = PEER_RELEASED_SESSIONS,
};

struct peer_service {
	uint32_t name_hash; /* lb_hash of the service name, folded */
	uint16_t ready, total;
};

struct peer_msg {
	enum peer_msg_kind kind;
	uint64_t nonce, sequence;	    /* the sender's */
	uint64_t echo_nonce, echo_sequence; /* last heard from the receiver, 0 = never */
	lb_name node;
	char version[PEER_VERSION_TEXT];
	uint32_t config_hash;
	enum vrrp_state state;
	bool can_serve, standby;
	uint8_t priority;
	uint32_t ready_servers, total_servers;	      /* over all services */
	uint64_t handover;			      /* id of the hand-over the kind speaks of, 0 = none */
	char text[64];				      /* REFUSE: why */
	uint16_t service_offset, service_count_total; /* which slice of the services follows */
	uint16_t service_count;
	struct peer_service services[PEER_MSG_SERVICES_MAX];
};

/* Encode and sign (key NULL: unsigned). Returns the length or 0 when it does not fit or a field is out of range. */
size_t peer_msg_encode(const struct peer_msg *msg, const uint8_t *key, size_t key_len, uint8_t *out, size_t cap);

enum peer_drop {
	PEER_OK,
	PEER_DROP_TRUNCATED,
	PEER_DROP_MAGIC,
	PEER_DROP_VERSION,
	PEER_DROP_LENGTH,
	PEER_DROP_AUTH,	  /* wrong or missing HMAC, or one where none is configured */
	PEER_DROP_VALUE,  /* a field out of range */
	PEER_DROP_SOURCE, /* not a configured node (judged by the adapter) */
	PEER_DROP_REPLAY, /* count not newer within the nonce, or nonce not proven fresh (judged by peer_session) */
	PEER_DROP_COUNT_,
};
const char *peer_drop_name(enum peer_drop drop);

/* Decode and verify. *out is undefined unless PEER_OK; accepted bytes encode to themselves again. */
enum peer_drop peer_msg_decode(const uint8_t *buf, size_t len, const uint8_t *key, size_t key_len,
			       struct peer_msg *out);

/* Freshness of one peer. Zero-initialise, then set own_nonce (random, not 0). */
struct peer_session {
	uint64_t own_nonce, own_sequence;
	uint64_t nonce, sequence; /* the peer's, accepted */
	uint64_t candidate;	  /* a nonce heard that has not yet echoed ours; 0 none */
	uint64_t candidate_sequence;
	bool proven;	 /* the peer's nonce has echoed our own nonce: its datagrams are fresh */
	uint64_t echoed; /* our highest sequence that the peer has heard */
};

/* Fill nonce, sequence, echo_* of an outgoing message (one struct per receiver: echo differs by peer). */
void peer_session_stamp(struct peer_session *s, struct peer_msg *msg);
/*
 * Judge an incoming one. PEER_OK: fresh, may act. PEER_DROP_REPLAY with *reply set: the peer has restarted or we have;
 * a heartbeat should be sent at once so that both prove themselves.
 */
enum peer_drop peer_session_accept(struct peer_session *s, const struct peer_msg *msg, bool *reply);

#endif
