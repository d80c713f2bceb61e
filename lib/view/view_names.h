/*
 * Words of the snapshot that both JSON and metrics use; private to lib/view.
 */
#ifndef VIEW_NAMES_H
#define VIEW_NAMES_H

#include <lb/conf.h>
#include <lb/snapshot.h>

const char *view_balance_name(enum lb_balance_kind kind);
const char *view_fence_name(enum lb_fence_mode mode);
/* The hash as people see it: eight hex digits. */
#define VIEW_HASH_TEXT 9
const char *view_hash_text(uint32_t hash, char buf[static VIEW_HASH_TEXT]);

#endif
