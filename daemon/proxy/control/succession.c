#include "daemon/proxy/control/succession.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/succession_state.h"

static void close_link(struct succession *s)
{
	succession_link_free(s->link);
	s->link = NULL;
	free(s->waiting.bytes);
	free(s->waiting.fds);
	s->waiting = (struct succession_parcel){0};
}

void succession_fail(struct succession *s, enum ipc_succession_step step, const char *why)
{
	struct ipc_succeeded outcome = {.step = step, .ok = false};

	close_link(s);
	s->phase = SUCCESSION_FAILED;
	snprintf(outcome.text, sizeof(outcome.text), "%s", why);
	channel_succeeded(s->channel, &outcome);
}

/* ---- what the keeper says ---- */

static void start(struct succession *s)
{
	lb_info("takes over sessions=%u", s->sessions);
	close_link(s);
	s->phase = SUCCESSION_NONE;
	checker_wake(s->params.checker, s->params.roster);
	crew_ask(s->params.crew, &(struct crew_question){.kind = MESSAGE_RESUME});
	s->params.start(s->params.ctx);
}

static void leave(struct succession *s)
{
	close_link(s);
	s->phase = SUCCESSION_LEFT;
	checker_sleep(s->params.checker);
	for (uint32_t i = 0; i < crew_size(s->params.crew); i++)
		crew_post(s->params.crew, i, message_new(MESSAGE_LEAVE));
	s->params.leave(s->params.ctx);
}

static void resume(struct succession *s)
{
	close_link(s);
	s->phase = SUCCESSION_NONE;
	crew_ask(s->params.crew, &(struct crew_question){.kind = MESSAGE_RESUME});
}

/* Which step may come in which phase. */
static bool is_expected(enum succession_phase phase, enum ipc_succession_step step)
{
	switch (step) {
	case IPC_SUCCESSION_GIVE:
		return phase == SUCCESSION_NONE;
	case IPC_SUCCESSION_TAKE:
		return phase == SUCCESSION_EXPECTING;
	case IPC_SUCCESSION_START:
		return phase == SUCCESSION_TAKING;
	case IPC_SUCCESSION_LEAVE:
		return phase == SUCCESSION_GIVEN;
	case IPC_SUCCESSION_RESUME:
		return phase >= SUCCESSION_GREETING && phase <= SUCCESSION_FAILED;
	}
	return false;
}

void succession_step(struct succession *s, enum ipc_succession_step step, int fd)
{
	if (!is_expected(s->phase, step)) {
		lb_error("keeper says step=%d of a succession out of order", (int)step);
		if (fd >= 0)
			close(fd);
		return;
	}
	switch (step) {
	case IPC_SUCCESSION_GIVE:
		succession_out_begin(s, fd);
		break;
	case IPC_SUCCESSION_TAKE:
		succession_in_begin(s, fd);
		break;
	case IPC_SUCCESSION_START:
		start(s);
		break;
	case IPC_SUCCESSION_LEAVE:
		leave(s);
		break;
	case IPC_SUCCESSION_RESUME:
		resume(s);
		break;
	}
}

bool succession_keeper_gone(struct succession *s)
{
	if (s->phase >= SUCCESSION_GIVEN && s->phase != SUCCESSION_FAILED)
		return false;
	if (s->phase != SUCCESSION_NONE)
		resume(s);
	return true;
}

bool succession_under_way(const struct succession *s)
{
	return s->phase != SUCCESSION_NONE;
}

/* ---- life ---- */

struct succession *succession_new(const struct succession_params *params)
{
	struct succession *s = must(calloc(1, sizeof(*s)));

	s->params = *params;
	return s;
}

void succession_set_channel(struct succession *s, struct channel *channel)
{
	s->channel = channel;
}

void succession_expect(struct succession *s)
{
	s->phase = SUCCESSION_EXPECTING;
	checker_sleep(s->params.checker);
	crew_ask(s->params.crew, &(struct crew_question){.kind = MESSAGE_HOLD});
}

void succession_free(struct succession *s)
{
	if (!s)
		return;
	close_link(s);
	free(s);
}
