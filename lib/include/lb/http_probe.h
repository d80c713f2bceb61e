/*
 * The few bytes of HTTP/1.1 that a health check speaks: build one request, judge one answer as it arrives.
 */
#ifndef LB_HTTP_PROBE_H
#define LB_HTTP_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/conf.h>
#include <lb/health_fsm.h>

/* Write the request of a check (Host, User-Agent, Connection: close, optional bearer) into out; returns length or 0. */
size_t http_probe_request(const struct lb_conf_check *check, const char *host, const char *bearer, char *out,
			  size_t cap);

#define HTTP_PROBE_BODY_MAX (16 * 1024)
#define HTTP_PROBE_HEAD_MAX (16 * 1024)

/* How the body says where it ends, RFC 9112 section 6.3. */
enum http_probe_framing { HTTP_PROBE_TO_EOF, HTTP_PROBE_LENGTH, HTTP_PROBE_CHUNKED };

/* Where in a chunked body the next byte stands, RFC 9112 section 7.1. */
enum http_probe_chunk { HTTP_PROBE_SIZE, HTTP_PROBE_EXTENSION, HTTP_PROBE_DATA, HTTP_PROBE_DATA_END };

/* Reader of one answer. Zero-initialise; holds what it must remember between pieces, bounded. */
struct http_probe {
	enum { HTTP_PROBE_STATUS, HTTP_PROBE_HEAD, HTTP_PROBE_BODY, HTTP_PROBE_DONE } part;
	uint16_t code; /* status code once known, else 0 */
	uint32_t seen; /* bytes consumed in all */
	uint32_t body_seen;
	char line[64]; /* the line of the head that is being read, its beginning */
	uint8_t line_len;
	enum http_probe_framing framing;
	enum http_probe_chunk chunk;
	uint8_t chunk_digits;
	uint64_t left;	/* of the body, or of this chunk */
	bool matched;	/* body substring found */
	char tail[256]; /* last bytes of the body, for a match across pieces */
	uint16_t tail_len;
};

/*
 * Feed received bytes; eof when the peer closed. Returns true when the verdict is known: *result is OK, ALIVE, WRONG,
 * or GARBAGE, or RESET when the peer closed without a byte. False: more is needed (never after eof). data may be NULL
 * when len is 0. Informational answers (1xx) are passed over. The body ends where its Content-Length or its last chunk
 * says so; what stands between chunks is not part of it. A body whose chunks make no sense is GARBAGE.
 */
bool http_probe_feed(struct http_probe *p, const struct lb_conf_check *check, const void *data, size_t len, bool eof,
		     enum health_result *result);

/*
 * What an answer of `alive` means and what to do about it, a sentence for people; a literal, never NULL. authenticated:
 * the check shows a token or a certificate.
 */
const char *http_probe_warning(uint16_t code, bool authenticated);

#endif
