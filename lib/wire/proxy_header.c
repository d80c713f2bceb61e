#include <lb/proxy_header.h>

#include <stdio.h>
#include <string.h>

#include <lb/bytes.h>

/* Section 2.2: bytes of the address block of each family, behind 16 bytes of fixed header. */
#define V2_FIXED 16
#define V2_IPV4	 12
#define V2_IPV6	 36

enum { V2_LOCAL = 0x20, V2_PROXY = 0x21 };
enum { V2_UNSPEC = 0x00, V2_TCP4 = 0x11, V2_UDP4 = 0x12, V2_TCP6 = 0x21, V2_UDP6 = 0x22, V2_UNIX = 0x31, V2_UNIXG };

static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static const char v1_signature[] = "PROXY ";
#define V1_SIGNATURE (sizeof(v1_signature) - 1)

/* The family both ends share; 0 when the header cannot name them. */
static uint8_t common_family(const struct lb_endpoint *client, const struct lb_endpoint *destination)
{
	if (!client || !destination || client->addr.family != destination->addr.family)
		return 0;
	return client->addr.family;
}

static size_t encode_v1(uint8_t family, const struct lb_endpoint *client, const struct lb_endpoint *destination,
			uint8_t *out, size_t cap)
{
	char line[PROXY_HEADER_ENCODED_MAX + 1], from[LB_ADDR_TEXT], to[LB_ADDR_TEXT];
	size_t n;

	if (family == 0)
		n = (size_t)snprintf(line, sizeof(line), "PROXY UNKNOWN\r\n");
	else
		n = (size_t)snprintf(line, sizeof(line), "PROXY %s %s %s %u %u\r\n",
				     family == AF_INET ? "TCP4" : "TCP6", lb_addr_text(&client->addr, from),
				     lb_addr_text(&destination->addr, to), client->port, destination->port);
	if (n > cap || n >= sizeof(line))
		return 0;
	memcpy(out, line, n);
	return n;
}

static size_t encode_v2(uint8_t family, const struct lb_endpoint *client, const struct lb_endpoint *destination,
			uint8_t *out, size_t cap)
{
	size_t block = family == 0 ? 0 : family == AF_INET ? V2_IPV4 : V2_IPV6;
	size_t size = family == 0 ? 0 : lb_addr_size(&client->addr);

	if (V2_FIXED + block > cap)
		return 0;
	memcpy(out, v2_signature, sizeof(v2_signature));
	out[12] = family == 0 ? V2_LOCAL : V2_PROXY;
	out[13] = family == 0 ? V2_UNSPEC : family == AF_INET ? V2_TCP4 : V2_TCP6;
	lb_put16(out + 14, (uint16_t)block);
	if (family != 0) {
		memcpy(out + V2_FIXED, client->addr.bytes, size);
		memcpy(out + V2_FIXED + size, destination->addr.bytes, size);
		lb_put16(out + V2_FIXED + 2 * size, client->port);
		lb_put16(out + V2_FIXED + 2 * size + 2, destination->port);
	}
	return V2_FIXED + block;
}

size_t proxy_header_encode(enum lb_proxy_header version, const struct lb_endpoint *client,
			   const struct lb_endpoint *destination, uint8_t *out, size_t cap)
{
	uint8_t family = common_family(client, destination);

	switch (version) {
	case LB_PROXY_V1:
		return encode_v1(family, client, destination, out, cap);
	case LB_PROXY_V2:
		return encode_v2(family, client, destination, out, cap);
	case LB_PROXY_OFF:
		break;
	}
	return 0;
}

/* Section 2.1: decimal without leading zeros, 0..65535. */
static bool parse_port(const char *text, uint16_t *out)
{
	uint32_t value = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint32_t)(*text - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*out = (uint16_t)value;
	return true;
}

/* Cut the next word off at exactly one space; the last one has none behind it. NULL when it is missing. */
static char *next_word(char **rest)
{
	char *word = *rest, *space;

	if (!word)
		return NULL;
	space = strchr(word, ' ');
	if (space)
		*space = '\0';
	*rest = space ? space + 1 : NULL;
	return word;
}

/* line is what stands between the signature and the end of the line, NUL-terminated, and is cut up. */
static bool parse_v1_line(char *line, struct proxy_header *header)
{
	char *rest = line, *protocol = next_word(&rest);
	uint8_t family = strcmp(protocol, "TCP4") == 0 ? AF_INET : strcmp(protocol, "TCP6") == 0 ? AF_INET6 : 0;

	/* "UNKNOWN": the rest of the line is to be ignored. */
	if (strcmp(protocol, "UNKNOWN") == 0) {
		header->local = true;
		return true;
	}
	char *from = next_word(&rest), *to = next_word(&rest);
	char *from_port = next_word(&rest), *to_port = next_word(&rest);
	if (family == 0 || !to_port || rest)
		return false;
	return lb_addr_parse(from, &header->client.addr) && header->client.addr.family == family &&
	       lb_addr_parse(to, &header->destination.addr) && header->destination.addr.family == family &&
	       parse_port(from_port, &header->client.port) && parse_port(to_port, &header->destination.port);
}

