#include "daemon/keeper/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/keeper/reaper.h"
#include "daemon/keeper/retreat.h"
#include "daemon/sys/caps.h"
#include "daemon/sys/notify.h"

/* Seconds; the former proxy ends within one, and whoever reaps it may be kept waiting for as long. */
#define TRY_EVERY 0.01
#define TRIES	  500

#define DELETED " (deleted)"

/* Where the program was found when it was started, whatever is there now. */
static void find_program(char path[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t cut = sizeof(DELETED) - 1;

	path[n > 0 ? n : 0] = '\0';
	if (n > (ssize_t)cut && strcmp(path + n - cut, DELETED) == 0)
		path[(size_t)n - cut] = '\0';
}

/* ---- before: nothing has happened yet ---- */

/* Another file than the one in force would be read by the next program: that is a reload, and it comes first. */
static bool file_is_in_force(const struct upgrade *u, struct lb_err *err)
{
	const struct reload_parts *parts = &u->parts.reload->parts;
	struct lb_text problems = {0};
	struct conf_file file;
	bool ok = conf_file_load(parts->path, &file, &problems);
	bool same = ok && file.conf->hash == parts->running->conf->hash;

	lb_text_free(&problems);
	if (ok)
		conf_file_release(&file);
	return same || lb_err_set(err, "%.120s %s: put it in order and run lbctl reload first", parts->path,
				  ok ? "is not what is in force" : "cannot be used");
}

static void refuse(struct upgrade *u, const char *why)
{
	u->phase = UPGRADE_IDLE;
	lb_error("upgrade refused: %s", why);
	u->parts.refused(u->parts.ctx, why);
}

static void on_tested(void *ctx, bool ok, const char *text)
{
	struct upgrade *u = ctx;
	const char *why = text;

	if (!ok) {
		refuse(u, why);
		return;
	}
	snprintf(u->version, sizeof(u->version), "%s", text);
	u->phase = UPGRADE_PROXY;
	if (!succession_begin(u->parts.succession, &why))
		refuse(u, why);
}

bool upgrade_begin(struct upgrade *u, const char **why)
{
	struct lb_err err;

	*why = "another upgrade is under way; try again";
	if (upgrade_busy(u) || u->parts.succession->phase != SUCCESSION_IDLE)
		return false;
	*why = "sessions are being handed to or from another node; try again";
	if (!election_settled(u->parts.election))
		return false;
	if (!file_is_in_force(u, &err) || !self_test_begin(&u->test, u->program, u->parts.reload->parts.path, &err))
		refuse(u, err.text);
	else
		u->phase = UPGRADE_TESTING;
	return true;
}

/* ---- the keeper ---- */

static void stay(struct upgrade *u, const char *why)
{
	ev_timer_stop(u->loop, &u->timer);
	u->phase = UPGRADE_IDLE;
	lb_error("the proxy was upgraded, but lbd goes on as it is: %s", why);
	u->parts.stayed(u->parts.ctx, why);
}

/* A signal between the two programs waits for the second one, which begins with what is blocked here. */
static void hold_signals(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

void upgrade_hear_signals(void)
{
	hold_signals(false);
}

/* Returns where it failed. */
static void replace(struct upgrade *u)
{
	struct lb_err err = {0};
	char why[192];

	/* It may have been changed since the trial. */
	if (!file_is_in_force(u, &err)) {
		stay(u, err.text);
		return;
	}
	lb_notice("replacing lbd " LB_VERSION " by %s program=%s", u->version, u->program);
	notify_reloading();
	/* The next program's first one comes when its interval is over. */
	notify_watchdog();
	hold_signals(true);
	if (!caps_pass_on())
		snprintf(why, sizeof(why), "its privileges cannot be passed on: %s", strerror(errno));
	else if (!resume_pass_on(u->parts.resume, true))
		snprintf(why, sizeof(why), "its descriptors cannot be passed on; restart lbd");
	else {
		execv(u->program, u->parts.argv);
		snprintf(why, sizeof(why), "%.120s cannot be run: %s", u->program, strerror(errno));
		resume_keep_back(u->parts.resume);
	}
	caps_keep_back();
	hold_signals(false);
	notify_ready("running; the installed lbd could not be run");
	stay(u, why);
}

/* What is only half done would be lost with this program: its children's ends, a configuration, a hand-over. */
static bool is_settled(const struct upgrade *u)
{
	return u->parts.succession->phase == SUCCESSION_IDLE && reaper_idle() && !reload_active(u->parts.reload) &&
	       !conf_push_busy(u->parts.reload->parts.push) && supervise_ipc(u->parts.succession->supervise) &&
	       election_settled(u->parts.election) && election_just_told(u->parts.election);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct upgrade *u = w->data;

	(void)loop;
	(void)revents;
	if (is_settled(u))
		replace(u);
	else if (++u->tries > TRIES)
		stay(u, "something else was under way for 5 s; run lbctl upgrade again");
}

void upgrade_on_proxy(struct upgrade *u, bool ok)
{
	u->phase = ok ? UPGRADE_REPLACING : UPGRADE_IDLE;
	u->tries = 0;
	if (ok)
		ev_timer_again(u->loop, &u->timer);
}

/* ---- life ---- */

void upgrade_init(struct upgrade *u, struct ev_loop *loop, const struct upgrade_parts *parts)
{
	char why[RETREAT_TEXT];

	*u = (struct upgrade){.loop = loop, .parts = *parts};
	find_program(u->program);
	self_test_init(&u->test, loop, on_tested, u);
	ev_timer_init(&u->timer, on_timer, 0., TRY_EVERY);
	u->timer.data = u;
	if (retreat_arrived(why))
		stay(u, why);
}

bool upgrade_busy(const struct upgrade *u)
{
	return u->phase != UPGRADE_IDLE;
}

void upgrade_close(struct upgrade *u)
{
	if (!u->loop)
		return;
	self_test_close(&u->test);
	ev_timer_stop(u->loop, &u->timer);
	u->phase = UPGRADE_IDLE;
}
