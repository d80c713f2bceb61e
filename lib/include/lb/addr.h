/*
 * IPv4 and IPv6 addresses, address:port pairs and CIDR prefixes as plain values.
 */
#ifndef LB_ADDR_H
#define LB_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* family is AF_INET, AF_INET6 or 0 (no address); bytes in network order, IPv4 in the first four, the rest zero. */
struct lb_addr {
	uint8_t family;
	uint8_t bytes[16];
};

/* port in host order; 0 means none. */
struct lb_endpoint {
	struct lb_addr addr;
	uint16_t port;
};

/* An address and how many of its leading bits count. */
struct lb_cidr {
	struct lb_addr addr;
	uint8_t prefix;
};

#define LB_ADDR_TEXT	 46 /* enough for every address with its NUL */
#define LB_ENDPOINT_TEXT 54 /* "[v6]:port" with its NUL */

/* Parse a numeric address (no brackets, no zone, no host names). False leaves *out untouched. */
bool lb_addr_parse(const char *text, struct lb_addr *out);

/* Parse "1.2.3.4:80" or "[2001:db8::1]:80", port 1..65535. False leaves *out untouched. */
bool lb_endpoint_parse(const char *text, struct lb_endpoint *out);

/* Parse "10.0.0.0/8", "2001:db8::/32" or a bare address (full length). Bits beyond the prefix must be zero. */
bool lb_cidr_parse(const char *text, struct lb_cidr *out);

/* Write the usual text form into buf and return buf. buf has at least LB_ADDR_TEXT / LB_ENDPOINT_TEXT bytes. */
const char *lb_addr_text(const struct lb_addr *addr, char buf[static LB_ADDR_TEXT]);
const char *lb_endpoint_text(const struct lb_endpoint *ep, char buf[static LB_ENDPOINT_TEXT]);

bool lb_addr_equal(const struct lb_addr *a, const struct lb_addr *b);
bool lb_endpoint_equal(const struct lb_endpoint *a, const struct lb_endpoint *b);

/* Order of two addresses as unsigned numbers in network order: <0, 0, >0. IPv4 sorts before IPv6. */
int lb_addr_compare(const struct lb_addr *a, const struct lb_addr *b);

/* True when addr (of the same family) lies inside the prefix. */
bool lb_cidr_contains(const struct lb_cidr *cidr, const struct lb_addr *addr);

/* Number of bytes of the family: 4 or 16; 0 for no address. */
size_t lb_addr_size(const struct lb_addr *addr);

/* Conversions for the socket calls. to_sockaddr returns the length that belongs to the family. */
socklen_t lb_endpoint_to_sockaddr(const struct lb_endpoint *ep, struct sockaddr_storage *out);
bool lb_endpoint_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct lb_endpoint *out);

#endif
