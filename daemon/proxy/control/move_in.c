/* Sessions that arrive: records, sockets for them, adoption; then they go on here, or are forgotten. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/bytes.h>
#include <lb/log.h>

#include "daemon/proxy/control/move_state.h"
#include "daemon/proxy/control/must.h"

static void close_in(struct move *m)
{
	move_stream_free(m->in);
	m->in = NULL;
}

static void forget_arrivals(struct move *m)
{
	struct move_arrivals *a = &m->arrivals;

	free(a->records);
	free(a->list);
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

	lb_put32(count, m->arrivals.adopted);
	lb_info("sessions arrived=%u of=%u", m->arrivals.adopted, m->arrivals.count);
	if (m->in != NULL)
		move_stream_send(m->in, MOVE_FRAME_RESULT, count, sizeof(count));
	forget_arrivals(m);
}

/* A session whose sockets could not both be made is left out: they are closed in silence. */
static void keep_complete(struct move_arrivals *a)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		struct session_arrival *arrival = &a->list[i];
		bool connected = arrival->state.server[0] != '\0';

		if (arrival->fd[FLOW_CLIENT] >= 0 && (!connected || arrival->fd[FLOW_SERVER] >= 0)) {
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
	crew_share(m->crew, m->arrivals.list, m->arrivals.count,
		   &(struct crew_question){
		       .kind = MESSAGE_ADOPT, .on_answer = on_some_adopted, .on_done = on_all_adopted, .ctx = m});
}

/* ---- sockets ---- */

/* The sockets of all arrivals in a row: that many of each, the server's left out where there is none. */
static struct lb_endpoint *wanted(struct move_arrivals *a, uint32_t i)
{
	struct session_arrival *arrival = &a->list[i / 2];

	if (i % 2 == 1 && arrival->state.server[0] == '\0')
		return NULL;
	return &arrival->state.side[i % 2].local;
}

static void ask_for_sockets(struct move *m)
{
	struct move_arrivals *a = &m->arrivals;

	while (a->asked < 2 * a->count && a->open_questions < MOVE_WINDOW) {
		struct ipc_sockets question = {.token = a->asked};

		for (; a->asked < 2 * a->count && question.count < IPC_FDS_MAX; a->asked++) {
			const struct lb_endpoint *local = wanted(a, a->asked);

			if (local != NULL)
				question.local[question.count] = *local;
			question.count++;
		}
		a->open_questions++;
		channel_need_sockets(m->channel, &question);
	}
	if (a->open_questions == 0)
		adopt_all(m);
}

void move_sockets(struct move *m, const struct ipc_sockets *answer, const int *fds)
{
	struct move_arrivals *a = &m->arrivals;
	size_t next = 0;

	for (uint32_t i = 0; i < IPC_FDS_MAX; i++) {
		if ((answer->made >> i & 1) == 0)
			continue;
		/* What was asked for a hand-over that was given up is of no use. */
		if (a->open_questions > 0 && answer->token + i < 2 * a->count)
			a->list[(answer->token + i) / 2].fd[(answer->token + i) % 2] = fds[next++];
		else
			close(fds[next++]);
	}
	if (a->open_questions == 0)
		return;
	a->open_questions--;
	ask_for_sockets(m);
}

/* ---- records ---- */

static void refuse(struct move *m, const char *why)
{
	lb_warning("sessions of another node refused: %s", why);
	close_in(m);
	forget_arrivals(m);
}

static void keep_records(struct move *m, const uint8_t *data, size_t len)
{
	struct move_arrivals *a = &m->arrivals;

	if (a->size + len > 16 * (size_t)MOVE_FRAME_MAX) {
		refuse(m, "they are too many");
		return;
	}
	a->records = must(realloc(a->records, a->size + len));
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

static void on_end(struct move *m, uint32_t told)
{
	const char *why;

	if (decode_all(&m->arrivals, told, &why))
		ask_for_sockets(m);
	else
		refuse(m, why);
}

static void on_frame(void *ctx, enum move_frame type, const uint8_t *data, size_t len)
{
	struct move *m = ctx;

	if (!m->in_greeted && type == MOVE_FRAME_HELLO && len == 8 && m->in_id != 0 && lb_get64(data) == m->in_id)
		m->in_greeted = true;
	else if (m->in_greeted && type == MOVE_FRAME_RECORDS && m->arrivals.list == NULL)
		keep_records(m, data, len);
	else if (m->in_greeted && type == MOVE_FRAME_END && len == 4 && m->arrivals.list == NULL)
		on_end(m, lb_get32(data));
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

static void on_ready(void *ctx)
{
	(void)ctx;
}

void move_in_accept(struct move *m, int fd)
{
	struct move_stream_hooks hooks = {.ready = on_ready, .frame = on_frame, .lost = on_lost, .ctx = m};

	/* One at a time, and only while the keeper expects one. */
	if (m->keys == NULL || m->in != NULL || m->in_id == 0) {
		close(fd);
		return;
	}
	m->in_greeted = false;
	m->in = move_stream_accept(m->loop, m->keys, fd, &hooks);
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

	move_tell(m, m->revived_id, IPC_MOVE_REVIVE, true, 0, 0, "");
}

static void on_repair_left(struct move *m)
{
	crew_ask(m->crew, &(struct crew_question){.kind = MESSAGE_REVIVE, .on_done = on_revived, .ctx = m});
}

void move_in_revive(struct move *m)
{
	close_in(m);
	m->revived_id = m->in_id;
	m->in_id = 0;
	move_leave_repair(m, on_repair_left);
}

void move_in_drop(struct move *m)
{
	close_in(m);
	forget_arrivals(m);
	if (m->in_id != 0)
		crew_ask(m->crew, &(struct crew_question){
				      .kind = MESSAGE_END_SESSIONS, .scope = END_PARKED, .reason = FLOW_END_MOVED});
	m->in_id = 0;
}
