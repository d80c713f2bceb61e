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

/* What a request says about the connection after the answer; RFC 9112 section 9.3: it stays where nothing is said. */
enum http_probe_after { HTTP_PROBE_CLOSE, HTTP_PROBE_STAY };

/* Write the request of a check (Host, User-Agent, optional bearer) into out; returns length or 0. */
size_t http_probe_request(const struct lb_conf_check *check, const char *host, const char *bearer,
			  enum http_probe_after after, char *out, size_t cap);

#define HTTP_PROBE_BODY_MAX (16 * 1024)
#define HTTP_PROBE_HEAD_MAX (16 * 1024)
/* Of a longer answer the end is not waited for. */
#define HTTP_PROBE_WHOLE_MAX (64 * 1024)

/* How the body says where it ends, RFC 9112 section 6.3. */
enum http_probe_framing { HTTP_PROBE_TO_EOF, HTTP_PROBE_LENGTH, HTTP_PROBE_CHUNKED };

/* Where in a chunked body the next byte stands, RFC 9112 section 7.1. */
enum http_probe_chunk {
	HTTP_PROBE_SIZE,
	HTTP_PROBE_EXTENSION,
	HTTP_PROBE_DATA,
	HTTP_PROBE_DATA_END,
	HTTP_PROBE_TRAILER
};

/* What is read; at the end the whole answer was, or its end cannot be told. */
enum http_probe_part { HTTP_PROBE_STATUS, HTTP_PROBE_HEAD, HTTP_PROBE_BODY, HTTP_PROBE_WHOLE, HTTP_PROBE_LOST };

/* Reader of one answer. Zero-initialise; holds what it must remember between pieces, bounded. */
struct http_probe {
	enum http_probe_part part;
	uint16_t code;	 /* status code once known, else 0 */
	bool judged;	 /* the verdict is known */
	bool bodiless;	 /* RFC 9112 section 6.3: to this request, or with this code, there is no body */
	bool persistent; /* the server keeps the connection open behind this answer */
	uint32_t seen;	 /* bytes consumed in all */
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
 *
 * Behind the verdict the end of the answer is looked for, in the same bytes and in what is fed later, which returns
 * false and leaves *result and check alone (both may be NULL then).
 */
bool http_probe_feed(struct http_probe *p, const struct lb_conf_check *check, const void *data, size_t len, bool eof,
		     enum health_result *result);

/* After the verdict: the answer was read to its end, nothing came behind it, and the connection takes another request.
 */
bool http_probe_reusable(const struct http_probe *p);
/* After the verdict: the answer goes on, its end is near, and the connection may take another request then: feed on. */
bool http_probe_goes_on(const struct http_probe *p);

/*
 * What an answer of `alive` means and what to do about it, a sentence for people; a literal, never NULL. authenticated:
 * the check shows a token or a certificate.
 */
const char *http_probe_warning(uint16_t code, bool authenticated);

#endif
