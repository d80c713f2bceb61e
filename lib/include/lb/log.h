/*
 * Logging through a sink that the program supplies: the library formats one line, the sink decides where it goes.
 * Lines are "key=value" text without a newline. Priorities are syslog's (RFC 5424), 3 error .. 7 debug.
 */
#ifndef LB_LOG_H
#define LB_LOG_H

enum lb_log_level {
	LB_LOG_ERROR = 3,
	LB_LOG_WARNING = 4,
	LB_LOG_NOTICE = 5,
	LB_LOG_INFO = 6,
	LB_LOG_DEBUG = 7,
};

/* Receives a finished line; may not call back into the logger. line is valid during the call only. */
typedef void lb_log_sink(void *ctx, enum lb_log_level level, const char *line);

/* Install the sink of the process (before threads start); lines above max are not formatted. NULL: discard all. */
void lb_log_init(lb_log_sink *sink, void *ctx, enum lb_log_level max);
/* Change the highest level that is still written. */
void lb_log_set_level(enum lb_log_level max);

/* Format at most 1,000 bytes and pass them to the sink; longer lines are cut. */
void lb_log(enum lb_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define lb_error(...)	lb_log(LB_LOG_ERROR, __VA_ARGS__)
#define lb_warning(...) lb_log(LB_LOG_WARNING, __VA_ARGS__)
#define lb_notice(...)	lb_log(LB_LOG_NOTICE, __VA_ARGS__)
#define lb_info(...)	lb_log(LB_LOG_INFO, __VA_ARGS__)
#define lb_debug(...)	lb_log(LB_LOG_DEBUG, __VA_ARGS__)

#endif
