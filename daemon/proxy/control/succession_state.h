/* What succession.c (steps), succession_out.c (giving) and succession_in.c (taking) share. */
#ifndef CONTROL_SUCCESSION_STATE_H
#define CONTROL_SUCCESSION_STATE_H

#include "daemon/proxy/control/succession.h"
#include "daemon/proxy/control/succession_link.h"

/* Batches under way at a time: their descriptors count against this user until they were received. */
#define SUCCESSION_WINDOW 4

enum succession_phase {
	SUCCESSION_NONE,
	/* former */
	SUCCESSION_GREETING, /* the heir has not said which versions it speaks */
	SUCCESSION_HOLDING,  /* the workers are asked to stand still */
	SUCCESSION_TELLING,
	SUCCESSION_ENDING, /* everything was told; the heir has not confirmed it */
	SUCCESSION_GIVEN,
	SUCCESSION_FAILED, /* the keeper knows, and will say RESUME */
	SUCCESSION_LEFT,
	/* heir */
	SUCCESSION_EXPECTING, /* the keeper has not connected it to the former one */
	SUCCESSION_TAKING,
};

struct succession {
	struct succession_params params;
	struct channel *channel;
	enum succession_phase phase;
	struct succession_link *link;
	uint32_t sessions; /* told, or taken */
	uint32_t resting;  /* sessions that go or come with the VIP */
	/* former */
	uint32_t worker;		  /* is being asked */
	uint32_t open;			  /* batches that the heir has not confirmed */
	bool asking;			  /* the worker is about to answer */
	struct succession_parcel waiting; /* told, but not sent yet; fd_count 0: none */
};

/* Tell the keeper how it went; nothing further is sent or taken. */
void succession_fail(struct succession *s, enum ipc_succession_step step, const char *why);

/* succession_out.c */
void succession_out_begin(struct succession *s, int fd);
/* succession_in.c */
void succession_in_begin(struct succession *s, int fd);

#endif
