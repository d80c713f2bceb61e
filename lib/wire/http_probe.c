#include <lb/http_probe.h>

#include <stdio.h>
#include <string.h>

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

/* The status line is complete: most checks end here. */
static bool on_status_line(struct http_probe *p, const struct lb_conf_check *check, enum health_result *result)
{
	p->code = status_code(p);
	if (p->code == 0)
		return decide(p, HEALTH_RESULT_GARBAGE, result);
	if (check->body[0] != '\0' && in_ranges(check->expect, check->expect_count, p->code)) {
		p->part = HTTP_PROBE_HEAD;
		p->newline = 1;
		return false;
	}
	return decide(p, judge(p, check), result);
}

/* One byte of the head; an empty line ends it. */
static void head_byte(struct http_probe *p, char c)
{
	if (c == '\n')
		p->newline++;
	else if (c != '\r')
		p->newline = 0;
	if (p->newline == 2)
		p->part = HTTP_PROBE_BODY;
}

/* Look for the substring across pieces: the last bytes of what came before are kept. */
static void body_bytes(struct http_probe *p, const char *body, const char *data, size_t len)
{
	size_t want = strlen(body);

	for (size_t i = 0; i < len && p->body_seen < HTTP_PROBE_BODY_MAX && !p->matched; i++) {
		if (p->tail_len == want) {
			memmove(p->tail, p->tail + 1, want - 1);
			p->tail_len--;
		}
		p->tail[p->tail_len++] = data[i];
		p->body_seen++;
		p->matched = p->tail_len == want && memcmp(p->tail, body, want) == 0;
	}
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
	if (p->part == HTTP_PROBE_BODY) {
		body_bytes(p, check->body, bytes + i, len - i);
		if (p->matched || p->body_seen >= HTTP_PROBE_BODY_MAX)
			return decide(p, judge(p, check), result);
	}
	if (!eof)
		return false;
	/* Closed early: an answer without a whole status line is none; one with it is judged by what there is. */
	if (p->part == HTTP_PROBE_STATUS)
		return decide(p, p->seen == 0 ? HEALTH_RESULT_RESET : HEALTH_RESULT_GARBAGE, result);
	return decide(p, judge(p, check), result);
}
