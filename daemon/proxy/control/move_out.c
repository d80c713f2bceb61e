/* Sessions that leave: connect, freeze, tell, and thaw where nothing came of it. */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/log.h>

#include "daemon/proxy/control/move_state.h"
#include "daemon/proxy/control/must.h"

/* So much may wait in long queues when the VIP is to stand still, and so long is waited for that. */
#define NARROW_ENOUGH (8 * 1024 * 1024)
#define NARROW_WAIT   1.0
#define NARROW_AGAIN  0.01
/* What the other node takes of all sessions together; bytes of records in a frame. */
#define ALL_MAX (512u * 1024 * 1024)
#define PIECE	(256u * 1024)

static void dump(struct move *m, crew_on_done *done);

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

static void preview(struct move *m)
{
	crew_ask(m->crew,
		 &(struct crew_question){
		     .kind = MESSAGE_PREVIEW, .on_answer = on_some_preview, .on_done = on_all_previewed, .ctx = m});
}

static void on_ready(void *ctx)
{
	struct move *m = ctx;
	uint8_t id[8];

	lb_put64(id, m->out_id);
	move_stream_send(m->out, MOVE_FRAME_HELLO, id, sizeof(id));
	preview(m);
}

static void close_out(struct move *m)
{
	ev_timer_stop(m->loop, &m->narrow_again);
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

/* ---- those on which nothing moves go first ---- */

static void on_early_records(void *ctx)
{
	struct move *m = ctx;
	uint8_t count[4];

	if (m->out == NULL)
		return;
	/* What could not be told is tried again with the others. */
	m->stay = 0;
	m->sent_early = m->sent;
	lb_put32(count, m->sent_early);
	move_stream_send(m->out, MOVE_FRAME_PART, count, sizeof(count));
}

static void on_early_under_repair(struct move *m)
{
	dump(m, on_early_records);
}

static void send_early(struct move *m)
{
	m->resting = m->early = true;
	move_turn_all(m, MESSAGE_FREEZE, MOVE_IDLE, true, on_early_under_repair);
}

/* ---- queues ---- */

/* Long queues are passed on while the owner serves: what is left must be carried while nothing moves. */
static void on_some_narrowed(void *ctx, struct message *message)
{
	((struct move *)ctx)->queued += message->size;
}

static void on_all_narrowed(void *ctx)
{
	struct move *m = ctx;

	/* The answer may belong to a hand-over that was given up. */
	if (m->out == NULL || m->narrow_until == 0.)
		return;
	if (m->queued <= NARROW_ENOUGH || ev_now(m->loop) >= m->narrow_until) {
		m->narrow_until = 0.;
		if (m->in_parts)
			send_early(m);
		else
			move_tell(m, m->out_id, IPC_MOVE_CONNECT, true, 0, 0, "");
		return;
	}
	ev_timer_set(&m->narrow_again, NARROW_AGAIN, 0.);
	ev_timer_start(m->loop, &m->narrow_again);
}

static void narrow(struct move *m)
{
	m->queued = 0;
	crew_ask(m->crew,
		 &(struct crew_question){
		     .kind = MESSAGE_NARROW, .on_answer = on_some_narrowed, .on_done = on_all_narrowed, .ctx = m});
}

static void on_narrow_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	narrow(w->data);
}

static void on_prepared(struct move *m, const uint8_t *data, size_t len)
{
	/* The second time, for those that are left. */
	if (m->early) {
		move_tell(m, m->out_id, IPC_MOVE_CONNECT, true, 0, 0, "");
		return;
	}
	m->in_parts = len > 0 && data[0] >= MOVE_IN_PARTS;
	m->narrow_until = ev_now(m->loop) + NARROW_WAIT;
	narrow(m);
}

static void on_result(struct move *m, uint32_t arrived)
{
	struct ipc_moved moved = {.id = m->out_id,
				  .step = IPC_MOVE_SEND,
				  .ok = true,
				  .count = arrived,
				  .lost = m->stay,
				  .bound = m->bound,
				  .refused = m->sent - arrived};

	close_out(m);
	channel_moved(m->channel, &moved);
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	struct move *m = ctx;
	uint32_t arrived = len == 4 ? lb_get32(data) : 0;

	if (type == MOVE_FRAME_PREPARED) {
		on_prepared(m, data, len);
	} else if (type == MOVE_FRAME_PART && m->early && len == 4 && arrived <= m->sent_early) {
		m->arrived_early = arrived;
		preview(m);
	} else if (type == MOVE_FRAME_RESULT && len == 4 && arrived <= m->sent - m->sent_early) {
		on_result(m, arrived + m->arrived_early);
	} else {
		close_out(m);
		move_tell(m, m->out_id, IPC_MOVE_SEND, false, 0, 0, "the other node answered out of order");
	}
}

void move_out_connect(struct move *m, const struct ipc_move *what)
{
	struct move_stream_hooks hooks = {.ready = on_ready, .frame = on_frame, .lost = on_lost, .ctx = m};

	close_out(m);
	m->out_id = what->id;
	m->sent = m->stay = m->bound = m->sent_early = m->arrived_early = 0;
	m->early = m->in_parts = false;
	m->narrow_until = 0.;
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
	m->stay += message->stay;
	for (size_t at = 0, len; m->out != NULL && at < message->size; at += len) {
		len = message->size - at < PIECE ? message->size - at : PIECE;
		move_stream_send(m->out, MOVE_FRAME_RECORDS, message->bytes + at, len);
	}
}

static void on_all_records(void *ctx)
{
	struct move *m = ctx;
	uint8_t count[4];

	lb_put32(count, m->sent - m->sent_early);
	if (m->stay > 0)
		lb_warning("sessions stay=%u: in no state that could be moved, or too much is in their queues",
			   m->stay);
	if (m->out != NULL)
		move_stream_send(m->out, MOVE_FRAME_END, count, sizeof(count));
}

static void dump(struct move *m, crew_on_done *done)
{
	crew_ask(m->crew, &(struct crew_question){.kind = MESSAGE_DUMP,
						  .size = ALL_MAX / crew_size(m->crew),
						  .on_answer = on_some_records,
						  .on_done = done,
						  .ctx = m});
}

static void on_under_repair(struct move *m)
{
	dump(m, on_all_records);
}

void move_out_send(struct move *m)
{
	if (m->out == NULL) {
		move_tell(m, m->out_id, IPC_MOVE_SEND, false, 0, 0, "the stream to the other node is closed");
		return;
	}
	m->resting = true;
	move_turn_all(m, MESSAGE_FREEZE, MOVE_ALL, true, on_under_repair);
}

/* ---- thaw ---- */

static void on_thawed(void *ctx)
{
	struct move *m = ctx;

	m->resting = false;
	move_tell(m, m->out_id, IPC_MOVE_THAW, true, 0, 0, "");
}

static void on_repair_left(struct move *m)
{
	crew_ask(m->crew, &(struct crew_question){.kind = MESSAGE_THAW, .on_done = on_thawed, .ctx = m});
}

void move_out_thaw(struct move *m)
{
	close_out(m);
	move_turn_all(m, MESSAGE_LIST_RESTING, MOVE_ALL, false, on_repair_left);
}

/* ---- life ---- */

void move_out_init(struct move *m)
{
	ev_init(&m->narrow_again, on_narrow_again);
	m->narrow_again.data = m;
}

void move_out_free(struct move *m)
{
	close_out(m);
}
