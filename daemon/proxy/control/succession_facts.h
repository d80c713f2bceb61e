/*
 * What the heir of a proxy must know beside the sessions: health, orders and counters of every service and server, as
 * facts (lb/succession.h). Control thread only.
 */
#ifndef CONTROL_SUCCESSION_FACTS_H
#define CONTROL_SUCCESSION_FACTS_H

#include "daemon/proxy/control/roster.h"

/* All of them in a row; *count and *size are filled in, free the result. */
uint8_t *succession_facts_tell(const struct roster *roster, uint32_t *count, size_t *size);
/* Believe them; the workers stand still. What is not in the roster is passed over. False: they cannot be read. */
bool succession_facts_take(const struct roster *roster, const uint8_t *bytes, size_t size, uint32_t count);

#endif
