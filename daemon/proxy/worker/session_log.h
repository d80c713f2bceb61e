/*
 * One line per ended or refused session, as far as log.connections asks for it. Abnormal ends are limited to ten lines
 * a second and reason over all workers, so that a storm of resets does not become a storm of lines.
 */
#ifndef WORKER_SESSION_LOG_H
#define WORKER_SESSION_LOG_H

#include <lb/conf.h>
#include <lb/flow.h>
#include <lb/ratelimit.h>

struct session_log {
	enum lb_log_sessions wanted;
	struct ratelimit limit[FLOW_END_COUNT_];
};

struct session_log_entry {
	uint64_t id; /* 0: refused before it became a session */
	const struct lb_endpoint *client;
	const char *service, *server; /* server NULL: none was connected */
	lb_duration connect_time, duration;
	uint64_t bytes_in, bytes_out;
	enum flow_end end;
};

void session_log_init(struct session_log *log);
/* What is wanted from now on; the lines of a reason are shared by so many workers. */
void session_log_set(struct session_log *log, enum lb_log_sessions wanted, uint32_t workers);
void session_log_write(struct session_log *log, const struct session_log_entry *entry, lb_time now);

#endif
