/*
 * A received VRRP datagram from raw bytes to an advert that this router may act on: every check of protocol.md 1.6 in
 * its fixed order, so that each drop has exactly one reason.
 *
 * vrrp_accept (vrrp_packet.h) judges a decoded advert alone; vrrp_accept_datagram is the whole way and what a receiver
 * calls. Replay is judged by the caller afterwards (vrrp_replay_ok), because the last sequence belongs to the sender.
 */
#ifndef LB_VRRP_ACCEPT_H
#define LB_VRRP_ACCEPT_H

#include <stddef.h>
#include <stdint.h>

#include <lb/vrrp_auth.h>
#include <lb/vrrp_packet.h>

/* One datagram as a raw socket gives it. Borrowed for the call. */
struct vrrp_datagram {
	uint8_t family; /* AF_INET: bytes begin with the IP header; AF_INET6: with the VRRP message */
	const uint8_t *bytes;
	size_t len;
	struct lb_addr source, destination; /* IPv6: from recvmsg; IPv4: read from the IP header instead */
	int ttl;			    /* IPv6: the hop limit, -1 unknown; IPv4: read from the IP header instead */
};

/* Keys of the HMAC extension; count 0: adverts carry no trailer, otherwise every advert must carry a valid one. */
struct vrrp_keyring {
	const struct vrrp_key *keys;
	size_t count;
};

struct vrrp_accepted {
	struct vrrp_advert advert;
	enum vrrp_checksum_form form;
	vrrp_sequence sequence; /* of the trailer; 0 without keys */
};

/*
 * Judge one datagram. VRRP_OK fills *out. For every other result out->advert.source and .destination are filled when
 * the IP header was sane (family 0 otherwise) so that a log line can name the sender; the rest is undefined.
 */
enum vrrp_drop vrrp_accept_datagram(const struct vrrp_policy *policy, const struct vrrp_keyring *keyring,
				    const struct vrrp_datagram *in, struct vrrp_accepted *out);

#endif
