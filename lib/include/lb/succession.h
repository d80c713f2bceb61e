/*
 * What a proxy tells the one that succeeds it on the same node: frames between the two, facts about services and
 * servers, sessions. Descriptors travel beside them. Made to be read by older and newer programs: the first frame says
 * which versions its sender speaks, and what is added later stands behind what a reader knows.
 *
 *   heir                    former
 *   HELLO versions    ->
 *                     <-    FACTS     memfd: records of facts
 *                     <-    SESSIONS  memfd: records of sessions; their descriptors     (again and again)
 *   TAKEN count       ->                                                                (for each)
 *                     <-    END       how many there were
 *   READY count       ->
 */
#ifndef LB_SUCCESSION_H
#define LB_SUCCESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/session_state.h>

/* Of the conversation: the newest and the oldest that this program speaks. Of a session's record SESSION_STATE_FORMAT.
 */
#ifndef SUCCESSION_VERSION
#define SUCCESSION_VERSION 1
#endif
#define SUCCESSION_OLDEST 1
#define SUCCESSION_FRAME  32

enum succession_type {
	SUCCESSION_HELLO = 1,
	SUCCESSION_FACTS,
	SUCCESSION_SESSIONS,
	SUCCESSION_TAKEN,
	SUCCESSION_END,
	SUCCESSION_READY,
	SUCCESSION_TYPES_,
};

struct succession_frame {
	enum succession_type type;
	uint16_t oldest, newest; /* HELLO: versions that the sender speaks; otherwise the one that is spoken */
	uint16_t format;	 /* of the sessions' records */
	uint32_t worker;	 /* SESSIONS: whose they are */
	uint32_t count;		 /* records; TAKEN, END, READY: sessions */
	uint32_t size;		 /* bytes in the memfd */
	uint64_t last_id;	 /* SESSIONS: the newest number that the worker gave a session */
};

void succession_frame_encode(const struct succession_frame *frame, uint8_t out[static SUCCESSION_FRAME]);
/* False: it is none of these. Versions are the caller's to judge. */
bool succession_frame_decode(const uint8_t *in, size_t len, struct succession_frame *out);
/* The newest version that this program and the sender of the HELLO both speak; 0: there is none. */
uint16_t succession_common(const struct succession_frame *hello);

/* ---- facts: a kind, names, a text, numbers in an order that only grows ---- */

#define SUCCESSION_TEXT	  64
#define SUCCESSION_VALUES 32

struct succession_fact {
	uint8_t kind;	 /* the caller's */
	uint32_t worker; /* whose counters they are */
	lb_name service, server;
	char text[SUCCESSION_TEXT];
	uint8_t count; /* of the values that were told; the others are 0 */
	uint64_t value[SUCCESSION_VALUES];
};

#define SUCCESSION_FACT_MAX (2 + 1 + 4 + 3 * (1 + 64) + 1 + 8 * SUCCESSION_VALUES)

/* Bytes written; out has room for SUCCESSION_FACT_MAX. */
size_t succession_fact_encode(const struct succession_fact *fact, uint8_t *out);
/* Bytes used, 0: it is cut or damaged. */
size_t succession_fact_decode(const uint8_t *in, size_t len, struct succession_fact *out);

/* ---- a session: what its record (session_state.h) does not tell ---- */

enum succession_flag {
	SUCCESSION_ON_VIP = 0x01,
	SUCCESSION_AWAITS_HEADER = 0x02,
	SUCCESSION_OPTIONS_SET = 0x04,
	SUCCESSION_NO_CLIENT_PORT = 0x08,      /* a PROXY header said so; the record has 1 */
	SUCCESSION_NO_DESTINATION_PORT = 0x10, /* likewise */
	/* Of the client's side; of the server's each one bit further. */
	SUCCESSION_WIDE = 0x0100,
	SUCCESSION_SPLICING = 0x0400,
	SUCCESSION_NO_SPLICE = 0x1000,
};

/* The two sockets, and for each side two ends of a pipe. */
#define SUCCESSION_FDS_MAX 6

struct succession_session {
	uint64_t id;
	uint16_t flags; /* enum succession_flag, or-ed */
	uint8_t farewell;
	lb_duration idle_timeout, fin_timeout; /* as they were when it began; 0 = off */
	uint32_t piped[2]; /* bytes read from that side that are in a pipe, behind those of the record */
	struct session_state state;
};

/* How many descriptors belong to it: client, [server], then for each side with piped bytes [read end, write end]. */
size_t succession_session_fds(const struct succession_session *s);
/* Bytes that succession_session_encode writes; 0: a field is out of range. */
size_t succession_session_size(const struct succession_session *s);
size_t succession_session_encode(const struct succession_session *s, uint8_t *out);
/* Decode the first of the records in buf: *used is its length. Bytes of buffers stay in buf. */
enum session_state_drop succession_session_decode(const uint8_t *buf, size_t len, size_t *used,
						  struct succession_session *out);

#endif
