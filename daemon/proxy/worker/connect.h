/*
 * Finding a server that answers: one attempt, the next at once when it is refused, a second one beside it when it is
 * silent. No byte of the client is read before one has answered.
 */
#ifndef WORKER_CONNECT_H
#define WORKER_CONNECT_H

struct session;
struct wheel_entry;
struct worker;

/* Begin; ends in session_connected or session_end, possibly before it returns. */
void connect_start(struct session *s);
/* Close the attempts of a session that ends. Nothing happens when there are none. */
void connect_cancel(struct session *s);
/* A deadline of a connection attempt has come, or nearly: for the wheel of attempts. */
void connect_on_due(void *ctx, struct wheel_entry *e);
/* Free what was kept for later attempts. */
void connect_free_spare(struct worker *w);

#endif
