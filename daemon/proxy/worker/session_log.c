#include "daemon/proxy/worker/session_log.h"

#include <inttypes.h>
#include <lb/log.h>

/* Lines of one reason in a second, all workers together. */
#define LINES 10

void session_log_init(struct session_log *log)
{
	*log = (struct session_log){0};
	session_log_set(log, LB_LOG_SESSIONS_ABNORMAL, 1);
}

void session_log_set(struct session_log *log, enum lb_log_sessions wanted, uint32_t workers)
{
	log->wanted = wanted;
	for (int i = 0; i < FLOW_END_COUNT_; i++) {
		log->limit[i].burst = workers < LINES ? LINES / workers : 1;
		log->limit[i].per = LB_SEC(1) / LINES * workers;
	}
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
