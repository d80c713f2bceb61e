/*
 * Would this program go on in the keeper's place? It is executed with this option in a process of its own, judges the
 * configuration that it would run with, and says what it is. Keeper's thread only.
 */
#ifndef KEEPER_SELF_TEST_H
#define KEEPER_SELF_TEST_H

#include <ev.h>
#include <sys/types.h>

#include <lb/err.h>

#define SELF_TEST_OPTION "resume-test"
#define SELF_TEST_TEXT	 256

/* ok: text is the program's version; else a sentence. */
typedef void self_test_done(void *ctx, bool ok, const char *text);

struct self_test {
	struct ev_loop *loop;
	self_test_done *done;
	void *ctx;
	const char *program;
	int process; /* -1: none runs */
	ev_io ended, said;
	ev_timer limit;
	char answer[SELF_TEST_TEXT];
	size_t answered;
};

/* The other side: what the program that is tested prints, 0 where it can use the configuration. */
int self_test_answer(const char *conf_path);

void self_test_init(struct self_test *t, struct ev_loop *loop, self_test_done *done, void *ctx);
/* One at a time; done follows from the loop within 2 s, or false with a sentence. program must live until then. */
bool self_test_begin(struct self_test *t, const char *program, const char *conf_path, struct lb_err *err);
/* Give up without a word. */
void self_test_close(struct self_test *t);

#endif
