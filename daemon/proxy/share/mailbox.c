/*
 * Senders push on an atomic stack and wake the owner when it was empty; the owner takes the whole stack at once and
 * turns it round. The exchange in take() pairs with the push, so a message's content is visible to the owner.
 */
#include "daemon/proxy/share/mailbox.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
	struct ev_loop *loop; /* NULL: the owner watches wake */
	int wake;
	ev_io io;
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

void mailbox_deliver(struct mailbox *box)
{
	eventfd_t count;
	struct message *m;

	/* Before the stack is taken, so that a message that comes later wakes again. */
	eventfd_read(box->wake, &count);
	m = take(box);
	while (m != NULL) {
		struct message *next = m->next;

		m->next = NULL;
		box->on_message(box->ctx, m);
		m = next;
	}
}

int mailbox_fd(const struct mailbox *box)
{
	return box->wake;
}

static void on_wake(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	mailbox_deliver(io->data);
}

struct mailbox *mailbox_new(struct ev_loop *loop, mailbox_on_message *on_message, void *ctx)
{
	struct mailbox *box = calloc(1, sizeof(*box));

	if (box == NULL)
		return NULL;
	box->loop = loop;
	box->on_message = on_message;
	box->ctx = ctx;
	box->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->wake < 0) {
		free(box);
		return NULL;
	}
	ev_io_init(&box->io, on_wake, box->wake, EV_READ);
	box->io.data = box;
	if (loop != NULL)
		ev_io_start(loop, &box->io);
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
		eventfd_write(box->wake, 1);
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
	if (box->loop != NULL)
		ev_io_stop(box->loop, &box->io);
	close(box->wake);
	free(box);
}
