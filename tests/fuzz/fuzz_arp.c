/* Whatever frame arrives while the VIP is watched: never a crash, and what is accepted says what the bytes say. */
#include <stdlib.h>
#include <string.h>

#include <lb/arp_frame.h>
#include <lb/bytes.h>
#include <lb/nd_frame.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_arp(const uint8_t *data, size_t size)
{
	struct arp_packet p;
	uint8_t again[ARP_FRAME_BYTES];

	if (!arp_decode(data, size, &p))
		return;
	/* A request built from the fields is the frame again, apart from what a request cannot differ in. */
	arp_request(p.sender_mac, &p.sender, &p.target, again);
	require(memcmp(again + 12, data + 12, 8) == 0);
	require(memcmp(again + 22, data + 22, 10) == 0);
	require(memcmp(again + 38, data + 38, 4) == 0);
	require(p.operation == lb_get16(data + 20) && memcmp(p.target_mac, data + 32, 6) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lb_addr target;
	uint8_t mac[6];

	check_arp(data, size);
	if (nd_decode(data, size, &target, mac))
		require(size >= 78 && target.family == AF_INET6 && target.bytes[0] != 0xff &&
			memcmp(target.bytes, data + 62, 16) == 0);
	return 0;
}
