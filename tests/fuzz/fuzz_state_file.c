/*
 * What a former proxy left, or somebody else wrote there: never a crash, and what is taken is written again as it was
 * read.
 */
#include <stdlib.h>
#include <string.h>

#include <lb/state_file.h>
#include <lb/text.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lb_order *orders, *again;
	struct lb_event event;
	struct lb_err err;
	uint64_t generation, same;
	size_t count, as_many;

	if (size >= STATE_EVENT_RECORD && state_event_decode(data, &event))
		require(event.id != 0 && strlen(event.reason) < sizeof(event.reason));
	if (state_orders_decode(data, size, &generation, &orders, &count, &err)) {
		struct lb_text text = {0}, twice = {0};

		require(state_orders_encode(orders, count, generation, &text));
		require(state_orders_decode((const uint8_t *)text.data, text.len, &same, &again, &as_many, &err));
		require(same == generation && as_many == count);
		require(state_orders_encode(again, count, generation, &twice));
		require(strcmp(text.data, twice.data) == 0);
		lb_text_free(&text);
		lb_text_free(&twice);
		free(orders);
		free(again);
	}
	return 0;
}
