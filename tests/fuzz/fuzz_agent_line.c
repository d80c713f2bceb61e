/* Whatever an agent says: never a crash, orders stay within their bounds, and nonsense changes nothing. */
#include <stdlib.h>
#include <string.h>

#include <lb/agent_line.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_orders orders, before;
	enum health_result result;

	/* Whole bytes are compared, so the gaps between members must be alike. */
	memset(&orders, 0, sizeof(orders));
	orders.percent = 100;
	before = orders;
	if (!agent_line_apply(&orders, (const char *)data, size) && memcmp(&orders, &before, sizeof(orders)) != 0)
		abort();
	result = agent_orders_result(&orders);
	if (orders.percent > AGENT_PERCENT_MAX || orders.admin > AGENT_MAINT ||
	    (result != HEALTH_RESULT_OK && result != HEALTH_RESULT_WRONG && result != HEALTH_RESULT_REFUSED))
		abort();
	return 0;
}
