/* Whatever a peer tells of its connections: never a crash, and what is accepted is written as the same bytes again. */
#include <stdlib.h>
#include <string.h>

#include <lb/tuple_record.h>
#include <lb/tuple_table.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const uint8_t *bytes, size_t len)
{
	static uint8_t again[TUPLE_BATCH_MAX + TUPLE_RECORD_MAX];
	struct tuple_table table = {0};
	struct tuple_reader r;
	struct tuple_writer w;
	struct tuple_change change;

	if (tuple_batch_check(bytes, len) != TUPLE_OK)
		return;
	tuple_reader_init(&r, bytes, len);
	tuple_writer_init(&w, again, sizeof(again), r.anew);
	while (tuple_reader_next(&r, &change)) {
		if (!tuple_writer_add(&w, &change) || !tuple_table_apply(&table, &change))
			abort();
	}
	if (r.drop != TUPLE_OK || w.len != len || memcmp(again, bytes, len) != 0)
		abort();
	if (table.count > TUPLE_SLOTS || table.size > TUPLE_SLOTS)
		abort();
	tuple_table_clear(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	read_all(data, size);
	/* Once more with the format put right, so that mutation reaches what lies behind it. */
	if (size < 2)
		return 0;
	copy = malloc(size);
	memcpy(copy, data, size);
	copy[0] = TUPLE_FORMAT;
	copy[1] &= 1;
	read_all(copy, size);
	free(copy);
	return 0;
}
