#include <lb/arp_frame.h>

#include <string.h>

#include <lb/bytes.h>

enum {
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IPV4 = 0x0800,
	HARDWARE_ETHERNET = 1,
	OPERATION_REQUEST = 1,
};

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* What goes into the four variable fields of a broadcast request; sender and target are IPv4 addresses as on the wire.
 */
struct request {
	const uint8_t *mac, *target_mac, *sender, *target;
};

static void put_request(const struct request *r, uint8_t *out)
{
	static const uint8_t fixed[] = {0x08, 0x06, 0x00, 0x01, 0x08, 0x00, 6, 4, 0x00, OPERATION_REQUEST};

	memset(out, 0, ARP_FRAME_BYTES);
	memcpy(out, broadcast, 6);
	memcpy(out + 6, r->mac, 6);
	memcpy(out + 12, fixed, sizeof(fixed));
	memcpy(out + 22, r->mac, 6);
	memcpy(out + 28, r->sender, 4);
	memcpy(out + 32, r->target_mac, 6);
	memcpy(out + 38, r->target, 4);
}

void arp_announce(const uint8_t mac[6], const struct lb_addr *vip, uint8_t out[static ARP_FRAME_BYTES])
{
	put_request(&(struct request){.mac = mac, .target_mac = broadcast, .sender = vip->bytes, .target = vip->bytes},
		    out);
}

void arp_request(const uint8_t mac[6], const struct lb_addr *sender, const struct lb_addr *target,
		 uint8_t out[static ARP_FRAME_BYTES])
{
	static const uint8_t unknown[6], unspecified[4];
	const uint8_t *from = sender && sender->family == AF_INET ? sender->bytes : unspecified;

	put_request(&(struct request){.mac = mac, .target_mac = unknown, .sender = from, .target = target->bytes}, out);
}

bool arp_decode(const uint8_t *frame, size_t len, struct arp_packet *out)
{
	/* Ethernet pads to 60 bytes, so more than 42 is usual. */
	if (len < ARP_FRAME_BYTES)
		return false;
	if (lb_get16(frame + 12) != ETHERTYPE_ARP)
		return false;
	if (lb_get16(frame + 14) != HARDWARE_ETHERNET || lb_get16(frame + 16) != ETHERTYPE_IPV4)
		return false;
	if (frame[18] != 6 || frame[19] != 4)
		return false;

	*out = (struct arp_packet){.operation = lb_get16(frame + 20)};
	memcpy(out->sender_mac, frame + 22, 6);
	memcpy(out->target_mac, frame + 32, 6);
	out->sender.family = out->target.family = AF_INET;
	memcpy(out->sender.bytes, frame + 28, 4);
	memcpy(out->target.bytes, frame + 38, 4);
	return true;
}
