/*
 * Senders push on an atomic stack and wake the owner when it was empty; the owner takes the whole stack at once and
 * turns it round. The exchange in take() pairs with the push, so a message's content is visible to the owner.
 */
#include "daemon/proxy/share/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
	struct ev_loop *loop;
	ev_async wake;
	mailbox_on_message *on_message;
	void *ctx;
	_Atomic(struct message *) newest;
};

/* Everything posted so far, oldest first. */
static struct message *take(struct mailbox *box)
{
	struct message *newest = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
	struct message *oldest = NULL;

	while (newest != NULL) {
		struct message *m = newest;

		newest = m->next;
		m->next = oldest;
		oldest = m;
	}
	return oldest;
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct mailbox *box = w->data;
	struct message *m = take(box);

	(void)loop;
	(void)revents;
	while (m != NULL) {
		struct message *next = m->next;

		m->next = NULL;
		box->on_message(box->ctx, m);
		m = next;
	}
}

struct mailbox *mailbox_new(struct ev_loop *loop, mailbox_on_message *on_message, void *ctx)
{
	struct mailbox *box = calloc(1, sizeof(*box));

	if (box == NULL)
		return NULL;
	box->loop = loop;
	box->on_message = on_message;
	box->ctx = ctx;
	ev_async_init(&box->wake, on_wake);
	box->wake.data = box;
	ev_async_start(loop, &box->wake);
	return box;
}

void mailbox_post(struct mailbox *box, struct message *m)
{
	struct message *head = atomic_load_explicit(&box->newest, memory_order_relaxed);

	do
		m->next = head;
	while (
	    !atomic_compare_exchange_weak_explicit(&box->newest, &head, m, memory_order_release, memory_order_relaxed));
	/* Who pushed on the empty stack wakes; later senders rely on that. */
	if (head == NULL)
		ev_async_send(box->loop, &box->wake);
}

void mailbox_free(struct mailbox *box)
{
	struct message *m;

	if (box == NULL)
		return;
	m = take(box);
	while (m != NULL) {
		struct message *next = m->next;

		free(m->sessions);
		message_free(m);
		m = next;
	}
	ev_async_stop(box->loop, &box->wake);
	free(box);
}
