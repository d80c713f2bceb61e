/*
 * What a keeper leaves behind so that the next process on this node, after a crash, may go on as the same owner of the
 * VIP: one plain record, kept twice in an area of memory that outlives the process, and the decision whether it counts.
 *
 * A step that gives the VIP up is recorded before it is done, one that takes it after. A record that was torn by the
 * crash fails its checksum, and the one before it is still true.
 */
#ifndef LB_RESUME_H
#define LB_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/time.h>

#define RESUME_BOOT_ID_BYTES 16
#define RESUME_AREA_BYTES    256
/*
 * Of the record, of the names under which descriptors are kept and of what lies in the kernel meanwhile: the one that
 * this program leaves, and the oldest that it goes on from. With what another program left it begins anew.
 */
#ifndef RESUME_VERSION
#define RESUME_VERSION 1
#endif
#ifndef RESUME_OLDEST
#define RESUME_OLDEST 1
#endif

struct resume_record {
	uint8_t boot_id[RESUME_BOOT_ID_BYTES];
	uint64_t identity; /* of the election: it must be the same to go on (a hash made by the caller) */
	bool active;
	bool arp_guarded, guarded; /* the kernel guards the VIPs by tables, also in ARP */
	lb_time advert;		   /* boot time of the last advert as Active that the kernel took; 0 none */
	lb_time since;		   /* monotonic time at which the role was entered */
	int64_t since_wall;	   /* the same for people, wall clock */
	uint64_t sequence;	   /* the highest of a signed advert; 0 none */
};

/* Why the VIP is, or is not, taken up again. */
enum resume_verdict {
	RESUME_ACTIVE,
	RESUME_NOTHING_KEPT, /* the area holds no whole record */
	RESUME_OTHER_BOOT,
	RESUME_OTHER_ELECTION, /* another node, VRID or list of VIPs */
	RESUME_NOT_ACTIVE,
	RESUME_TOO_OLD, /* the lease is over, a peer may have taken */
	RESUME_VERDICT_COUNT_,
};

/* A sentence's end: "nothing usable was kept" … */
const char *resume_verdict_text(enum resume_verdict verdict);

/* Write the record beside the former one; *generation counts the writes and belongs to the area, 0 at first. */
void resume_record_write(uint8_t area[RESUME_AREA_BYTES], uint64_t *generation, const struct resume_record *record);
/*
 * Read the latest whole record; false when there is none: nothing was written, or another version of it, or garbage.
 * *generation is where resume_record_write goes on, also after false.
 */
bool resume_record_read(const uint8_t *area, size_t len, uint64_t *generation, struct resume_record *record);

/* What a program says of itself that is asked whether it would go on in the place of another one. */
struct resume_answer {
	unsigned oldest, newest; /* versions of what it goes on from */
	char version[96];	 /* of the program */
};

/* One line, without its end. False: it does not fit into room. */
bool resume_answer_write(const struct resume_answer *answer, char *out, size_t room);
/* The first line of text, which has an end. False: it is no such answer, and out is as it was. */
bool resume_answer_read(const char *text, struct resume_answer *out);
/* Does it go on from what this program leaves? */
bool resume_answer_fits(const struct resume_answer *answer);

struct resume_facts {
	const uint8_t *boot_id;
	uint64_t identity;
	lb_time now;	   /* boot time */
	lb_duration lease; /* how long an advert may be the last one */
};

/* May the node go on as Active? record NULL: none was read. */
enum resume_verdict resume_judge(const struct resume_record *record, const struct resume_facts *facts);

#endif
