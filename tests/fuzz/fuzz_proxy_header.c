/*
 * Whatever a client sends first: never a crash, a verdict that more bytes do not change, and addresses that survive
 * being written again.
 */
#include <stdlib.h>

#include <lb/proxy_header.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void write_again(const struct proxy_header *h)
{
	const struct lb_endpoint *client = h->local ? NULL : &h->client;
	struct proxy_header again;
	uint8_t out[PROXY_HEADER_ENCODED_MAX];
	size_t n = proxy_header_encode(h->version, client, &h->destination, out, sizeof(out));

	require(n > 0 && proxy_header_decode(out, n, &again) == PROXY_HEADER_OK && again.length == n);
	require(again.local == h->local && lb_endpoint_equal(&again.client, &h->client));
	require(lb_endpoint_equal(&again.destination, &h->destination));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header h;
	enum proxy_header_result before = PROXY_HEADER_NEED_MORE;

	for (size_t len = 0; len <= size && len < 256; len++) {
		enum proxy_header_result result = proxy_header_decode(data, len, &h);

		require(before == PROXY_HEADER_NEED_MORE || result == before);
		before = result;
	}
	before = proxy_header_decode(data, size, &h);
	require(size < PROXY_HEADER_MAX || before != PROXY_HEADER_NEED_MORE);
	if (before == PROXY_HEADER_OK) {
		require(h.length <= size && h.length <= PROXY_HEADER_MAX);
		write_again(&h);
	}
	return 0;
}
