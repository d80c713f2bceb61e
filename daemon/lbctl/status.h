/*
 * The picture of GET /v1/status as one screen, and the verdict on it. Pure: JSON in, text out.
 */
#ifndef LBCTL_STATUS_H
#define LBCTL_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include <lb/text.h>

/* What `lbctl status` exits with. */
enum status_verdict {
	STATUS_ACTIVE = 0,   /* owns the VIP, all is well */
	STATUS_BACKUP = 1,   /* another node does, all is well */
	STATUS_DEGRADED = 2, /* a service without a healthy server, configurations differ, standby, no role yet … */
	STATUS_SPLIT = 3,    /* two owners, a peer that does not hear this node, or no peer heard */
};

/* How the picture is to be judged; a sentence with its newline for everything that is wrong goes to problems. */
enum status_verdict status_judge(const json_t *status, struct lb_text *problems);

/* A node that is not heard because it said that it stops. */
bool status_was_stopped(const json_t *node);

/* The whole screen and its verdict; now in seconds since 1970, for ages. ?detail=brief has all that it needs. */
enum status_verdict status_text(const json_t *status, double now, bool colour, struct lb_text *out);

#endif
