/*
 * Golden bytes are written as hex text; this turns them into bytes.
 */
#ifndef TESTS_VECTORS_HEX_H
#define TESTS_VECTORS_HEX_H

#include <stddef.h>
#include <stdint.h>

static inline unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Number of bytes written; blanks between digits are skipped. */
static inline size_t hex_bytes(const char *hex, uint8_t *out, size_t cap)
{
	size_t len = 0;

	while (*hex != '\0' && len < cap) {
		if (*hex == ' ') {
			hex++;
			continue;
		}
		out[len++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
		hex += 2;
	}
	return len;
}

#endif
