/*
 * Endpoints in a row as bytes: what a worker announces of its sessions, and another node reads.
 */
#ifndef SHARE_MOVE_ENDPOINT_H
#define SHARE_MOVE_ENDPOINT_H

#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>

/* version 4 or 6 (1), address (4 or 16), port (2) */
#define MOVE_ENDPOINT_MAX 19

/* Bytes written; to has room for MOVE_ENDPOINT_MAX. */
size_t move_endpoint_put(uint8_t *to, const struct lb_endpoint *endpoint);
/* Bytes used, 0: there is no endpoint. */
size_t move_endpoint_get(const uint8_t *from, size_t len, struct lb_endpoint *endpoint);

#endif
