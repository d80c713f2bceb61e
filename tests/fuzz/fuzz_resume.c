/* Whatever a former process left: never a crash, and what is read is written to the same record again. */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/hash.h>
#include <lb/resume.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void decode(const uint8_t *bytes, size_t len)
{
	struct resume_record record, again;
	uint8_t area[RESUME_AREA_BYTES] = {0};
	uint64_t generation, next;

	if (!resume_record_read(bytes, len, &generation, &record))
		return;
	next = generation;
	resume_record_write(area, &next, &record);
	/* After the last number there is none that is later. */
	if (generation == UINT64_MAX)
		return;
	require(resume_record_read(area, sizeof(area), &next, &again) && next == generation + 1);
	require(memcmp(record.boot_id, again.boot_id, sizeof(again.boot_id)) == 0);
	require(record.identity == again.identity && record.advert == again.advert && record.since == again.since);
	require(record.active == again.active && record.guarded == again.guarded);
	require(record.sequence == again.sequence && record.since_wall == again.since_wall);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[RESUME_AREA_BYTES];

	decode(data, size);

	/* Once more with magic and checksums put right, so that mutation reaches what lies behind them. */
	if (size != sizeof(bytes))
		return 0;
	memcpy(bytes, data, size);
	for (size_t at = 0; at < sizeof(bytes); at += sizeof(bytes) / 2) {
		lb_put64(bytes + at, 0x6c62647265730001ull);
		lb_put64(bytes + at + 80, lb_hash(bytes + at, 80));
	}
	decode(bytes, sizeof(bytes));
	return 0;
}
