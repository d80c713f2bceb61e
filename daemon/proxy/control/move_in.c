/* Sessions that arrive: records, sockets for them, adoption; then they go on here, or are forgotten. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/bytes.h>
#include <lb/log.h>

#include "daemon/proxy/control/move_state.h"
#include "daemon/proxy/control/must.h"
#include "daemon/proxy/share/move_endpoint.h"

static void close_in(struct move *m)
{
	move_stream_free(m->in);
	m->in = NULL;
}

static void forget_arrivals(struct move *m)
{
	struct move_arrivals *a = &m->arrivals;

	/* The workers read it until they have answered. */
	a->forgotten = true;
	if (a->adopting)
		return;
	free(a->records);
	free(a->list);
	free(a->lacking);
	*a = (struct move_arrivals){0};
}

/* ---- adoption ---- */

static void on_some_adopted(void *ctx, struct message *answer)
{
	struct move *m = ctx;

	m->arrivals.adopted += answer->count;
}

static void on_all_adopted(void *ctx)
{
	struct move *m = ctx;
	uint8_t count[4];

	m->arrivals.adopting = false;
	if (m->arrivals.forgotten) {
		forget_arrivals(m);
		return;
	}
	lb_put32(count, m->arrivals.adopted);
	lb_info("sessions arrived=%u of=%u", m->arrivals.adopted, m->arrivals.count);
	if (m->in != NULL)
		move_stream_send(m->in, m->arrivals.part == MOVE_IDLE ? MOVE_FRAME_PART : MOVE_FRAME_RESULT, count,
				 sizeof(count));
	forget_arrivals(m);
}

static bool needs_socket(const struct session_state *state, int side)
{
	return !state->over[side] && (side == FLOW_CLIENT || state->server[0] != '\0');
}

/* A session whose sockets could not both be made is left out: they are closed in silence. */
static void keep_complete(struct move_arrivals *a)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		struct session_arrival *arrival = &a->list[i];
		bool complete = true;

		for (int side = 0; side < 2; side++)
			complete = complete && (arrival->fd[side] >= 0 || !needs_socket(&arrival->state, side));
		if (complete) {
			a->list[kept++] = *arrival;
			continue;
		}
		for (int side = 0; side < 2; side++)
			if (arrival->fd[side] >= 0)
				close(arrival->fd[side]);
	}
	a->count = kept;
}

static void adopt_all(struct move *m)
{
	keep_complete(&m->arrivals);
	m->arrivals.adopting = true;
	crew_share(m->crew, m->arrivals.list, m->arrivals.count,
		   &(struct crew_question){.kind = MESSAGE_ADOPT,
					   .part = m->arrivals.part,
					   .on_answer = on_some_adopted,
					   .on_done = on_all_adopted,
					   .ctx = m});
}

/* ---- sockets ---- */

/* Calls each for every socket that is needed and not there yet. */
static void give_sockets(struct move *m, void (*lacks)(struct move *m, const struct lb_endpoint *local))
{
	struct move_arrivals *a = &m->arrivals;

	for (uint32_t i = 0; i < a->count; i++) {
		struct session_arrival *arrival = &a->list[i];

		for (int side = 0; side < 2; side++) {
			const struct lb_endpoint *local = &arrival->state.side[side].local;

			if (arrival->fd[side] < 0 && needs_socket(&arrival->state, side))
				arrival->fd[side] = move_sockets_take(m, local);
			if (arrival->fd[side] < 0 && needs_socket(&arrival->state, side))
				lacks(m, local);
		}
	}
}

static void leave_out(struct move *m, const struct lb_endpoint *local)
{
	char text[LB_ENDPOINT_TEXT];

	(void)m;
	lb_debug("no socket for %s", lb_endpoint_text(local, text));
}

static void on_rest_made(struct move *m)
{
	give_sockets(m, leave_out);
	move_sockets_close(m);
	adopt_all(m);
}

static void note_lacking(struct move *m, const struct lb_endpoint *local)
{
	m->arrivals.lacking[m->arrivals.lacking_count++] = *local;
}

