#include <stdint.h>

#include "lib/conf/conf_doc.h"

/* Length of the UTF-8 sequence that a byte begins; 0 where none begins. */
static size_t sequence_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0)
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* One code point of at most left bytes; returns its length or 0 where the bytes are not UTF-8 (RFC 3629 section 4). */
static size_t decode(const uint8_t *p, size_t left, uint32_t *point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = sequence_length(p[0]);

	if (len == 0 || len > left)
		return 0;
	*point = len == 1 ? p[0] : p[0] & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*point = *point << 6 | (p[i] & 0x3fU);
	}
	if (*point < smallest[len] || (*point >= 0xd800 && *point < 0xe000) || *point > 0x10ffff)
		return 0;
	return len;
}

/* Characters that move the cursor, end lines behind the reader's back, or cannot be seen. */
static bool is_control(uint32_t point)
{
	if (point == '\t' || point == '\n' || point == '\r')
		return false;
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x2028 || point == 0x2029 ||
	       point == 0xfeff || point == 0xfffe || point == 0xffff;
}

bool conf_doc_screen(const char *bytes, size_t len, struct lb_conf_errors *errors)
{
	const uint8_t *p = (const uint8_t *)bytes;
	struct lb_mark mark = {1, 1};
	size_t size;

	if (len > LB_CONF_BYTES_MAX) {
		lb_conf_errors_add(errors, mark, "the file is too large; expected at most %d bytes", LB_CONF_BYTES_MAX);
		return false;
	}

	/* A byte order mark at the very beginning is harmless. */
	size_t i = len >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
	for (; i < len; i += size) {
		uint32_t point = 0;

		size = decode(p + i, len - i, &point);
		if (size == 0) {
			lb_conf_errors_add(errors, mark, "byte 0x%02x is not UTF-8; save the file as UTF-8", p[i]);
			return false;
		}
		if (is_control(point)) {
			lb_conf_errors_add(errors, mark, "control character U+%04X; remove it", point);
			return false;
		}
		mark.column++;
		if (point == '\n' || (point == '\r' && (i + 1 == len || p[i + 1] != '\n')))
			mark = (struct lb_mark){mark.line + 1, 1};
	}
	return true;
}

bool conf_doc_control(const char *text, size_t len, uint32_t *point)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t size;

	for (size_t i = 0; i < len; i += size) {
		size = decode(p + i, len - i, point);
		if (size == 0 || *point < ' ' || is_control(*point))
			return true;
	}
	return false;
}
