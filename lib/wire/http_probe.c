#include <lb/http_probe.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

size_t http_probe_request(const struct lb_conf_check *check, const char *host, const char *bearer, char *out,
			  size_t cap)
{
	int n = snprintf(out, cap,
			 "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lbd-check\r\nAccept: */*\r\n%s%s%s"
			 "Connection: close\r\n\r\n",
			 check->method, check->path, host, bearer ? "Authorization: Bearer " : "", bearer ? bearer : "",
			 bearer ? "\r\n" : "");

	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static bool in_ranges(const struct lb_code_range *ranges, size_t count, uint16_t code)
{
	for (size_t i = 0; i < count; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* RFC 9112 section 4: "HTTP/1." DIGIT SP 3DIGIT, then a space or the end of the line. */
static uint16_t status_code(const struct http_probe *p)
{
	const char *l = p->line;

	if (p->line_len < 12 || memcmp(l, "HTTP/1.", 7) != 0 || (l[7] != '0' && l[7] != '1') || l[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++)
		if (l[i] < '0' || l[i] > '9')
			return 0;
	if (p->line_len > 12 && l[12] != ' ' && l[12] != '\r')
		return 0;
	return (uint16_t)((l[9] - '0') * 100 + (l[10] - '0') * 10 + (l[11] - '0'));
}

/* Judge by the code alone; a body that is asked for must also match. */
static enum health_result judge(const struct http_probe *p, const struct lb_conf_check *check)
{
	if (in_ranges(check->expect, check->expect_count, p->code))
		return check->body[0] == '\0' || p->matched ? HEALTH_RESULT_OK : HEALTH_RESULT_WRONG;
	if (in_ranges(check->alive, check->alive_count, p->code))
		return HEALTH_RESULT_ALIVE;
	return HEALTH_RESULT_WRONG;
}

static bool decide(struct http_probe *p, enum health_result value, enum health_result *result)
{
	p->part = HTTP_PROBE_DONE;
	*result = value;
	return true;
}

/* RFC 9110 section 15.2: informational answers may come first, even unasked; the final one follows. */
static bool is_interim(uint16_t code)
{
	return code >= 100 && code <= 199 && code != 101;
}

/* The status line is complete: most checks end here. */
static bool on_status_line(struct http_probe *p, const struct lb_conf_check *check, enum health_result *result)
{
	p->code = status_code(p);
	if (p->code == 0)
		return decide(p, HEALTH_RESULT_GARBAGE, result);
	if (is_interim(p->code) || (check->body[0] != '\0' && in_ranges(check->expect, check->expect_count, p->code))) {
		p->part = HTTP_PROBE_HEAD;
		p->line_len = 0;
		return false;
	}
	return decide(p, judge(p, check), result);
}

/* ---- head ---- */

/* The value of the collected field line when it has this name, without white space in front; NULL otherwise. */
static const char *field_value(const struct http_probe *p, const char *name, size_t *len)
{
	size_t at = strlen(name);

	if (p->line_len <= at || strncasecmp(p->line, name, at) != 0 || p->line[at] != ':')
		return NULL;
	for (at++; at < p->line_len && (p->line[at] == ' ' || p->line[at] == '\t'); at++)
		;
	*len = p->line_len - at;
	return p->line + at;
}

/* RFC 9112 section 6.3: chunked wins over a length; without either the body ends with the connection. */
static void on_field(struct http_probe *p)
{
	const char *value;
	size_t len;

	if ((value = field_value(p, "transfer-encoding", &len)) != NULL) {
		if (len >= 7 && strncasecmp(value + len - 7, "chunked", 7) == 0)
			p->framing = HTTP_PROBE_CHUNKED;
	} else if ((value = field_value(p, "content-length", &len)) != NULL && p->framing == HTTP_PROBE_TO_EOF) {
		uint64_t n = 0;

		for (size_t i = 0; i < len; i++) {
			if (value[i] < '0' || value[i] > '9' || n > UINT32_MAX)
				return;
			n = n * 10 + (uint64_t)(value[i] - '0');
		}
		if (len > 0) {
			p->framing = HTTP_PROBE_LENGTH;
			p->left = n;
		}
	}
}

/* One byte of the head; an empty line ends it. */
static void head_byte(struct http_probe *p, char c)
{
	if (c == '\r')
		return;
	if (c != '\n') {
		if (p->line_len < sizeof(p->line))
			p->line[p->line_len++] = c;
		return;
	}
	if (p->line_len > 0) {
		on_field(p);
		p->line_len = 0;
		return;
	}
	p->part = is_interim(p->code) ? HTTP_PROBE_STATUS : HTTP_PROBE_BODY;
	if (p->part == HTTP_PROBE_STATUS)
		p->framing = HTTP_PROBE_TO_EOF;
}

/* ---- body ---- */

/* Look for the substring in what is new, and across the border to what came before, whose last bytes are kept. */
static void body_bytes(struct http_probe *p, const char *body, const char *data, size_t len)
{
	size_t want = strlen(body), left = HTTP_PROBE_BODY_MAX - p->body_seen, n = len < left ? len : left;
	size_t ahead = n < want - 1 ? n : want - 1, keep;
	char joint[2 * sizeof(p->tail)];

	memcpy(joint, p->tail, p->tail_len);
	memcpy(joint + p->tail_len, data, ahead);
	p->matched = memmem(joint, p->tail_len + ahead, body, want) || memmem(data, n, body, want);
	p->body_seen += (uint32_t)n;
	p->seen += (uint32_t)n;

	/* The last want - 1 bytes of all; joint ends with them when the piece was shorter than that. */
	if (n == ahead) {
		keep = p->tail_len + n < want - 1 ? p->tail_len + n : want - 1;
		memcpy(p->tail, joint + p->tail_len + n - keep, keep);
	} else {
		keep = want - 1;
		memcpy(p->tail, data + n - keep, keep);
	}
	p->tail_len = (uint16_t)keep;
}

/* One byte of what stands around the chunks. False: this is no chunked body. */
static bool chunk_byte(struct http_probe *p, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;

	if (p->chunk == HTTP_PROBE_DATA_END) {
		if (c == '\n') {
			p->chunk = HTTP_PROBE_SIZE;
			p->chunk_digits = 0;
			p->left = 0;
		}
		return c == '\r' || c == '\n';
	}
	if (p->chunk == HTTP_PROBE_SIZE && digit) {
		p->left = p->left << 4 | (uint64_t)(digit - digits);
		/* More digits than a body could ever have. */
		return ++p->chunk_digits <= 8;
	}
	if (p->chunk == HTTP_PROBE_SIZE && p->chunk_digits == 0)
		return false;
	if (c == '\n')
		p->chunk = HTTP_PROBE_DATA;
	else if (p->chunk == HTTP_PROBE_SIZE && c != '\r' && c != ';' && c != ' ')
		return false;
	else
		p->chunk = HTTP_PROBE_EXTENSION;
	return true;
}

/*
 * The body without what frames it goes to body_bytes. True when it is at its end or has shown enough; *sound false when
 * its chunks make no sense.
 */
static bool on_body(struct http_probe *p, const char *body, const char *data, size_t len, bool *sound)
{
	*sound = true;
	while (len > 0 && !p->matched && p->body_seen < HTTP_PROBE_BODY_MAX) {
		size_t n = len;

		if (p->framing == HTTP_PROBE_CHUNKED && p->chunk != HTTP_PROBE_DATA) {
			p->seen++;
			*sound = chunk_byte(p, *data) && p->seen <= HTTP_PROBE_HEAD_MAX + 2 * HTTP_PROBE_BODY_MAX;
			/* The last chunk is the empty one; trailers do not matter. */
			if (!*sound || (p->chunk == HTTP_PROBE_DATA && p->left == 0))
				return true;
			data++;
			len--;
			continue;
		}
		if (p->framing != HTTP_PROBE_TO_EOF && p->left < n)
			n = (size_t)p->left;
		body_bytes(p, body, data, n);
		data += n;
		len -= n;
		p->left -= p->framing == HTTP_PROBE_TO_EOF ? 0 : n;
		if (p->left == 0 && p->framing == HTTP_PROBE_LENGTH)
			return true;
		if (p->left == 0 && p->framing == HTTP_PROBE_CHUNKED)
			p->chunk = HTTP_PROBE_DATA_END;
	}
	return p->matched || p->body_seen >= HTTP_PROBE_BODY_MAX || (p->framing == HTTP_PROBE_LENGTH && p->left == 0);
}

static bool status_byte(struct http_probe *p, const struct lb_conf_check *check, char c, enum health_result *result)
{
	if (c == '\n')
		return on_status_line(p, check, result);
	if (p->line_len < sizeof(p->line))
		p->line[p->line_len++] = c;
	/* A reason phrase may be long, but what does not begin like HTTP is known at once. */
	if (p->line_len <= 7 && memcmp(p->line, "HTTP/1.", p->line_len) != 0)
		return decide(p, HEALTH_RESULT_GARBAGE, result);
	return false;
}

bool http_probe_feed(struct http_probe *p, const struct lb_conf_check *check, const void *data, size_t len, bool eof,
		     enum health_result *result)
{
	const char *bytes = data;
	bool sound = true;
	size_t i = 0;

	for (; i < len && p->part < HTTP_PROBE_BODY; i++) {
		p->seen++;
		if (p->seen > HTTP_PROBE_HEAD_MAX)
			return decide(p, HEALTH_RESULT_GARBAGE, result);
		if (p->part == HTTP_PROBE_HEAD)
			head_byte(p, bytes[i]);
		else if (status_byte(p, check, bytes[i], result))
			return true;
	}
	if (p->part == HTTP_PROBE_BODY && on_body(p, check->body, i < len ? bytes + i : NULL, len - i, &sound))
		return decide(p, sound ? judge(p, check) : HEALTH_RESULT_GARBAGE, result);
	if (!eof)
		return false;
	/* Closed early: an answer without a whole status line is none; one with it is judged by what there is. */
	if (p->part == HTTP_PROBE_STATUS)
		return decide(p, p->seen == 0 ? HEALTH_RESULT_RESET : HEALTH_RESULT_GARBAGE, result);
	return decide(p, judge(p, check), result);
}

const char *http_probe_warning(uint16_t code, bool authenticated)
{
	switch (code) {
	case 401:
		return authenticated ? "the server does not accept the token or certificate of the check: renew it"
				     : "the server wants to know who checks: set bearer_file or cert_file, or a path "
				       "that needs none";
	case 403:
		return authenticated ? "the identity of the check may not read this path: allow it there, or check "
				       "another path"
				     : "nobody may read this path without an identity: set bearer_file or cert_file, "
				       "or check another path";
	case 429:
		return "the server turns requests away because it has too many: look at its load, or check less often";
	default:
		return "this answer is listed in alive: it says that the server lives, not that it is ready";
	}
}