/* Most were made ahead; what is lacking are those of sessions that have begun since. */
static void make_rest(struct move *m)
{
	struct move_arrivals *a = &m->arrivals;

	a->lacking = must(calloc(2 * (size_t)a->count + 1, sizeof(*a->lacking)));
	give_sockets(m, note_lacking);
	move_sockets_close(m);
	for (uint32_t i = 0; i < a->lacking_count; i++)
		move_sockets_add(m, &a->lacking[i]);
	move_sockets_make(m, on_rest_made);
}

static void on_made_ahead(struct move *m)
{
	const uint8_t can = MOVE_IN_PARTS;

	if (m->in != NULL)
		move_stream_send(m->in, MOVE_FRAME_PREPARED, &can, sizeof(can));
}

/* Endpoints as move_endpoint_put wrote them. */
static bool make_ahead(struct move *m, const uint8_t *data, size_t len)
{
	struct lb_endpoint local;
	size_t at = 0, n;

	while (at < len) {
		n = move_endpoint_get(data + at, len - at, &local);
		if (n == 0)
			return false;
		move_sockets_add(m, &local);
		at += n;
	}
	return true;
}
/* ---- records ---- */

static void refuse(struct move *m, const char *why)
{
	lb_warning("sessions of another node refused: %s", why);
	close_in(m);
	forget_arrivals(m);
	move_sockets_close(m);
}

static void keep_records(struct move *m, const uint8_t *data, size_t len)
{
	struct move_arrivals *a = &m->arrivals;

	if (a->size + len > 16 * (size_t)MOVE_FRAME_MAX) {
		refuse(m, "they are too many");
		return;
	}
	a->records = must(realloc(a->records, a->size + len));
	if (len > 0)
		memcpy(a->records + a->size, data, len);
	a->size += len;
}

/* Every number of every record is checked before the first socket is made. */
static bool decode_all(struct move_arrivals *a, uint32_t told, const char **why)
{
	size_t at = 0;

	/* No record is shorter than its head, so this many can be believed. */
	*why = "their number is wrong";
	if (told > a->size / SESSION_STATE_HEAD)
		return false;
	a->list = must(calloc((size_t)told + 1, sizeof(*a->list)));
	for (; a->count < told; a->count++) {
		struct session_arrival *arrival = &a->list[a->count];
		size_t len = a->size - at >= SESSION_STATE_HEAD ? session_state_length(a->records + at) : 0;
		enum session_state_drop drop = SESSION_STATE_TRUNCATED;

		if (len > 0 && len <= a->size - at)
			drop = session_state_decode(a->records + at, len, &arrival->state);
		*why = session_state_drop_name(drop);
		if (drop != SESSION_STATE_OK)
			return false;
		arrival->fd[0] = arrival->fd[1] = -1;
		at += len;
	}
	*why = "their number is wrong";
	return at == a->size;
}

static void on_end(struct move *m, uint32_t told, enum move_part part)
{
	const char *why;

	m->arrivals.part = part;
	if (decode_all(&m->arrivals, told, &why))
		make_rest(m);
	else
		refuse(m, why);
}

static void on_preview(struct move *m, const uint8_t *data, size_t len)
{
	move_sockets_close(m);
	if (make_ahead(m, data, len))
		move_sockets_make(m, on_made_ahead);
	else
		refuse(m, "what they announce is no list of endpoints");
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	struct move *m = ctx;

	if (type == MOVE_FRAME_PREVIEW && m->arrivals.list == NULL)
		on_preview(m, data, len);
	else if (type == MOVE_FRAME_RECORDS && m->arrivals.list == NULL)
		keep_records(m, data, len);
	else if (type == MOVE_FRAME_END && len == 4 && m->arrivals.list == NULL)
		on_end(m, lb_get32(data), MOVE_ALL);
	else if (type == MOVE_FRAME_PART && len == 4 && m->arrivals.list == NULL)
		on_end(m, lb_get32(data), MOVE_IDLE);
	else
		refuse(m, "a frame that nobody expects");
}

