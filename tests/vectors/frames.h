/*
 * Ethernet frames that announce an address. The ARP frame is laid out as keepalived 2.2.7 sends it; the neighbour
 * advertisement follows RFC 4861 section 4.4, its checksum was computed by an independent builder.
 */
#ifndef TESTS_VECTORS_FRAMES_H
#define TESTS_VECTORS_FRAMES_H

/* 10.196.35.30 is at 02:00:00:00:00:19. */
#define VECTOR_GARP                                           \
	"ffffffffffff 020000000019 0806 0001 0800 06 04 0001" \
	"020000000019 0ac4231e ffffffffffff 0ac4231e"

/* Who has 10.196.35.30? Tell nobody (RFC 5227 probe) / tell 10.196.35.26. */
#define VECTOR_ARP_PROBE                                      \
	"ffffffffffff 02000000001a 0806 0001 0800 06 04 0001" \
	"02000000001a 00000000 000000000000 0ac4231e"
#define VECTOR_ARP_REQUEST                                    \
	"ffffffffffff 02000000001a 0806 0001 0800 06 04 0001" \
	"02000000001a 0ac4231a 000000000000 0ac4231e"

/* 2001:db8::30 is at 02:00:00:00:00:19; override, not a router. */
#define VECTOR_NA                                                                               \
	"333300000001 020000000019 86dd"                                                        \
	"60000000 0020 3a ff 20010db8000000000000000000000030 ff020000000000000000000000000001" \
	"88 00 f8b4 20000000 20010db8000000000000000000000030 02 01 020000000019"

#endif
