/* Whatever arrives on the peer port: never a crash, and what is accepted encodes to the same bytes again. */
#include <stdlib.h>
#include <string.h>

#include <lb/bytes.h>
#include <lb/peer_msg.h>
#include <lb/vrrp_auth.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void decode(const uint8_t *bytes, size_t len, const uint8_t *k)
{
	struct peer_msg msg;
	struct peer_session session = {.own_nonce = 1};
	uint8_t again[PEER_MSG_MAX];
	bool reply;

	if (peer_msg_decode(bytes, len, k, sizeof(key), &msg) != PEER_OK)
		return;
	require(peer_msg_encode(&msg, k, sizeof(key), again, sizeof(again)) == len);
	require(memcmp(again, bytes, len) == 0);
	/* Nothing is fresh to a process that has not sent anything yet. */
	require(peer_session_accept(&session, &msg, &reply) == PEER_DROP_REPLAY && reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t bytes[PEER_MSG_MAX + 64];

	decode(data, size, NULL);
	decode(data, size, key);

	/* Once more with the length and the HMAC put right, so that mutation reaches what lies behind them. */
	if (size < 86 || size > sizeof(bytes))
		return 0;
	memcpy(bytes, data, size);
	lb_put16(bytes + 8, (uint16_t)size);
	bytes[6] |= 0x80;
	if (lb_hmac16(key, sizeof(key), bytes, size - 16, NULL, 0, bytes + size - 16))
		decode(bytes, size, key);
	return 0;
}
