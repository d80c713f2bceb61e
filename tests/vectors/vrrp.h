/*
 * VRRP messages of other implementations, byte for byte. "captured": from keepalived 2.2.7; "computed": by an
 * independent builder that reproduces the captured ones; "published": by another implementation.
 */
#ifndef TESTS_VECTORS_VRRP_H
#define TESTS_VECTORS_VRRP_H

#include <lb/vrrp_packet.h>

struct vrrp_vector {
	const char *name, *hex;
	uint8_t version, vrid, priority;
	lb_duration interval;
	const char *source, *destination, *addresses[2];
	enum vrrp_checksum_form form;
	uint8_t auth_type;
	const char *auth_data; /* eight characters, NULL: zero */
};

#define VECTOR_MULTICAST "224.0.0.18"

static const struct vrrp_vector vrrp_vectors[] = {
    {.name = "v2 without authentication (captured)",
     .hex = "21339602000133660a4d00640a4d00650000000000000000",
     .version = 2,
     .vrid = 51,
     .priority = 150,
     .interval = LB_SEC(1),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100", "10.77.0.101"},
     .form = VRRP_CHECKSUM_MESSAGE  },
    {.name = "v2 with password (captured)",
     .hex = "213396020101f7190a4d00640a4d00657333637233743132",
     .version = 2,
     .vrid = 51,
     .priority = 150,
     .interval = LB_SEC(1),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100", "10.77.0.101"},
     .form = VRRP_CHECKSUM_MESSAGE,
     .auth_type = 1,
     .auth_data = "s3cr3t12"},
    {.name = "v3 multicast, pseudo header (captured)",
     .hex = "31339602006438220a4d00640a4d0065",
     .version = 3,
     .vrid = 51,
     .priority = 150,
     .interval = LB_SEC(1),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100", "10.77.0.101"},
     .form = VRRP_CHECKSUM_PSEUDO},
    {.name = "v3 unicast, pseudo header (computed)",
     .hex = "3133960200640de60a4d00640a4d0065",
     .version = 3,
     .vrid = 51,
     .priority = 150,
     .interval = LB_SEC(1),
     .source = "10.77.0.1",
     .destination = "10.77.0.2",
     .addresses = {"10.77.0.100", "10.77.0.101"},
     .form = VRRP_CHECKSUM_PSEUDO	 },
    {.name = "v3 priority 0 (captured)",
     .hex = "313300020064ce220a4d00640a4d0065",
     .version = 3,
     .vrid = 51,
     .priority = 0,
     .interval = LB_SEC(1),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100", "10.77.0.101"},
     .form = VRRP_CHECKSUM_PSEUDO},
    {.name = "v3 multicast, message only (RFC 9568)",
     .hex = "31339602006423030a4d00640a4d0065",
     .version = 3,
     .vrid = 51,
     .priority = 150,
     .interval = LB_SEC(1),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100", "10.77.0.101"},
     .form = VRRP_CHECKSUM_MESSAGE},
    {.name = "v3 documentation addresses, pseudo header (published)",
     .hex = "310ac8020064defbc0000201c0000202",
     .version = 3,
     .vrid = 10,
     .priority = 200,
     .interval = LB_SEC(1),
     .source = "192.0.2.251",
     .destination = VECTOR_MULTICAST,
     .addresses = {"192.0.2.1", "192.0.2.2"},
     .form = VRRP_CHECKSUM_PSEUDO},
    {.name = "v3 documentation addresses, message only (published)",
     .hex = "310ac8020064828ac0000201c0000202",
     .version = 3,
     .vrid = 10,
     .priority = 200,
     .interval = LB_SEC(1),
     .source = "192.0.2.251",
     .destination = VECTOR_MULTICAST,
     .addresses = {"192.0.2.1", "192.0.2.2"},
     .form = VRRP_CHECKSUM_MESSAGE},
    {.name = "v3 over IPv6 (published)",
     .hex = "310a640200643f5dfe80000000000000000000000000000120010db8000000000000000000000001",
     .version = 3,
     .vrid = 10,
     .priority = 100,
     .interval = LB_SEC(1),
     .source = "fe80::c8",
     .destination = "ff02::12",
     .addresses = {"fe80::1", "2001:db8::1"},
     .form = VRRP_CHECKSUM_PSEUDO	 },
    {.name = "v3 one address, 10 cs (computed)",
     .hex = "31339601000a43330a4d0064",
     .version = 3,
     .vrid = 51,
     .priority = 150,
     .interval = LB_MSEC(100),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100"},
     .form = VRRP_CHECKSUM_PSEUDO},
    {.name = "v3 one address, 20 cs (computed)",
     .hex = "31339601001443290a4d0064",
     .version = 3,
     .vrid = 51,
     .priority = 150,
     .interval = LB_MSEC(200),
     .source = "10.77.0.1",
     .destination = VECTOR_MULTICAST,
     .addresses = {"10.77.0.100"},
     .form = VRRP_CHECKSUM_PSEUDO},
};
#define VRRP_VECTOR_COUNT (sizeof(vrrp_vectors) / sizeof(vrrp_vectors[0]))

/* The third vector as the whole IP packet that was captured (identification 1). */
#define VECTOR_IP_PACKET "45c0002400010000ff70d0480a4d0001e0000012 31339602006438220a4d00640a4d0065"

/*
 * HMAC extension, key 00 01 .. 1f with id 1, 100 cs, VRID 51, priority 200. IPv4: from 198.51.100.10, message-only
 * checksum. IPv6: from fe80::10 to fe80::20, the checksum covers the trailer.
 */
#define VECTOR_HMAC4_MESSAGE "3133c80100644402c0000264"
#define VECTOR_HMAC4_TRAILER "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265"
#define VECTOR_HMAC6_MESSAGE "3133c8010064a2e9fe800000000000000000000000000100"
#define VECTOR_HMAC6_TRAILER "010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78"
#define VECTOR_HMAC_SEQUENCE 0x6800000080000000u

#endif
