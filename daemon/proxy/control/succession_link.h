/*
 * One end of the pair over which a proxy succeeds another: frames (lb/succession.h), bytes in a memfd, descriptors.
 * Control thread only; nothing blocks.
 */
#ifndef CONTROL_SUCCESSION_LINK_H
#define CONTROL_SUCCESSION_LINK_H

#include <ev.h>

#include <lb/succession.h>

/* SCM_MAX_FD of the kernel, less one for the memfd. */
#define SUCCESSION_LINK_FDS 252

struct succession_link;

/* What came with a frame; bytes and fds are the callee's (free, close). */
struct succession_parcel {
	struct succession_frame frame;
	uint8_t *bytes; /* frame.size of them, NULL: none */
	int *fds;
	uint32_t fd_count;
};

struct succession_link_hooks {
	void (*frame)(void *ctx, const struct succession_parcel *parcel);
	/* The other end is gone, or said what cannot be read. Called at most once; the link may be freed from both. */
	void (*lost)(void *ctx, const char *why);
	void *ctx;
};

/* Takes fd. */
struct succession_link *succession_link_new(struct ev_loop *loop, int fd, const struct succession_link_hooks *hooks);
void succession_link_free(struct succession_link *l);

enum succession_sent {
	SUCCESSION_SENT,
	SUCCESSION_FULL,   /* too much is under way: try again when some of it has arrived */
	SUCCESSION_BROKEN, /* errno says how */
};

/* What is spoken from now on; the heir speaks as it is spoken to. */
void succession_link_speak(struct succession_link *l, uint16_t version);
/* Everything stays the caller's; frame.size bytes and fd_count descriptors are sent along. Versions are filled in. */
enum succession_sent succession_link_send(struct succession_link *l, const struct succession_parcel *parcel);
/* A frame alone, about so many sessions; HELLO tells every version that this program speaks. */
enum succession_sent succession_link_say(struct succession_link *l, enum succession_type type, uint32_t count);

#endif
