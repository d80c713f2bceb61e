/*
 * One sentence for a person about what went wrong. Functions that can fail for reasons a user must read take a
 * struct lb_err and return false (or -1) after filling it.
 */
#ifndef LB_ERR_H
#define LB_ERR_H

#include <stdbool.h>

struct lb_err {
	char text[256];
};

/* Write the sentence (cut at the end of the buffer); err may be NULL. Always returns false, so "return lb_err_set(…)".
 */
bool lb_err_set(struct lb_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As lb_err_set, then ": " and the text of errnum. */
bool lb_err_errno(struct lb_err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
