#include "daemon/sys/rtnl_parse.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

static int on_link_attr(const struct nlattr *attr, void *data)
{
	struct rtnl_link *out = data;

	switch (mnl_attr_get_type(attr)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ||
		    mnl_attr_get_payload_len(attr) > sizeof(out->name))
			return MNL_CB_ERROR;
		memcpy(out->name, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
		break;
	case IFLA_ADDRESS:
		out->has_mac = mnl_attr_get_payload_len(attr) == sizeof(out->mac);
		if (out->has_mac)
			memcpy(out->mac, mnl_attr_get_payload(attr), sizeof(out->mac));
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

bool rtnl_parse_link(const struct nlmsghdr *nlh, struct rtnl_link *out)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info) || info->ifi_index <= 0)
		return false;
	*out = (struct rtnl_link){
	    .index = (unsigned)info->ifi_index,
	    .up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING),
	};
	return mnl_attr_parse(nlh, sizeof(*info), on_link_attr, out) == MNL_CB_OK && out->name[0] != '\0';
}

struct address_attrs {
	const struct nlattr *address, *local, *cacheinfo, *proto;
};

static int on_address_attr(const struct nlattr *attr, void *data)
{
	struct address_attrs *out = data;

	switch (mnl_attr_get_type(attr)) {
	case IFA_ADDRESS:
		out->address = attr;
		break;
	case IFA_LOCAL:
		out->local = attr;
		break;
	case IFA_CACHEINFO:
		out->cacheinfo = attr;
		break;
	case IFA_PROTO:
		out->proto = attr;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

bool rtnl_parse_address(const struct nlmsghdr *nlh, struct rtnl_address *out)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	struct address_attrs attrs = {0};

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*info) ||
	    mnl_attr_parse(nlh, sizeof(*info), on_address_attr, &attrs) != MNL_CB_OK)
		return false;

	/* IFA_LOCAL is the host's own address where the two differ (point to point). */
	const struct nlattr *own = attrs.local ? attrs.local : attrs.address;
	*out = (struct rtnl_address){
	    .address.family = info->ifa_family,
	    .ifindex = info->ifa_index,
	    .prefix = info->ifa_prefixlen,
	    .valid_seconds = RTNL_FOREVER,
	};
	if (!own || lb_addr_size(&out->address) == 0 || mnl_attr_get_payload_len(own) != lb_addr_size(&out->address))
		return false;
	memcpy(out->address.bytes, mnl_attr_get_payload(own), lb_addr_size(&out->address));

	if (attrs.cacheinfo && mnl_attr_get_payload_len(attrs.cacheinfo) >= sizeof(struct ifa_cacheinfo))
		out->valid_seconds = ((const struct ifa_cacheinfo *)mnl_attr_get_payload(attrs.cacheinfo))->ifa_valid;
	out->tagged = attrs.proto && mnl_attr_get_payload_len(attrs.proto) == 1 &&
		      mnl_attr_get_u8(attrs.proto) == RTNL_ADDRESS_TAG;
	return true;
}
