/*
 * Which addresses are let in: allowed and denied networks, asked once per connection. Of the networks that contain an
 * address the longest prefix decides; the same network in both lists is denied. Asking costs O(log n). Pure, immutable.
 */
#ifndef LB_ADMISSION_H
#define LB_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>

#include <lb/addr.h>

struct admission; /* opaque */

/*
 * Build from two lists (copied; either may be empty). An address in none of the networks is let in unless there is an
 * allow list. NULL when memory is short.
 */
struct admission *admission_new(const struct lb_cidr *allow, size_t allow_count, const struct lb_cidr *deny,
				size_t deny_count);
/* NULL is fine. */
void admission_free(struct admission *a);

/* May this address come in? One without a family is in no network. */
bool admission_allows(const struct admission *a, const struct lb_addr *addr);

#endif
