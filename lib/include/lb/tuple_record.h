/*
 * Which connections the owner of the VIP has, as it tells its peers while they open and close, so that a peer that
 * takes over after a crash can wake their clients and servers. A batch of changes, one encoding, versioned; whoever
 * reads it has checked every number. A batch stands alone: what is left out of a record is only what the batch itself
 * has said.
 */
#ifndef LB_TUPLE_RECORD_H
#define LB_TUPLE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

#define TUPLE_FORMAT 1
/* Connections that can be told of at a time; the rest goes without. */
#define TUPLE_SLOTS 65536u
/* A batch is never longer. */
#define TUPLE_BATCH_MAX 65536u
/* One record is never longer: a new place, and a connection at it. */
#define TUPLE_RECORD_MAX 64u

/* A session's two connections: client -> vip, and from the VIP's address and source_port -> server. */
struct lb_tuple {
	struct lb_endpoint client, vip; /* of one family */
	struct lb_endpoint server;	/* family 0: it is not connected from the VIP's address; else of its family */
	uint16_t source_port;		/* 0 without a server */
};

enum tuple_change_kind { TUPLE_OPENED, TUPLE_CLOSED };

/* A slot names a connection while it is open: opened once more, it is another one. */
struct tuple_change {
	enum tuple_change_kind kind;
	uint32_t slot; /* < TUPLE_SLOTS */
	struct lb_tuple tuple;
};

/* ---- writing ---- */

struct tuple_writer {
	uint8_t *out;
	size_t len, size;
	bool has_place;
	struct lb_endpoint vip, server; /* of the last connection told */
	struct lb_addr client;
};

/* Begin a batch of at most size bytes (at least 2). anew: what the peer knew before is void. */
void tuple_writer_init(struct tuple_writer *w, uint8_t *out, size_t size, bool anew);
/* False, with nothing written, where a value is out of range or TUPLE_RECORD_MAX bytes are no longer free. */
bool tuple_writer_add(struct tuple_writer *w, const struct tuple_change *change);

/* ---- reading ---- */

enum tuple_drop {
	TUPLE_OK,
	TUPLE_TRUNCATED,
	TUPLE_UNKNOWN, /* another format or record */
	TUPLE_VALUE,   /* a field out of range, or not in its shortest form */
	TUPLE_DROP_COUNT_,
};
const char *tuple_drop_name(enum tuple_drop drop);

struct tuple_reader {
	const uint8_t *at, *end;
	bool anew;
	bool has_place, place_unused;
	struct lb_endpoint vip, server;
	struct lb_addr client;
	enum tuple_drop drop;
};

/* Judge a whole batch. Only one that is TUPLE_OK may be read. */
enum tuple_drop tuple_batch_check(const uint8_t *batch, size_t len);
/* Begin to read a batch that was checked; r->anew is then known. The bytes stay the caller's. */
void tuple_reader_init(struct tuple_reader *r, const uint8_t *batch, size_t len);
/* The next change; false at the end. */
bool tuple_reader_next(struct tuple_reader *r, struct tuple_change *out);

#endif
