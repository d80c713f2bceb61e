/* The heir: say which versions it speaks, take what is told, confirm each batch and the whole. */
#include <stdlib.h>
#include <unistd.h>

#include "daemon/proxy/control/must.h"
#include "daemon/proxy/control/succession_facts.h"
#include "daemon/proxy/control/succession_state.h"

static void fail(struct succession *s, const char *why)
{
	succession_fail(s, IPC_SUCCESSION_TAKE, why);
}

static void say(struct succession *s, enum succession_type type, uint32_t count)
{
	if (succession_link_say(s->link, type, count) != SUCCESSION_SENT)
		fail(s, "the former proxy cannot be answered");
}

static void on_some_taken(void *ctx, struct message *m)
{
	struct succession *s = ctx;

	if (s->phase != SUCCESSION_TAKING)
		return;
	s->sessions += m->count;
	if (m->refusal != NULL)
		fail(s, m->refusal);
	else
		say(s, SUCCESSION_TAKEN, m->count);
}

/* The worker uses up bytes and descriptors. */
static void take_sessions(struct succession *s, const struct succession_parcel *parcel)
{
	crew_ask_one(s->params.crew, parcel->frame.worker % crew_size(s->params.crew),
		     &(struct crew_question){.kind = MESSAGE_TAKE,
					     .count = parcel->frame.count,
					     .bytes = parcel->bytes,
					     .size = parcel->frame.size,
					     .fds = parcel->fds,
					     .fd_count = parcel->fd_count,
					     .session_id = parcel->frame.last_id,
					     .on_answer = on_some_taken,
					     .ctx = s});
}

static void drop(const struct succession_parcel *parcel)
{
	for (uint32_t i = 0; i < parcel->fd_count; i++)
		close(parcel->fds[i]);
	free(parcel->fds);
	free(parcel->bytes);
}

static void take_facts(struct succession *s, const struct succession_parcel *parcel)
{
	if (!succession_facts_take(s->params.roster, parcel->bytes, parcel->frame.size, parcel->frame.count))
		fail(s, "the former proxy told facts that cannot be read");
	else
		/* Before the first connection is accepted the workers know who is up. */
		publisher_request(s->params.publisher);
}

static void on_end(struct succession *s, uint32_t count)
{
	if (count == s->sessions)
		say(s, SUCCESSION_READY, count);
	else
		fail(s, "the former proxy has told another number of sessions than have come");
}

static void on_frame(void *ctx, const struct succession_parcel *parcel)
{
	struct succession *s = ctx;

	succession_link_speak(s->link, parcel->frame.newest);
	if (parcel->frame.type == SUCCESSION_SESSIONS) {
		take_sessions(s, parcel);
		return;
	}
	if (parcel->frame.type == SUCCESSION_FACTS)
		take_facts(s, parcel);
	else if (parcel->frame.type == SUCCESSION_END)
		on_end(s, parcel->frame.count);
	else
		fail(s, "the former proxy said something out of order");
	drop(parcel);
}

static void on_lost(void *ctx, const char *why)
{
	/* Whether that matters is the keeper's to know: it hears it from the other end as well. */
	(void)ctx;
	(void)why;
}

void succession_in_begin(struct succession *s, int fd)
{
	struct succession_link_hooks hooks = {.frame = on_frame, .lost = on_lost, .ctx = s};

	s->link = succession_link_new(s->params.loop, fd, &hooks);
	s->phase = SUCCESSION_TAKING;
	s->sessions = 0;
	say(s, SUCCESSION_HELLO, 0);
}
