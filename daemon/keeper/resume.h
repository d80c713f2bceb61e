/*
 * What outlives this process: the listening sockets, the VRRP socket with what arrives in it meanwhile, packet sockets,
 * and the record of <lb/resume.h>, all of which systemd keeps while it starts lbd anew, and this process hands to the
 * program that it executes in its place. Keeper's thread only.
 */
#ifndef KEEPER_RESUME_H
#define KEEPER_RESUME_H

#include <lb/addr.h>
#include <lb/resume.h>

#define RESUME_NAME_MAX 64
#define RESUME_WAY_MAX	32
#define RESUME_VRRP	"vrrp"
#define RESUME_ANNOUNCE "announce"
#define RESUME_ADMIN	"admin"
#define RESUME_METRICS	"metrics"
#define RESUME_LINK	"proxy-link"
#define RESUME_PROCESS	"proxy-process"
#define RESUME_PAGE	"proxy-page"

struct resume;

/* Take over what a former process left. NULL only when memory is short. */
struct resume *resume_new(void);
/* What was kept stays kept. NULL is fine. */
void resume_free(struct resume *r);

/* The record of the former process, or NULL: there was none, or it was not readable. */
const struct resume_record *resume_former(const struct resume *r);
/* Was anything kept, readable or not? Then somebody ran before, and it is worth a word why the VIP is not taken up. */
bool resume_found(const struct resume *r);
/* Which boot of this machine this is, RESUME_BOOT_ID_BYTES. */
const uint8_t *resume_boot_id(const struct resume *r);
/* Keep this in place of the former record; no system call. */
void resume_keep(struct resume *r, const struct resume_record *record);

/* The name for what is kept for one endpoint; there may be several of a name, as a listening socket for each worker. */
const char *resume_name(const char *kind, const struct lb_endpoint *endpoint, char out[RESUME_NAME_MAX]);
/* A descriptor of that name, now the caller's, and still kept; -1 when there is none left. */
int resume_take(struct resume *r, const char *name);
/* Keep a copy. */
bool resume_put(struct resume *r, const char *name, int fd);
/* Keep nothing of that name any longer. */
void resume_drop(struct resume *r, const char *name);
/*
 * Close what is left of that name, which is forgotten as a whole: what was taken must be put again. False when nothing
 * was left, and nothing changed.
 */
bool resume_discard(struct resume *r, const char *name);
/* Discard everything that nobody took. */
void resume_settle(struct resume *r);

/* Is this the same process as the former one, with all that it had given up, and with what it had started? */
bool resume_in_place(const struct resume *r);
/*
 * What is kept stays open for the program that this process executes next, and with way_back this program itself, where
 * that can be had. False: nothing has changed.
 */
bool resume_pass_on(struct resume *r, bool way_back);
/* It could not be executed. */
void resume_keep_back(struct resume *r);
/* A path by which the program before this one can be executed, also where its file was replaced; false: there is none.
 */
bool resume_way_back(const struct resume *r, char path[static RESUME_WAY_MAX]);
/* There is none from here on. */
void resume_stay(struct resume *r);

#endif
