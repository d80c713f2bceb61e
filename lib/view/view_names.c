#include "lib/view/view_names.h"

#include <inttypes.h>
#include <stdio.h>

const char *lb_admin_name(enum lb_admin_state admin)
{
	static const char *const names[] = {
	    [LB_ADMIN_READY] = "ready", [LB_ADMIN_DRAIN] = "drain", [LB_ADMIN_MAINT] = "maint"};

	return names[admin];
}

const char *lb_move_loss_name(enum lb_move_loss loss)
{
	static const char *const names[] = {[LB_MOVE_BOUND] = "bound-here",
					    [LB_MOVE_UNTOLD] = "untold",
					    [LB_MOVE_REFUSED] = "refused",
					    [LB_MOVE_UNRELEASED] = "not-released",
					    [LB_MOVE_NONE] = "without-move"};

	return names[loss];
}

const char *view_balance_name(enum lb_balance_kind kind)
{
	static const char *const names[] = {[LB_LEASTCONN] = "leastconn",
					    [LB_ROUNDROBIN] = "roundrobin",
					    [LB_RANDOM] = "random",
					    [LB_SOURCE] = "source",
					    [LB_FIRST] = "first"};

	return names[kind];
}

const char *view_fence_name(enum lb_fence_mode mode)
{
	static const char *const names[] = {
	    [LB_FENCE_AUTO] = "lease", [LB_FENCE_ADDRESS] = "address", [LB_FENCE_OFF] = "off"};

	return names[mode];
}

const char *view_hash_text(uint32_t hash, char buf[static VIEW_HASH_TEXT])
{
	snprintf(buf, VIEW_HASH_TEXT, "%08" PRIx32, hash);
	return buf;
}
