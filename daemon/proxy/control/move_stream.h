/*
 * A stream of frames to or from another node's proxy: TLS 1.3 whose only credential is a key that both derive from the
 * cluster's (a pre-shared key), so that neither certificates nor anybody without that key has a part in it. Control
 * thread only; nothing blocks.
 */
#ifndef CONTROL_MOVE_STREAM_H
#define CONTROL_MOVE_STREAM_H

#include <ev.h>

#include <lb/addr.h>

#include "daemon/ipc/ipc.h"
#include "daemon/sys/tcp_sock.h"

/* A longer frame ends the stream. */
#define MOVE_FRAME_MAX (64u * 1024 * 1024)

enum move_frame {
	MOVE_FRAME_HELLO = 1, /* id of the hand-over (8): the first frame of whoever connects */
	MOVE_FRAME_PREVIEW,   /* local endpoints of what will come (move_endpoint.h), while the owner still serves */
	MOVE_FRAME_PREPARED,  /* the answer: there are sockets for them (1: MOVE_IN_PARTS) */
	MOVE_FRAME_RECORDS,   /* the next bytes of the row of records (session_state.h) */
	MOVE_FRAME_END,	      /* how many records there were (4) */
	MOVE_FRAME_RESULT,    /* the answer: how many could be set up (4) */
	MOVE_FRAME_TUPLES,    /* on a stream of its own: a batch of connections (tuple_record.h) */
	MOVE_FRAME_PART, /* as END, but others follow after the answer, which is the same: how many could be set up (4)
			  */
	MOVE_FRAME_LAST_ = MOVE_FRAME_PART,
};

/* Of MOVE_FRAME_PREPARED: MOVE_FRAME_PART is understood. */
#define MOVE_IN_PARTS 1

struct move_stream;

/* The stream may be freed from inside of each. */
struct move_stream_hooks {
	/* The other end has the key. */
	void (*ready)(void *ctx);
	/* A whole frame; data is valid during the call. */
	void (*frame)(void *ctx, enum move_frame type, const uint8_t *data, size_t len);
	/* Closed by the other end, or broken: why. Called at most once, last. */
	void (*lost)(void *ctx, const char *why);
	void *ctx;
};

/*
 * Keys are copied; the first one is used to connect, each to accept. NULL: OpenSSL cannot. Streams go on with what they
 * were opened with, also when it is freed meanwhile.
 */
struct move_keys;
struct move_keys *move_keys_new(const struct ipc_move_setup *setup);
void move_keys_free(struct move_keys *keys);

/* Connect to a node; from is this node's address. NULL with errno set: it cannot even begin. */
struct move_stream *move_stream_connect(struct ev_loop *loop, struct move_keys *keys, const struct lb_endpoint *to,
					const struct lb_addr *from, const struct move_stream_hooks *hooks);
/* Take over an accepted connection; fd belongs to the stream, also where NULL is returned. */
struct move_stream *move_stream_accept(struct ev_loop *loop, struct move_keys *keys, int fd,
				       const struct move_stream_hooks *hooks);
/* Queue a frame (copied). */
void move_stream_send(struct move_stream *s, enum move_frame type, const uint8_t *data, size_t len);
/* Somebody else goes on with it; also from inside of a hook. */
void move_stream_set_hooks(struct move_stream *s, const struct move_stream_hooks *hooks);
/* Bytes that the other end has not taken yet. */
size_t move_stream_queued(const struct move_stream *s);
/* What finds out that the other end is gone. */
void move_stream_set_options(struct move_stream *s, const struct tcp_sock_options *options);
/* Close. NULL is fine. */
void move_stream_free(struct move_stream *s);

#endif
