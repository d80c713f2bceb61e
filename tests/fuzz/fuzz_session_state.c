/* Whatever a peer sends as a session: never a crash, and what is accepted encodes to the same bytes again. */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/session_state.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *bytes, size_t len)
{
	struct session_state state;
	uint8_t *again;

	if (session_state_decode(bytes, len, &state) != SESSION_STATE_OK)
		return;
	if (session_state_size(&state) != len)
		abort();
	again = malloc(len);
	if (session_state_encode(&state, again) != len || memcmp(again, bytes, len) != 0)
		abort();
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	decode(data, size);
	/* Once more with the length put right, so that mutation reaches what lies behind it. */
	if (size < SESSION_STATE_HEAD)
		return 0;
	copy = malloc(size);
	memcpy(copy, data, size);
	lb_put32(copy, (uint32_t)size);
	decode(copy, size);
	free(copy);
	return 0;
}
