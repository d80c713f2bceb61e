#include "daemon/keeper/self_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lb/resume.h>
#include <lb/text.h>

#include "daemon/keeper/conf_file.h"
#include "daemon/keeper/reaper.h"

/* Seconds. */
#define LIMIT 2.0

/* ---- the program that is tested ---- */

static bool can_read(const char *path, struct lb_text *problems)
{
	if (path[0] == '\0' || access(path, R_OK) == 0)
		return true;
	lb_text_addf(problems, "%s: %s\n", path, strerror(errno));
	return false;
}

int self_test_answer(const char *conf_path)
{
	const struct resume_answer answer = {RESUME_OLDEST, RESUME_VERSION, LB_VERSION};
	char line[SELF_TEST_TEXT];
	struct conf_file file;
	struct lb_text problems = {0};
	bool ok = conf_file_load(conf_path, &file, &problems);

	if (ok) {
		ok = can_read(file.conf->key_file, &problems) && can_read(file.conf->election.password_file, &problems);
		conf_file_release(&file);
	}
	if (!ok)
		fputs(lb_text_str(&problems), stderr);
	lb_text_free(&problems);
	return ok && resume_answer_write(&answer, line, sizeof(line)) && puts(line) >= 0 && fflush(stdout) == 0 ? 0 : 1;
}

/* ---- the program that tests ---- */

static void stop(struct self_test *t)
{
	ev_timer_stop(t->loop, &t->limit);
	ev_io_stop(t->loop, &t->ended);
	ev_io_stop(t->loop, &t->said);
	close(t->said.fd);
	reaper_take(t->process);
	t->process = -1;
}

static void listen_to(struct self_test *t)
{
	ssize_t n;

	while (t->answered + 1 < sizeof(t->answer)) {
		n = read(t->said.fd, t->answer + t->answered, sizeof(t->answer) - 1 - t->answered);
		if (n <= 0)
			break;
		t->answered += (size_t)n;
	}
	t->answer[t->answered] = '\0';
}

/* What is wrong with how it ended; false: nothing. */
static bool failed(const struct self_test *t, char why[SELF_TEST_TEXT])
{
	siginfo_t end = {0};

	if (waitid(P_PIDFD, (id_t)t->process, &end, WEXITED | WNOHANG | WNOWAIT) != 0)
		snprintf(why, SELF_TEST_TEXT, "%.120s cannot be watched: %s", t->program, strerror(errno));
	else if (end.si_code != CLD_EXITED)
		snprintf(why, SELF_TEST_TEXT, "%.120s was killed by signal %d when it was tried", t->program,
			 end.si_status);
	else if (end.si_status == 127)
		snprintf(why, SELF_TEST_TEXT, "%.120s cannot be run", t->program);
	else if (end.si_status != 0)
		snprintf(why, SELF_TEST_TEXT, "%.120s ended with exit code %d when it was tried; see the log",
			 t->program, end.si_status);
	else
		return false;
	return true;
}

static void on_ended(struct ev_loop *loop, ev_io *w, int revents)
{
	struct self_test *t = w->data;
	struct resume_answer answer;
	char why[SELF_TEST_TEXT];
	bool ok = false;

	(void)loop;
	(void)revents;
	listen_to(t);
	if (failed(t, why))
		;
	else if (!resume_answer_read(t->answer, &answer))
		snprintf(why, sizeof(why), "%.120s does not answer as lbd does", t->program);
	else if (!resume_answer_fits(&answer))
		snprintf(why, sizeof(why),
			 "%.120s (%.40s) goes on from state of version %u to %u, and this lbd leaves version %d: "
			 "restart lbd",
			 t->program, answer.version, answer.oldest, answer.newest, RESUME_VERSION);
	else
		ok = true;
	stop(t);
	t->done(t->ctx, ok, ok ? answer.version : why);
}

static void on_said(struct ev_loop *loop, ev_io *w, int revents)
{
	struct self_test *t = w->data;

	(void)revents;
	listen_to(t);
	/* Its end says the rest. */
	ev_io_stop(loop, w);
}

static void on_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct self_test *t = w->data;
	char why[SELF_TEST_TEXT];

	(void)loop;
	(void)revents;
	snprintf(why, sizeof(why), "%.120s did not answer within 2 s when it was tried", t->program);
	pidfd_send_signal(t->process, SIGKILL, NULL, 0);
	stop(t);
	t->done(t->ctx, false, why);
}

/* In the child. Only async-signal-safe calls. */
static _Noreturn void become(const char *program, const char *conf_path, int out)
{
	char *const argv[] = {(char *)(uintptr_t) "lbd", (char *)(uintptr_t) "--" SELF_TEST_OPTION,
			      (char *)(uintptr_t) "--config", (char *)(uintptr_t)conf_path, NULL};
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(out, STDOUT_FILENO) >= 0)
		execv(program, argv);
	_exit(127);
}

void self_test_init(struct self_test *t, struct ev_loop *loop, self_test_done *done, void *ctx)
{
	*t = (struct self_test){.loop = loop, .done = done, .ctx = ctx, .process = -1};
	ev_init(&t->ended, on_ended);
	ev_init(&t->said, on_said);
	ev_timer_init(&t->limit, on_limit, LIMIT, 0.);
	t->ended.data = t->said.data = t->limit.data = t;
}

bool self_test_begin(struct self_test *t, const char *program, const char *conf_path, struct lb_err *err)
{
	int out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0)
		return lb_err_errno(err, errno, "%.120s cannot be tried", program);
	pid = fork();
	if (pid == 0)
		become(program, conf_path, out[1]);
	close(out[1]);
	t->process = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (t->process < 0) {
		lb_err_errno(err, errno, "%.120s cannot be tried", program);
		if (pid > 0)
			kill(pid, SIGKILL);
		close(out[0]);
		return false;
	}
	t->program = program;
	t->answered = 0;
	ev_io_set(&t->ended, t->process, EV_READ);
	ev_io_set(&t->said, out[0], EV_READ);
	ev_timer_set(&t->limit, LIMIT, 0.);
	ev_io_start(t->loop, &t->ended);
	ev_io_start(t->loop, &t->said);
	ev_timer_start(t->loop, &t->limit);
	return true;
}

void self_test_close(struct self_test *t)
{
	if (!t->loop || t->process < 0)
		return;
	pidfd_send_signal(t->process, SIGKILL, NULL, 0);
	stop(t);
}
