/*
 * Whether a server's kernel takes connections, asked with as little as it takes: SYN, its answer, RST. No program of
 * the server is woken, and each socket asks again and again, as making and closing one costs as much as the question.
 * Control thread only.
 */
#ifndef CONTROL_KNOCK_H
#define CONTROL_KNOCK_H

#include <ev.h>

#include <lb/addr.h>

struct knock_set;
struct knock;

/* errnum: 0 when the server takes connections, otherwise why not. The knock is over when this is called. */
typedef void knock_on_done(void *ctx, int errnum);

/* NULL with errno set. */
struct knock_set *knock_set_new(struct ev_loop *loop);
/* Every knock is over or cancelled by then. NULL is fine. */
void knock_set_free(struct knock_set *set);

/* Ask; on_done is called at most once and never before this has returned. NULL with errno set when it cannot begin. */
struct knock *knock_start(struct knock_set *set, const struct lb_endpoint *server, knock_on_done *on_done, void *ctx);
/*
 * Take the answers that are there, in the middle of a turn of the loop in which very many ask: the sockets of those who
 * were answered are there for the next ones. Calls on_done.
 */
void knock_set_hear(struct knock_set *set);
/* Silent afterwards. NULL is fine. */
void knock_cancel(struct knock *k);

#endif
