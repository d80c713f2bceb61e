/* The proxy that is succeeded: greet, hold, tell some sessions at a time, and wait for the heir's word. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/succession_facts.h"
#include "daemon/proxy/control/succession_state.h"

static void fail(struct succession *s, const char *why)
{
	succession_fail(s, IPC_SUCCESSION_GIVE, why);
}

static void fail_errno(struct succession *s, const char *what)
{
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(errno));
	fail(s, text);
}

/* ---- sessions ---- */

static void ask_next(struct succession *s);

/* The heir has confirmed every batch, and no worker has more. */
static void end_if_told(struct succession *s)
{
	if (s->worker < crew_size(s->params.crew) || s->open > 0 || s->waiting.fd_count > 0)
		return;
	s->phase = SUCCESSION_ENDING;
	if (succession_link_say(s->link, SUCCESSION_END, s->sessions) != SUCCESSION_SENT)
		fail_errno(s, "the new proxy cannot be told the end");
}

/* False: it waits for room, or the succession has failed. */
static bool send_batch(struct succession *s, const struct succession_parcel *batch)
{
	switch (succession_link_send(s->link, batch)) {
	case SUCCESSION_SENT:
		s->open++;
		s->sessions += batch->frame.count;
		return true;
	case SUCCESSION_FULL:
		if (s->open > 0)
			return false;
		/* Nothing is under way that could make room. */
		/* fallthrough */
	case SUCCESSION_BROKEN:
		fail_errno(s, "sessions cannot be sent to the new proxy");
		return false;
	}
	return false;
}

static void on_told(void *ctx, struct message *m)
{
	struct succession *s = ctx;
	struct succession_parcel batch = {
	    .frame = {.type = SUCCESSION_SESSIONS,
		      .worker = m->worker,
		      .count = m->count,
		      .size = (uint32_t)m->size,
		      .last_id = m->session_id},
	    .bytes = m->bytes,
	    .fds = m->fds,
	    .fd_count = m->fd_count,
	};

	s->asking = false;
	if (s->phase != SUCCESSION_TELLING)
		return;
	if (m->refusal != NULL) {
		fail(s, m->refusal);
		return;
	}
	if (m->count == 0) {
		s->worker++;
	} else if (!send_batch(s, &batch)) {
		if (s->phase != SUCCESSION_TELLING)
			return;
		/* Sent when another one has arrived. */
		s->waiting = batch;
		m->bytes = NULL;
		m->fds = NULL;
	}
	ask_next(s);
}

static void ask_next(struct succession *s)
{
	if (s->worker == crew_size(s->params.crew)) {
		end_if_told(s);
		return;
	}
	if (s->asking || s->open >= SUCCESSION_WINDOW || s->waiting.fd_count > 0)
		return;
	s->asking = true;
	crew_ask_one(s->params.crew, s->worker,
		     &(struct crew_question){.kind = MESSAGE_TELL, .on_answer = on_told, .ctx = s});
}

static void on_taken(struct succession *s)
{
	if (s->open > 0)
		s->open--;
	if (s->waiting.fd_count > 0) {
		if (!send_batch(s, &s->waiting))
			return;
		free(s->waiting.bytes);
		free(s->waiting.fds);
		s->waiting = (struct succession_parcel){0};
	}
	ask_next(s);
}

/* ---- hold ---- */

static void on_held(void *ctx, struct message *m)
{
	((struct succession *)ctx)->resting += m->count;
}

static bool send_facts(struct succession *s)
{
	struct succession_parcel parcel = {.frame = {.type = SUCCESSION_FACTS}};
	size_t size;
	bool sent;

	parcel.bytes = succession_facts_tell(s->params.roster, &parcel.frame.count, &size);
	parcel.frame.size = (uint32_t)size;
	sent = succession_link_send(s->link, &parcel) == SUCCESSION_SENT;
	free(parcel.bytes);
	return sent;
}

static void on_all_held(void *ctx)
{
	struct succession *s = ctx;

	if (s->phase != SUCCESSION_HOLDING)
		return;
	if (s->resting > 0) {
		fail(s, "sessions are being handed to or from another node; try again");
		return;
	}
	if (!send_facts(s)) {
		fail_errno(s, "the new proxy cannot be told what is known");
		return;
	}
	s->phase = SUCCESSION_TELLING;
	s->worker = 0;
	ask_next(s);
}

/* ---- what the heir says ---- */

static void greet(struct succession *s, const struct succession_frame *hello)
{
	uint16_t version = succession_common(hello);
	char text[160];

	if (version == 0 || hello->format < SESSION_STATE_FORMAT) {
		snprintf(text, sizeof(text),
			 "the new proxy takes sessions in version %u to %u, format %u; the running one gives them in "
			 "version %d to %d, format %d",
			 hello->oldest, hello->newest, hello->format, SUCCESSION_OLDEST, SUCCESSION_VERSION,
			 SESSION_STATE_FORMAT);
		fail(s, text);
		return;
	}
	succession_link_speak(s->link, version);
	s->phase = SUCCESSION_HOLDING;
	s->resting = 0;
	crew_ask(s->params.crew,
		 &(struct crew_question){.kind = MESSAGE_HOLD, .on_answer = on_held, .on_done = on_all_held, .ctx = s});
}

static void on_ready(struct succession *s, uint32_t count)
{
	struct ipc_succeeded outcome = {.step = IPC_SUCCESSION_GIVE, .ok = true, .count = count};

	if (count != s->sessions) {
		fail(s, "the new proxy has not taken every session");
		return;
	}
	s->phase = SUCCESSION_GIVEN;
	channel_succeeded(s->channel, &outcome);
}

static void on_frame(void *ctx, const struct succession_parcel *parcel)
{
	struct succession *s = ctx;
	const struct succession_frame *frame = &parcel->frame;

	/* The heir has none to give. */
	for (uint32_t i = 0; i < parcel->fd_count; i++)
		close(parcel->fds[i]);
	free(parcel->fds);
	free(parcel->bytes);
	if (s->phase == SUCCESSION_GREETING && frame->type == SUCCESSION_HELLO)
		greet(s, frame);
	else if (s->phase == SUCCESSION_TELLING && frame->type == SUCCESSION_TAKEN)
		on_taken(s);
	else if (s->phase == SUCCESSION_ENDING && frame->type == SUCCESSION_READY)
		on_ready(s, frame->count);
	else
		fail(s, "the new proxy said something out of order");
}

static void on_lost(void *ctx, const char *why)
{
	struct succession *s = ctx;
	char text[160];

	/* The heir has confirmed everything and needs the pair no longer. */
	if (s->phase == SUCCESSION_GIVEN)
		return;
	snprintf(text, sizeof(text), "the new proxy did not take over: %s", why);
	fail(s, text);
}

void succession_out_begin(struct succession *s, int fd)
{
	struct succession_link_hooks hooks = {.frame = on_frame, .lost = on_lost, .ctx = s};

	s->link = succession_link_new(s->params.loop, fd, &hooks);
	s->phase = SUCCESSION_GREETING;
	s->sessions = s->open = 0;
	s->asking = false;
}
