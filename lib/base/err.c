#include <lb/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool lb_err_set(struct lb_err *err, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return false;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return false;
}

bool lb_err_errno(struct lb_err *err, int errnum, const char *fmt, ...)
{
	char number[64];
	va_list args;
	size_t len;

	if (!err)
		return false;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s", strerror_r(errnum, number, sizeof(number)));
	return false;
}
