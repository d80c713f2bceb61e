/*
 * A queue into one thread's loop: any thread posts, the owner's callback takes. Lock-free (an atomic stack that the
 * owner reverses), woken by an eventfd; order is kept per sender.
 */
#ifndef SHARE_MAILBOX_H
#define SHARE_MAILBOX_H

#include <ev.h>

#include "daemon/proxy/share/message.h"

struct mailbox;

/* The message belongs to the callee. */
typedef void mailbox_on_message(void *ctx, struct message *m);

/*
 * Create in the owner's loop (may be called before the owner's thread runs it). With loop NULL the owner itself watches
 * mailbox_fd and calls mailbox_deliver when it is readable. NULL when memory or descriptors are short.
 */
struct mailbox *mailbox_new(struct ev_loop *loop, mailbox_on_message *on_message, void *ctx);
int mailbox_fd(const struct mailbox *box);
/* Owner only: hand every message that was posted to on_message. */
void mailbox_deliver(struct mailbox *box);
/* Post from any thread; takes the message. */
void mailbox_post(struct mailbox *box, struct message *m);
/* Owner only, not from on_message, after every sender is gone; frees what was not taken. */
void mailbox_free(struct mailbox *box);

#endif
