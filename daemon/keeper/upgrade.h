/*
 * An upgrade of both programs: the installed lbd is tried, the proxy is replaced (succession.h), and then this process
 * executes the installed lbd in its own place. That one goes on as after a crash, but with everything at hand: the same
 * process for who started it, the same descriptors, the record of the election, the running proxy. Until the last step
 * an error changes nothing. One that the next program finds before it has taken up the election leads back to this one
 * (retreat.h); after one that it does not survive the service manager, where there is one, does what it does after a
 * crash. Keeper's thread only.
 */
#ifndef KEEPER_UPGRADE_H
#define KEEPER_UPGRADE_H

#include <ev.h>
#include <limits.h>

#include <lb/err.h>

#include "daemon/keeper/conf_file.h"
#include "daemon/keeper/election.h"
#include "daemon/keeper/reload.h"
#include "daemon/keeper/resume.h"
#include "daemon/keeper/self_test.h"
#include "daemon/keeper/succession.h"

/* What it needs of the keeper; all borrowed. */
struct upgrade_parts {
	char **argv; /* of this program, and so of the next one */
	struct resume *resume;
	struct election *election;
	struct reload *reload;
	struct succession *succession;
	/* Nothing of the proxy has changed: answer with this. */
	void (*refused)(void *ctx, const char *why);
	/* The proxy was upgraded, but the keeper goes on as it is. Also from upgrade_init. */
	void (*stayed)(void *ctx, const char *why);
	void *ctx;
};

struct upgrade {
	struct ev_loop *loop;
	struct upgrade_parts parts;
	char program[PATH_MAX];
	enum { UPGRADE_IDLE, UPGRADE_TESTING, UPGRADE_PROXY, UPGRADE_REPLACING } phase;
	struct self_test test;
	ev_timer timer;
	unsigned tries;
	char version[SELF_TEST_TEXT]; /* of the installed program */
};

void upgrade_init(struct upgrade *u, struct ev_loop *loop, const struct upgrade_parts *parts);
/* False with why: something is under way. Else refused, maybe at once, or succession's done follows. */
bool upgrade_begin(struct upgrade *u, const char **why);
/* From succession's done; ok: the keeper follows, when the former proxy has ended. */
void upgrade_on_proxy(struct upgrade *u, bool ok);
/* In the next program, when it can: a signal that came since the former one left comes now, and each later one at once.
 */
void upgrade_hear_signals(void);
bool upgrade_busy(const struct upgrade *u);
/* The daemon stops. */
void upgrade_close(struct upgrade *u);

#endif
