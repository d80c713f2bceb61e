/*
 * One rtnetlink message into a plain struct; shared by requests and the monitor.
 */
#ifndef SYS_RTNL_PARSE_H
#define SYS_RTNL_PARSE_H

#include <libmnl/libmnl.h>

#include "daemon/sys/rtnl.h"

/* False: not a whole message of that kind, or not about an address or link that matters. */
bool rtnl_parse_link(const struct nlmsghdr *nlh, struct rtnl_link *out);
bool rtnl_parse_address(const struct nlmsghdr *nlh, struct rtnl_address *out);

#endif
