/*
 * One proxy takes over from another on the same node: an upgrade. The keeper says each step (ipc_succession_step); the
 * two talk over a pair of their own (lb/succession.h). Until the keeper tells the heir to start the former one can go
 * on as if nothing had been. Control thread only.
 *
 *   former:  GIVE  HELLO <- ; hold; facts, sessions -> ; READY <- ; SUCCEEDED         LEAVE, or RESUME
 *   heir:    TAKE  HELLO -> ; facts, sessions <- parked ; READY ->                    START
 */
#ifndef CONTROL_SUCCESSION_H
#define CONTROL_SUCCESSION_H

#include "daemon/proxy/control/channel.h"
#include "daemon/proxy/control/checker.h"
#include "daemon/proxy/control/crew.h"
#include "daemon/proxy/control/publish.h"

struct succession;

/* Everything is borrowed. */
struct succession_params {
	struct ev_loop *loop;
	struct crew *crew;
	struct roster *roster;
	struct checker *checker;
	struct publisher *publisher;
	/* Everything is here now: serve. */
	void (*start)(void *ctx);
	/* Everything is elsewhere: exit soon. */
	void (*leave)(void *ctx);
	void *ctx;
};

struct succession *succession_new(const struct succession_params *params);
/* Before anything else, once the channel is there. */
void succession_set_channel(struct succession *s, struct channel *channel);
/* This proxy begins as an heir: the workers accept nothing, no check begins. Before the first configuration. */
void succession_expect(struct succession *s);
/* What the keeper says; fd (-1: none) is taken. */
void succession_step(struct succession *s, enum ipc_succession_step step, int fd);
/*
 * The keeper's channel has ended. True: this is the proxy, and goes on if there is a reason to. False: it is not, or
 * cannot know whether the heir has begun; it ends, with every socket as it is.
 */
bool succession_keeper_gone(struct succession *s);
/* An heir that has not been told to start, or a proxy that gives: nothing may be changed just now. */
bool succession_under_way(const struct succession *s);
void succession_free(struct succession *s);

#endif
