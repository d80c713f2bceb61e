/* Whatever the other proxy sends: never a crash, and what is accepted has the length that it says. */
#include <stdlib.h>

#include <lb/succession.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct succession_session session;
	struct succession_frame frame;
	struct succession_fact fact;
	size_t used;

	if (succession_frame_decode(data, size, &frame) && frame.oldest > frame.newest)
		abort();
	if (succession_fact_decode(data, size, &fact) > size || fact.count > SUCCESSION_VALUES)
		abort();
	if (succession_session_decode(data, size, &used, &session) != SESSION_STATE_OK)
		return 0;
	if (used > size || succession_session_fds(&session) > SUCCESSION_FDS_MAX ||
	    succession_session_size(&session) == 0)
		abort();
	return 0;
}