static void on_lost(void *ctx, const char *why)
{
	struct move *m = ctx;

	/* The owner closes it when it has the answer; what was adopted waits for the keeper's word. */
	lb_debug("stream of sessions ended: %s", why);
	close_in(m);
}

void move_greeted(struct move *m, struct move_stream *stream, const uint8_t *hello, size_t len)
{
	struct move_stream_hooks hooks = {.frame = on_frame, .lost = on_lost, .ctx = m};

	/* One at a time, and only the one that the keeper expects. */
	if (m->in != NULL || m->in_id == 0 || len != 8 || lb_get64(hello) != m->in_id) {
		move_stream_free(stream);
		return;
	}
	m->in = stream;
	move_stream_set_hooks(stream, &hooks);
}

/* ---- the keeper's word ---- */

void move_in_expect(struct move *m, uint64_t id)
{
	move_in_drop(m);
	m->in_id = id;
	move_tell(m, id, IPC_MOVE_EXPECT, true, 0, 0, "");
}

static void on_revived(void *ctx)
{
	struct move *m = ctx;

	m->resting = false;
	move_tell(m, m->revived_id, IPC_MOVE_REVIVE, true, m->revived_count, 0, "");
}

static void on_some_revived(void *ctx, struct message *answer)
{
	((struct move *)ctx)->revived_count += answer->count;
}

static void revive(struct move *m, enum move_part part, crew_on_done *done)
{
	crew_ask(m->crew,
		 &(struct crew_question){
		     .kind = MESSAGE_REVIVE, .part = part, .on_answer = on_some_revived, .on_done = done, .ctx = m});
}

static void on_repair_left(struct move *m)
{
	revive(m, MOVE_IDLE, on_revived);
}

/* Nobody waits for those on which nothing moved. */
static void on_busy_revived(void *ctx)
{
	move_turn_all(ctx, MESSAGE_LIST_RESTING, MOVE_IDLE, false, on_repair_left);
}

static void on_repair_left_by_busy(struct move *m)
{
	revive(m, MOVE_BUSY, on_busy_revived);
}

void move_in_revive(struct move *m)
{
	close_in(m);
	m->revived_id = m->in_id;
	m->revived_count = 0;
	m->in_id = 0;
	m->resting = true;
	move_turn_all(m, MESSAGE_LIST_RESTING, MOVE_BUSY, false, on_repair_left_by_busy);
}

void move_in_drop(struct move *m)
{
	close_in(m);
	forget_arrivals(m);
	move_sockets_close(m);
	if (m->in_id != 0)
		crew_ask(m->crew, &(struct crew_question){
				      .kind = MESSAGE_END_SESSIONS, .scope = END_PARKED, .reason = FLOW_END_MOVED});
	m->in_id = 0;
}

/* ---- nobody released them ---- */

static void on_some_reset(void *ctx, struct message *answer)
{
	((struct move *)ctx)->reset_count += answer->count;
}

static void on_all_reset(void *ctx)
{
	struct move *m = ctx;

	move_tell(m, m->revived_id, IPC_MOVE_RESET, true, 0, m->reset_count, "");
}

static void on_repair_left_to_reset(struct move *m)
{
	m->reset_count = 0;
	crew_ask(m->crew, &(struct crew_question){.kind = MESSAGE_END_SESSIONS,
						  .scope = END_PARKED,
						  .reason = FLOW_END_HANDOVER,
						  .on_answer = on_some_reset,
						  .on_done = on_all_reset,
						  .ctx = m});
}

void move_in_reset(struct move *m)
{
	close_in(m);
	forget_arrivals(m);
	move_sockets_close(m);
	m->revived_id = m->in_id;
	m->in_id = 0;
	/* Under repair a socket would end in silence. */
	move_turn_all(m, MESSAGE_LIST_RESTING, MOVE_ALL, false, on_repair_left_to_reset);
}
