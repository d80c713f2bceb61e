#include <lb/http_probe.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

size_t http_probe_request(const struct lb_conf_check *check, const char *host, const char *bearer,
			  enum http_probe_after after, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lbd-check\r\nAccept: */*\r\n%s%s%s%s\r\n",
			 check->method, check->path, host, bearer ? "Authorization: Bearer " : "", bearer ? bearer : "",
			 bearer ? "\r\n" : "", after == HTTP_PROBE_CLOSE ? "Connection: close\r\n" : "");

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

/* The first verdict stays. */
static void decide(struct http_probe *p, enum health_result value, enum health_result *result)
{
	if (!p->judged)
		*result = value;
	p->judged = true;
}

/* This is no answer, or not one whose end can be found; what was known before stays true. */
static void lose(struct http_probe *p, enum health_result *result)
{
	p->part = HTTP_PROBE_LOST;
	decide(p, HEALTH_RESULT_GARBAGE, result);
}

static void end(struct http_probe *p, const struct lb_conf_check *check, enum health_result *result)
{
	p->part = HTTP_PROBE_WHOLE;
	if (!p->judged)
		decide(p, judge(p, check), result);
}

/* RFC 9110 section 15.2: informational answers may come first, even unasked; the final one follows. */
static bool is_interim(uint16_t code)
{
	return code >= 100 && code <= 199 && code != 101;
}

/* RFC 9112 section 6.3, the first cases: no body, whatever the head says. */
static bool is_bodiless(const struct lb_conf_check *check, uint16_t code)
{
	return strcmp(check->method, "HEAD") == 0 || code == 204 || code == 304;
}

/* The status line is complete: most verdicts are known here. */
static void on_status_line(struct http_probe *p, const struct lb_conf_check *check, enum health_result *result)
{
	bool by_body = check->body[0] != '\0' && in_ranges(check->expect, check->expect_count, status_code(p));

	p->code = status_code(p);
	if (p->code == 0) {
		lose(p, result);
		return;
	}
	p->persistent = p->line[7] == '1' && p->code != 101;
	p->bodiless = is_bodiless(check, p->code);
	p->part = HTTP_PROBE_HEAD;
	p->line_len = 0;
	if (!is_interim(p->code) && !by_body)
		decide(p, judge(p, check), result);
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

static void on_length(struct http_probe *p, const char *value, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9' || n > UINT32_MAX)
			return;
		n = n * 10 + (uint64_t)(value[i] - '0');
	}
	if (len == 0)
		return;
	p->framing = HTTP_PROBE_LENGTH;
	p->left = n;
}

/* RFC 9112 section 9.6: "close" is one of the words of the Connection field. */
static bool says_close(const char *value, size_t len)
{
	for (size_t i = 0; i + 5 <= len; i++)
		if (strncasecmp(value + i, "close", 5) == 0)
			return true;
	return false;
}

static void frame_chunks(struct http_probe *p)
{
	p->framing = HTTP_PROBE_CHUNKED;
	/* A length that was given before is no size of a chunk. */
	p->left = 0;
}

/* RFC 9112 section 6.3: chunked wins over a length; without either the body ends with the connection. */
static void on_field(struct http_probe *p)
{
	const char *value;
	size_t len;

	if ((value = field_value(p, "transfer-encoding", &len)) != NULL) {
		if (len >= 7 && strncasecmp(value + len - 7, "chunked", 7) == 0)
			frame_chunks(p);
		else
			p->persistent = false;
	} else if ((value = field_value(p, "content-length", &len)) != NULL) {
		if (p->framing == HTTP_PROBE_TO_EOF)
			on_length(p, value, len);
	} else if ((value = field_value(p, "connection", &len)) != NULL && says_close(value, len)) {
		p->persistent = false;
	}
}

/* The empty line behind the head: what follows is another head, the body, or nothing. */
static void on_head_end(struct http_probe *p, const struct lb_conf_check *check, enum health_result *result)
{
	if (is_interim(p->code)) {
		p->part = HTTP_PROBE_STATUS;
		p->framing = HTTP_PROBE_TO_EOF;
		return;
	}
	p->part = HTTP_PROBE_BODY;
	if (p->bodiless || (p->framing == HTTP_PROBE_LENGTH && p->left == 0))
		end(p, check, result);
}

/* One byte of the head. */
static void head_byte(struct http_probe *p, const struct lb_conf_check *check, char c, enum health_result *result)
{
	if (c == '\r')
		return;
	if (c != '\n') {
		if (p->line_len < sizeof(p->line))
			p->line[p->line_len++] = c;
	} else if (p->line_len > 0) {
		on_field(p);
		p->line_len = 0;
	} else {
		on_head_end(p, check, result);
	}
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

/* RFC 9112 section 7.1.2: fields behind the last chunk, an empty line ends them and the answer. */
static bool trailer_ends(struct http_probe *p, char c)
{
	if (c == '\n' && p->chunk_digits == 0)
		return true;
	if (c == '\n')
		p->chunk_digits = 0;
	else if (c != '\r')
		p->chunk_digits = 1;
	return false;
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

/* One byte that is not of the body itself. */
static void framing_byte(struct http_probe *p, const struct lb_conf_check *check, char c, enum health_result *result)
{
	if (p->chunk == HTTP_PROBE_TRAILER) {
		if (trailer_ends(p, c))
			end(p, check, result);
		return;
	}
	if (!chunk_byte(p, c) || p->seen > HTTP_PROBE_HEAD_MAX + 2 * HTTP_PROBE_BODY_MAX) {
		lose(p, result);
		return;
	}
	/* The last chunk is the empty one. */
	if (p->chunk != HTTP_PROBE_DATA || p->left > 0)
		return;
	p->chunk = HTTP_PROBE_TRAILER;
	p->chunk_digits = 0;
	if (!p->judged)
		decide(p, judge(p, check), result);
}

/* Bytes of the body itself; what is no longer looked through is only counted. */
static void data_bytes(struct http_probe *p, const struct lb_conf_check *check, const char *data, size_t len,
		       enum health_result *result)
{
	if (p->judged) {
		p->seen += (uint32_t)len;
	} else {
		body_bytes(p, check->body, data, len);
		if (p->matched || p->body_seen >= HTTP_PROBE_BODY_MAX)
			decide(p, judge(p, check), result);
	}
	if (p->framing == HTTP_PROBE_TO_EOF)
		return;
	p->left -= len;
	if (p->left > 0)
		return;
	if (p->framing == HTTP_PROBE_LENGTH)
		end(p, check, result);
	else
		p->chunk = HTTP_PROBE_DATA_END;
}

/* The next bytes of the body and of what frames it; returns how many were taken. */
static size_t on_body(struct http_probe *p, const struct lb_conf_check *check, const char *data, size_t len,
		      enum health_result *result)
{
	size_t n = len;

	if (p->framing == HTTP_PROBE_CHUNKED && p->chunk != HTTP_PROBE_DATA) {
		p->seen++;
		framing_byte(p, check, *data, result);
		return 1;
	}
	if (p->framing != HTTP_PROBE_TO_EOF && p->left < n)
		n = (size_t)p->left;
	data_bytes(p, check, data, n, result);
	return n;
}

static void status_byte(struct http_probe *p, const struct lb_conf_check *check, char c, enum health_result *result)
{
	if (c == '\n') {
		on_status_line(p, check, result);
		return;
	}
	if (p->line_len < sizeof(p->line))
		p->line[p->line_len++] = c;
	/* A reason phrase may be long, but what does not begin like HTTP is known at once. */
	if (p->line_len <= 7 && memcmp(p->line, "HTTP/1.", p->line_len) != 0)
		lose(p, result);
}

/* The next bytes of the answer; returns how many were taken. */
static size_t on_bytes(struct http_probe *p, const struct lb_conf_check *check, const char *data, size_t len,
		       enum health_result *result)
{
	if (p->part == HTTP_PROBE_BODY)
		return on_body(p, check, data, len, result);
	if (++p->seen > HTTP_PROBE_HEAD_MAX)
		lose(p, result);
	else if (p->part == HTTP_PROBE_HEAD)
		head_byte(p, check, *data, result);
	else
		status_byte(p, check, *data, result);
	return 1;
}

static void on_eof(struct http_probe *p, const struct lb_conf_check *check, enum health_result *result)
{
	p->persistent = false;
	/* Closed early: an answer without a whole status line is none; one with it is judged by what there is. */
	if (p->part == HTTP_PROBE_STATUS)
		decide(p, p->seen == 0 ? HEALTH_RESULT_RESET : HEALTH_RESULT_GARBAGE, result);
	else if (!p->judged)
		decide(p, judge(p, check), result);
}

bool http_probe_feed(struct http_probe *p, const struct lb_conf_check *check, const void *data, size_t len, bool eof,
		     enum health_result *result)
{
	const char *bytes = data;
	bool known = p->judged;
	size_t i = 0;

	while (i < len && p->part < HTTP_PROBE_WHOLE)
		i += on_bytes(p, check, bytes + i, len - i, result);
	/* Nothing was asked for that could follow. */
	if (i < len)
		p->persistent = false;
	if (eof)
		on_eof(p, check, result);
	return p->judged && !known;
}

bool http_probe_reusable(const struct http_probe *p)
{
	return p->part == HTTP_PROBE_WHOLE && p->persistent;
}

bool http_probe_goes_on(const struct http_probe *p)
{
	uint64_t left = p->framing == HTTP_PROBE_LENGTH ? p->left : 0;

	return p->persistent && p->seen + left <= HTTP_PROBE_WHOLE_MAX &&
	       (p->part == HTTP_PROBE_HEAD || (p->part == HTTP_PROBE_BODY && p->framing != HTTP_PROBE_TO_EOF));
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
