/* Sessions that leave: connect, freeze, tell, and thaw where nothing came of it. */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/log.h>

#include "daemon/proxy/control/move_state.h"
#include "daemon/proxy/control/must.h"

/* ---- connect ---- */

/* The peer makes the sockets before the VIP stands still. */
static void on_some_preview(void *ctx, struct message *message)
{
	struct move *m = ctx;

	if (message->bytes == NULL)
		return;
	m->preview = must(realloc(m->preview, m->preview_size + message->size + 1));
	memcpy(m->preview + m->preview_size, message->bytes, message->size);
	m->preview_size += message->size;
}

static void on_all_previewed(void *ctx)
{
	struct move *m = ctx;

	if (m->out != NULL)
		move_stream_send(m->out, MOVE_FRAME_PREVIEW, m->preview, m->preview_size);
	free(m->preview);
	m->preview = NULL;
	m->preview_size = 0;
}

static void on_ready(void *ctx)
{
	struct move *m = ctx;
	uint8_t id[8];

	lb_put64(id, m->out_id);
	move_stream_send(m->out, MOVE_FRAME_HELLO, id, sizeof(id));
	crew_ask(m->crew,
		 &(struct crew_question){
		     .kind = MESSAGE_PREVIEW, .on_answer = on_some_preview, .on_done = on_all_previewed, .ctx = m});
}

static void close_out(struct move *m)
{
	move_stream_free(m->out);
	m->out = NULL;
}

static void on_lost(void *ctx, const char *why)
{
	struct move *m = ctx;

	close_out(m);
	/* Whichever step the keeper waits for. */
	move_tell(m, m->out_id, IPC_MOVE_SEND, false, 0, 0, why);
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	struct move *m = ctx;
	uint32_t arrived = len == 4 ? lb_get32(data) : 0;

	if (type == MOVE_FRAME_PREPARED) {
		move_tell(m, m->out_id, IPC_MOVE_CONNECT, true, 0, 0, "");
		return;
	}
	if (type != MOVE_FRAME_RESULT || len != 4 || arrived > m->sent) {
		close_out(m);
		move_tell(m, m->out_id, IPC_MOVE_SEND, false, 0, 0, "the other node answered out of order");
		return;
	}
	close_out(m);
	move_tell(m, m->out_id, IPC_MOVE_SEND, true, arrived, m->sent - arrived, "");
}

void move_out_connect(struct move *m, const struct ipc_move *what)
{
	struct move_stream_hooks hooks = {.ready = on_ready, .frame = on_frame, .lost = on_lost, .ctx = m};

	close_out(m);
	m->out_id = what->id;
	m->sent = 0;
	if (m->keys != NULL)
		m->out = move_stream_connect(m->loop, m->keys, &what->peer, &what->from, &hooks);
	if (m->out == NULL)
		move_tell(m, what->id, IPC_MOVE_CONNECT, false, 0, 0, "the stream to the other node cannot be opened");
}

/* ---- freeze, tell ---- */

static void on_some_records(void *ctx, struct message *message)
{
	struct move *m = ctx;

	m->sent += message->count;
	if (m->out != NULL && message->size > 0)
		move_stream_send(m->out, MOVE_FRAME_RECORDS, message->bytes, message->size);
}

static void on_all_records(void *ctx)
{
	struct move *m = ctx;
	uint8_t count[4];

	lb_put32(count, m->sent);
	if (m->out != NULL)
		move_stream_send(m->out, MOVE_FRAME_END, count, sizeof(count));
}

static void on_under_repair(struct move *m)
{
	crew_ask(m->crew, &(struct crew_question){
			      .kind = MESSAGE_DUMP, .on_answer = on_some_records, .on_done = on_all_records, .ctx = m});
}

struct freezing {
	struct move *move;
	int *fds;
	uint32_t count;
};

static void on_some_frozen(void *ctx, struct message *m)
{
	struct freezing *f = ctx;

	if (m->fds == NULL)
		return;
	f->fds = must(reallocarray(f->fds, (size_t)f->count + m->count + 1, sizeof(int)));
	memcpy(f->fds + f->count, m->fds, m->count * sizeof(int));
	f->count += m->count;
}

static void on_all_frozen(void *ctx)
{
	struct freezing *f = ctx;

	move_turn(f->move, f->fds, f->count, true, on_under_repair);
	free(f);
}

void move_out_send(struct move *m)
{
	struct freezing *f;

	if (m->out == NULL) {
		move_tell(m, m->out_id, IPC_MOVE_SEND, false, 0, 0, "the stream to the other node is closed");
		return;
	}
	f = must(calloc(1, sizeof(*f)));
	f->move = m;
	crew_ask(m->crew, &(struct crew_question){
			      .kind = MESSAGE_FREEZE, .on_answer = on_some_frozen, .on_done = on_all_frozen, .ctx = f});
}

/* ---- thaw ---- */

static void on_thawed(void *ctx)
{
	struct move *m = ctx;

	move_tell(m, m->out_id, IPC_MOVE_THAW, true, 0, 0, "");
}

static void on_repair_left(struct move *m)
{
	crew_ask(m->crew, &(struct crew_question){.kind = MESSAGE_THAW, .on_done = on_thawed, .ctx = m});
}

void move_out_thaw(struct move *m)
{
	close_out(m);
	move_leave_repair(m, on_repair_left);
}