/* Section 2.1: the line ends with CR LF within 107 bytes. */
static enum proxy_header_result decode_v1(const uint8_t *buf, size_t len, struct proxy_header *header)
{
	size_t window = len < PROXY_HEADER_ENCODED_MAX ? len : PROXY_HEADER_ENCODED_MAX;
	const uint8_t *cr = memchr(buf, '\r', window);
	char line[PROXY_HEADER_ENCODED_MAX];
	size_t end = cr ? (size_t)(cr - buf) : window;

	if (memchr(buf, '\0', end) || memchr(buf, '\n', end))
		return PROXY_HEADER_BAD;
	if (end + 1 >= window)
		return window < PROXY_HEADER_ENCODED_MAX ? PROXY_HEADER_NEED_MORE : PROXY_HEADER_BAD;
	if (buf[end + 1] != '\n')
		return PROXY_HEADER_BAD;
	memcpy(line, buf + V1_SIGNATURE, end - V1_SIGNATURE);
	line[end - V1_SIGNATURE] = '\0';
	header->version = LB_PROXY_V1;
	header->length = end + 2;
	return parse_v1_line(line, header) ? PROXY_HEADER_OK : PROXY_HEADER_BAD;
}

static void take_v2_addresses(const uint8_t *block, uint8_t family, struct proxy_header *header)
{
	size_t size = family == AF_INET ? 4 : 16;

	header->client.addr.family = header->destination.addr.family = family;
	memcpy(header->client.addr.bytes, block, size);
	memcpy(header->destination.addr.bytes, block + size, size);
	header->client.port = lb_get16(block + 2 * size);
	header->destination.port = lb_get16(block + 2 * size + 2);
}

/* Section 2.2: the fixed part tells everything that can be refused; then the announced length must be there. */
static enum proxy_header_result decode_v2(const uint8_t *buf, size_t len, struct proxy_header *header)
{
	if (len > 12 && buf[12] != V2_LOCAL && buf[12] != V2_PROXY)
		return PROXY_HEADER_BAD;
	if (len < V2_FIXED)
		return PROXY_HEADER_NEED_MORE;

	size_t block = lb_get16(buf + 14);
	bool proxied = buf[12] == V2_PROXY;
	uint8_t transport = buf[13];
	bool ipv4 = proxied && transport == V2_TCP4, ipv6 = proxied && transport == V2_TCP6;
	bool other = transport == V2_UNSPEC || transport == V2_UDP4 || transport == V2_UDP6 || transport == V2_UNIX ||
		     transport == V2_UNIXG;

	if (V2_FIXED + block > PROXY_HEADER_MAX)
		return PROXY_HEADER_BAD;
	/* "The receiver must ignore" the family of LOCAL, and reject values that are not assigned. */
	if (proxied && !ipv4 && !ipv6 && !other)
		return PROXY_HEADER_BAD;
	if ((ipv4 && block < V2_IPV4) || (ipv6 && block < V2_IPV6))
		return PROXY_HEADER_BAD;
	if (len < V2_FIXED + block)
		return PROXY_HEADER_NEED_MORE;
	header->version = LB_PROXY_V2;
	header->length = V2_FIXED + block;
	header->local = !ipv4 && !ipv6;
	if (!header->local)
		take_v2_addresses(buf + V2_FIXED, ipv4 ? AF_INET : AF_INET6, header);
	return PROXY_HEADER_OK;
}

/* RFC 4291, 2.5.5.2: ::ffff:a.b.c.d, as sockets that serve both families call an IPv4 address. */
static bool is_mapped(const struct lb_addr *addr)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return addr->family == AF_INET6 && memcmp(addr->bytes, prefix, sizeof(prefix)) == 0;
}

static void unmap(struct lb_addr *addr)
{
	struct lb_addr ipv4 = {.family = AF_INET};

	memcpy(ipv4.bytes, addr->bytes + 12, 4);
	*addr = ipv4;
}

/* What was IPv4 is judged and passed on as IPv4. */
static void unmap_both(struct proxy_header *header)
{
	if (!is_mapped(&header->client.addr) || !is_mapped(&header->destination.addr))
		return;
	unmap(&header->client.addr);
	unmap(&header->destination.addr);
}

/* Does buf begin like the signature, as far as it goes? */
static bool begins_like(const uint8_t *buf, size_t len, const void *signature, size_t size)
{
	return memcmp(buf, signature, len < size ? len : size) == 0;
}

enum proxy_header_result proxy_header_decode(const uint8_t *buf, size_t len, struct proxy_header *out)
{
	struct proxy_header header = {.local = false};
	enum proxy_header_result result = PROXY_HEADER_BAD;

	if (len == 0)
		return PROXY_HEADER_NEED_MORE;
	if (begins_like(buf, len, v2_signature, sizeof(v2_signature)))
		result = len < sizeof(v2_signature) ? PROXY_HEADER_NEED_MORE : decode_v2(buf, len, &header);
	else if (begins_like(buf, len, v1_signature, V1_SIGNATURE))
		result = len < V1_SIGNATURE ? PROXY_HEADER_NEED_MORE : decode_v1(buf, len, &header);
	if (result == PROXY_HEADER_OK) {
		unmap_both(&header);
		*out = header;
	}
	return result;
}
