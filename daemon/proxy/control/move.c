#include "daemon/proxy/control/move.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/proxy/control/move_state.h"
#include "daemon/proxy/control/must.h"

/* ---- repair ---- */

static void turn_done(struct move *m)
{
	move_on_turned *done = m->turn.done;

	free(m->turn.fds);
	m->turn = (struct move_turn){0};
	done(m);
}

/* Keep the window full. */
static void turn_more(struct move *m)
{
	struct move_turn *t = &m->turn;

	while (t->asked < t->count && t->asked - t->answered < MOVE_WINDOW * IPC_FDS_MAX) {
		uint32_t left = t->count - t->asked, some = left < IPC_FDS_MAX ? left : IPC_FDS_MAX;

		channel_repair(m->channel, &(struct ipc_repair){.on = t->on, .deaf = t->deaf, .count = some},
			       t->fds + t->asked);
		t->asked += some;
	}
}

static void turn(struct move *m, const struct move_turn *what)
{
	free(m->turn.fds);
	m->turn = *what;
	turn_more(m);
	if (what->count == 0)
		turn_done(m);
}

void move_repaired(struct move *m, const struct ipc_repair *answer)
{
	if (m->turn.done == NULL || answer->on != m->turn.on)
		return;
	m->turn.answered += answer->count;
	turn_more(m);
	if (m->turn.answered >= m->turn.count)
		turn_done(m);
}

/* The question about descriptors, and what follows when all workers have answered. */
struct listing {
	struct move *move;
	struct move_turn turn;
};

static void on_some_fds(void *ctx, struct message *m)
{
	struct move_turn *t = &((struct listing *)ctx)->turn;

	((struct listing *)ctx)->move->bound += m->stay;
	if (m->fds == NULL)
		return;
	t->fds = must(reallocarray(t->fds, (size_t)t->count + m->count + 1, sizeof(int)));
	memcpy(t->fds + t->count, m->fds, m->count * sizeof(int));
	t->count += m->count;
}

static void on_all_fds(void *ctx)
{
	struct listing *l = ctx;

	turn(l->move, &l->turn);
	free(l);
}

void move_turn_all(struct move *m, enum message_kind kind, enum move_part part, bool on, move_on_turned *done)
{
	struct listing *l = must(calloc(1, sizeof(*l)));

	l->move = m;
	/* What goes ahead of the VIP is deaf until it is thawed. */
	l->turn = (struct move_turn){.on = on, .deaf = part == (on ? MOVE_IDLE : MOVE_ALL), .done = done};
	crew_ask(m->crew, &(struct crew_question){
			      .kind = kind, .part = part, .on_answer = on_some_fds, .on_done = on_all_fds, .ctx = l});
}

/* ---- the keeper ---- */

void move_tell(struct move *m, uint64_t id, enum ipc_move_step step, bool ok, uint32_t count, uint32_t lost,
	       const char *text)
{
	struct ipc_moved moved = {.id = id, .step = step, .ok = ok, .count = count, .lost = lost};

	snprintf(moved.text, sizeof(moved.text), "%s", text);
	channel_moved(m->channel, &moved);
}

void move_step(struct move *m, const struct ipc_move *what)
{
	switch (what->step) {
	case IPC_MOVE_CONNECT:
		move_out_connect(m, what);
		break;
	case IPC_MOVE_SEND:
		if (what->id == m->out_id)
			move_out_send(m);
		break;
	case IPC_MOVE_THAW:
		move_out_thaw(m);
		break;
	case IPC_MOVE_EXPECT:
		move_in_expect(m, what->id);
		break;
	case IPC_MOVE_REVIVE:
		if (what->id == m->in_id)
			move_in_revive(m);
		break;
	case IPC_MOVE_RESET:
		if (what->id == m->in_id)
			move_in_reset(m);
		break;
	case IPC_MOVE_DROP:
		move_in_drop(m);
		break;
	}
}

/* ---- life ---- */

struct move *move_new(struct ev_loop *loop, struct crew *crew)
{
	struct move *m = must(calloc(1, sizeof(*m)));

	m->loop = loop;
	m->crew = crew;
	move_out_init(m);
	return m;
}

void move_set_channel(struct move *m, struct channel *channel)
{
	m->channel = channel;
}

void move_setup(struct move *m, const struct ipc_move_setup *setup)
{
	move_keys_free(m->keys);
	m->keys = setup->key_count > 0 ? move_keys_new(setup) : NULL;
}

bool move_busy(const struct move *m)
{
	return m->resting || m->in_id != 0 || m->out != NULL;
}

void move_ended(struct move *m)
{
	m->resting = false;
}

void move_free(struct move *m)
{
	if (m == NULL)
		return;
	/* There may be no worker any more that could be asked. */
	m->in_id = 0;
	move_in_drop(m);
	move_out_free(m);
	move_keys_free(m->keys);
	free(m->turn.fds);
	free(m->preview);
	free(m);
}
