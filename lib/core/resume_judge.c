/* The decision of <lb/resume.h>. */
#include <string.h>

#include <lb/resume.h>

static const char *const texts[RESUME_VERDICT_COUNT_] = {
    [RESUME_ACTIVE] = "the lease of the former process is alive",
    [RESUME_NOTHING_KEPT] = "nothing usable was kept",
    [RESUME_OTHER_BOOT] = "what was kept is of another boot",
    [RESUME_OTHER_ELECTION] = "what was kept is of another election",
    [RESUME_NOT_ACTIVE] = "the former process did not own the VIP",
    [RESUME_TOO_OLD] = "the last advert is too long ago, a peer may own the VIP",
};

const char *resume_verdict_text(enum resume_verdict verdict)
{
	return (unsigned)verdict < RESUME_VERDICT_COUNT_ ? texts[verdict] : "unknown";
}

enum resume_verdict resume_judge(const struct resume_record *record, const struct resume_facts *facts)
{
	if (!record)
		return RESUME_NOTHING_KEPT;
	if (memcmp(record->boot_id, facts->boot_id, RESUME_BOOT_ID_BYTES) != 0)
		return RESUME_OTHER_BOOT;
	if (record->identity != facts->identity)
		return RESUME_OTHER_ELECTION;
	if (!record->active || record->advert == 0)
		return RESUME_NOT_ACTIVE;
	/* An advert of the future is none of this clock. */
	if (record->advert > facts->now || facts->now - record->advert >= facts->lease)
		return RESUME_TOO_OLD;
	return RESUME_ACTIVE;
}
