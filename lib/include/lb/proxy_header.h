/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): the few bytes that begin a connection and
 * tell the server who the client really is. Only TCP over IPv4 and IPv6.
 */
#ifndef LB_PROXY_HEADER_H
#define LB_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/conf.h>

/* Room that is enough for every header proxy_header_encode writes (section 2.1: the longest v1 line has 107). */
#define PROXY_HEADER_ENCODED_MAX 107

/* The longest header that is accepted; a v2 header that announces more is PROXY_HEADER_BAD. */
#define PROXY_HEADER_MAX 4096

/*
 * Write the header of one connection into out and return its length; 0 when cap is too small or version is
 * LB_PROXY_OFF, and then out is undefined. client is the far end of the accepted connection, destination the address
 * the client came to. When either is NULL, or they are not both IPv4 or both IPv6, the header says that the
 * connection is the proxy's own: "UNKNOWN" in v1, LOCAL in v2. Health checks pass NULL.
 */
size_t proxy_header_encode(enum lb_proxy_header version, const struct lb_endpoint *client,
			   const struct lb_endpoint *destination, uint8_t *out, size_t cap);

enum proxy_header_result {
	PROXY_HEADER_NEED_MORE, /* so far a beginning of a header; never returned for PROXY_HEADER_MAX bytes or more */
	PROXY_HEADER_OK,	/* a whole header; *out is filled */
	PROXY_HEADER_BAD,	/* no header or a broken one, whatever may follow */
};

struct proxy_header {
	enum lb_proxy_header version;
	size_t length; /* bytes of the header; what follows is the client's */
	bool local;    /* nothing is told about the client: use the addresses of the connection itself */
	struct lb_endpoint client, destination; /* family 0 when local; a port may be 0 */
};

/*
 * Look for a header at the beginning of buf. Nothing is remembered between calls: the caller peeks at the socket,
 * asks again with the longer buffer while more is needed, and then takes exactly length bytes away. *out is
 * untouched unless PROXY_HEADER_OK. IPv4-mapped IPv6 addresses, which a dual-stack HAProxy sends, become IPv4 where
 * both are. Type-length-value fields of v2 are skipped; a v2 header of a transport other than TCP over IP (UNSPEC, UDP,
 * UNIX) and "UNKNOWN" in v1 are local.
 */
enum proxy_header_result proxy_header_decode(const uint8_t *buf, size_t len, struct proxy_header *out);

#endif
