/* Whatever ping comes in: never a crash, and what it carries lies in the packet and comes back when it is sent again.
 */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/echo_packet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lb_addr from = {.family = AF_INET}, by = {.family = AF_INET};
	uint8_t again[ECHO_PACKET_MAX];
	size_t len;
	const uint8_t *found = echo_packet_decode(data, size, &len);

	if (found == NULL)
		return 0;
	require(found >= data + ECHO_PACKET_HEAD && found + len == data + size);
	memcpy(from.bytes, data + 16, 4);
	memcpy(by.bytes, data + 12, 4);
	if (len > ECHO_PACKET_MAX - ECHO_PACKET_HEAD)
		return 0;
	require(echo_packet_encode(&from, &by, found, len, again) == ECHO_PACKET_HEAD + len);
	require(memcmp(again + ECHO_PACKET_HEAD, found, len) == 0);
	require(echo_packet_decode(again, ECHO_PACKET_HEAD + len, &len) == NULL);
	return 0;
}
