#include "daemon/proxy/worker/session_log.h"

#include <inttypes.h>
#include <lb/log.h>

void session_log_init(struct session_log *log)
{
	log->wanted = LB_LOG_SESSIONS_ABNORMAL;
	for (int i = 0; i < FLOW_END_COUNT_; i++)
		log->limit[i] = (struct ratelimit)RATELIMIT_INIT(10, LB_MSEC(100));
}

static bool is_ordinary(enum flow_end end)
{
	return end == FLOW_END_CLOSED || end == FLOW_END_MOVED;
}

void session_log_write(struct session_log *log, const struct session_log_entry *entry, lb_time now)
{
	struct ratelimit *limit = &log->limit[entry->end];
	char client[LB_ENDPOINT_TEXT];
	uint64_t suppressed = limit->suppressed;

	if (log->wanted == LB_LOG_SESSIONS_NONE)
		return;
	if (log->wanted == LB_LOG_SESSIONS_ABNORMAL && (is_ordinary(entry->end) || !ratelimit_ok(limit, now)))
		return;
	lb_log(LB_LOG_INFO,
	       "session id=%" PRIu64 " client=%s service=%s server=%s connect_ms=%.3f duration_ms=%.3f in=%" PRIu64
	       " out=%" PRIu64 " end=%s reason=%s suppressed=%" PRIu64,
	       entry->id, lb_endpoint_text(entry->client, client), entry->service,
	       entry->server != NULL ? entry->server : "-", lb_duration_ms(entry->connect_time),
	       lb_duration_ms(entry->duration), entry->bytes_in, entry->bytes_out, flow_end_code(entry->end),
	       flow_end_name(entry->end), suppressed);
}
