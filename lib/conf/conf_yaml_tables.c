/*
 * Every key of lbd.yaml: where it is stored, what it may be, what it is when the file says nothing. Defaults are
 * written as in the file and read by the same functions.
 */
#include <lb/log.h>

#include "lib/conf/conf_yaml.h"

#define AT(object, member) .offset = offsetof(object, member), .size = sizeof(((object *)0)->member)
#define NUMBER(lowest, highest, word)                                                 \
	.type = &conf_yaml_type_number, .of.number = &(const struct conf_yaml_number) \
	{                                                                             \
		.min = (lowest), .max = (highest), .unset = (word)                    \
	}
#define DURATION(shortest, longest, ...)                                                    \
	.type = &conf_yaml_type_duration, .of.duration = &(const struct conf_yaml_duration) \
	{                                                                                   \
		.min = (shortest), .max = (longest), __VA_ARGS__                            \
	}
#define WORDS(list) .type = &conf_yaml_type_word, .of.words = (list)
#define BOOL	    .type = &conf_yaml_type_bool
#define TEXT(kind)  .type = &conf_yaml_type_text, .of.text = &(kind)
#define CIDRS(member, counter, word)                                                       \
	.type = &conf_yaml_type_cidrs, .offset = offsetof(struct lb_conf_service, member), \
	.of.list = &(const struct conf_yaml_list)                                          \
	{                                                                                  \
		.count_offset = offsetof(struct lb_conf_service, counter), .unset = (word) \
	}
#define CODES(member, counter, empty)                                                            \
	.type = &conf_yaml_type_codes, .offset = offsetof(struct lb_conf_check, member),         \
	.of.list = &(const struct conf_yaml_list)                                                \
	{                                                                                        \
		.count_offset = offsetof(struct lb_conf_check, counter), .may_be_empty = (empty) \
	}

#define CONNECTIONS_MAX 10000000

/* ---- words ---- */

static const struct conf_yaml_word protocols[] = {
    {"vrrp3", LB_VRRP3},
    {"vrrp2", LB_VRRP2},
    {NULL,	   0	    },
};
static const struct conf_yaml_word transports[] = {
    {"unicast",	LB_UNICAST  },
    {"multicast", LB_MULTICAST},
    {NULL,	   0	    },
};
static const struct conf_yaml_word auths[] = {
    {"none",     LB_AUTH_NONE	 },
    {"hmac",     LB_AUTH_HMAC	 },
    {"password", LB_AUTH_PASSWORD},
    {NULL,	   0	       },
};
static const struct conf_yaml_word fences[] = {
    {"auto",    LB_FENCE_AUTO	  },
    {"address", LB_FENCE_ADDRESS},
    {"off",	    LB_FENCE_OFF	},
    {NULL,	   0	       },
};
static const struct conf_yaml_word checksums[] = {
    {"auto",    LB_CHECKSUM_AUTO   },
    {"pseudo",  LB_CHECKSUM_PSEUDO },
    {"message", LB_CHECKSUM_MESSAGE},
    {NULL,	   0		  },
};
static const struct conf_yaml_word log_levels[] = {
    {"error",   LB_LOG_ERROR  },
    {"warning", LB_LOG_WARNING},
	  {"notice",  LB_LOG_NOTICE },
    {"info",    LB_LOG_INFO	},
    {"debug",   LB_LOG_DEBUG  },
	  {NULL,	 0		  },
};
static const struct conf_yaml_word log_connections[] = {
    {"none",     LB_LOG_SESSIONS_NONE	 },
    {"abnormal", LB_LOG_SESSIONS_ABNORMAL},
    {"all",	    LB_LOG_SESSIONS_ALL     },
    {NULL,	   0		       },
};
static const struct conf_yaml_word balances[] = {
    {"leastconn",  LB_LEASTCONN },
	 {"roundrobin", LB_ROUNDROBIN},
	{"random",	   LB_RANDOM    },
    {"source",     LB_SOURCE	},
	 {"first",	   LB_FIRST	   },
	{NULL,	       0		},
};
static const struct conf_yaml_word sources[] = {
    {"vip",  LB_SOURCE_VIP },
    {"node", LB_SOURCE_NODE},
    {NULL,   0	     },
};
static const struct conf_yaml_word proxy_headers[] = {
    {"off", LB_PROXY_OFF},
    {"v1",  LB_PROXY_V1 },
    {"v2",  LB_PROXY_V2 },
    {NULL,  0	    },
};
static const struct conf_yaml_word on_dead[] = {
    {"reset", LB_ON_DEAD_RESET},
    {"keep",  LB_ON_DEAD_KEEP },
    {NULL,	   0	       },
};
static const struct conf_yaml_word all_down[] = {
    {"refuse",  LB_ALL_DOWN_REFUSE },
    {"try_all", LB_ALL_DOWN_TRY_ALL},
    {NULL,	   0		  },
};
static const struct conf_yaml_word check_types[] = {
    {"tcp",   LB_CHECK_TCP	},
	   {"http",  LB_CHECK_HTTP },
    {"https", LB_CHECK_HTTPS},
    {"agent", LB_CHECK_AGENT},
	  {NULL,	 0		  },
};

/* ---- texts ---- */

static const struct conf_yaml_text cluster = {
    .good = conf_yaml_good_cluster,
    .expected = "1 to 63 of a-z, 0-9 and \"-\"",
};
static const struct conf_yaml_text group = {
    .good = conf_yaml_good_name,
    .expected = "the name of a group",
};
static const struct conf_yaml_text path = {
    .good = conf_yaml_good_path,
    .expected = "an absolute path",
    .unset = "none",
};
static const struct conf_yaml_text trust = {
    .good = conf_yaml_good_path,
    .expected = "an absolute path",
    .unset = "system",
};
static const struct conf_yaml_text interface = {
    .good = conf_yaml_good_interface,
    .expected = "the name of an interface",
    .unset = "",
};
static const struct conf_yaml_text target = {
    .good = conf_yaml_good_target,
    .expected = "a path that begins with \"/\" and has no blanks",
};
static const struct conf_yaml_text method = {
    .good = conf_yaml_good_method,
    .expected = "an HTTP method in capitals, e.g. GET or HEAD",
};
static const struct conf_yaml_text host = {
    .good = conf_yaml_good_host,
    .expected = "a host name",
    .unset = "",
};
static const struct conf_yaml_text body = {
    .good = conf_yaml_good_body,
    .expected = "a text",
    .unset = "",
};

/* ---- the tables ---- */

/* One key a line reads better than what a formatter makes of it. */
/* clang-format off */

#define G(member)    AT(struct lb_conf, member)
#define MARK(member) .mark = offsetof(struct lb_conf, member)

static const struct conf_yaml_key global_keys[] = {
    {"cluster", G(cluster), TEXT(cluster), .example = "cluster: k8s", .needs_restart = true},
    {"nodes", .type = &conf_yaml_type_nodes, .example = "nodes: {k8s-lb-1: 10.196.35.25, k8s-lb-2: 10.196.35.26}"},
    {"vips", .type = &conf_yaml_type_vips, .example = "vips: [10.196.35.30]"},
    {"key_file", G(key_file), TEXT(path), .fallback = "none", MARK(key_file_mark), .needs_restart = true},
    {"workers", G(workers), NUMBER(1, 64, "auto"), .fallback = "auto", .needs_restart = true},
    {"max_connections", G(max_connections), NUMBER(1, CONNECTIONS_MAX, "auto"), .fallback = "auto"},
    {"election.vrid", G(election.vrid), NUMBER(1, 255, NULL), .needs_restart = true},
    {"election.interval", G(election.interval), DURATION("10ms", "40.95s", .step = "10ms"), .fallback = "100ms",
     MARK(election.interval_mark)},
    {"election.protocol", G(election.protocol), WORDS(protocols), .fallback = "vrrp3", MARK(election.protocol_mark),
     .needs_restart = true},
    {"election.transport", G(election.transport), WORDS(transports), .fallback = "unicast", .needs_restart = true},
    {"election.auth", G(election.auth), WORDS(auths), MARK(election.auth_mark), .needs_restart = true},
    {"election.password_file", G(election.password_file), TEXT(path), .fallback = "none",
     MARK(election.password_file_mark), .needs_restart = true},
    {"election.failback", G(election.failback), DURATION("100ms", "24h", .unset = "never"), .fallback = "never"},
    {"election.fence", G(election.fence), WORDS(fences), .fallback = "auto", .needs_restart = true},
    {"election.v3_checksum", G(election.v3_checksum), WORDS(checksums), .fallback = "auto"},
    {"election.detour", G(election.detour), BOOL, .fallback = "true"},
    {"peer_port", G(peer_port), NUMBER(1, 65535, NULL), .fallback = "8650", .needs_restart = true},
    {"admin.group", G(admin_group), TEXT(group), .fallback = "lbd", .needs_restart = true},
    {"metrics.listen", G(metrics_listen), .type = &conf_yaml_type_endpoint_or_off, .fallback = "off",
     .needs_restart = true},
    {"log.level", G(log_level), WORDS(log_levels), .fallback = "info"},
    {"log.connections", G(log_connections), WORDS(log_connections), .fallback = "abnormal"},
    {"services", .type = &conf_yaml_type_services,
     .example = "services: {kube-api: {listen: 6443, servers: {k8s-master-1: 10.196.35.20:6443}}}"},
};

static const struct conf_yaml_key node_keys[] = {
    {"address", AT(struct lb_conf_node, address), .type = &conf_yaml_type_address, .example = "address: 10.196.35.25",
     .needs_restart = true},
    {"priority", AT(struct lb_conf_node, priority), NUMBER(1, 254, NULL)},
};

static const struct conf_yaml_key vip_keys[] = {
    {"address", AT(struct lb_conf_vip, address), .type = &conf_yaml_type_address, .example = "address: 10.196.35.30"},
    {"interface", AT(struct lb_conf_vip, interface), TEXT(interface), .fallback = ""},
};

#define S(member) AT(struct lb_conf_service, member)

static const struct conf_yaml_key service_keys[] = {
    {"listen", .type = &conf_yaml_type_listen, .example = "listen: 6443"},
    {"balance", S(balance), WORDS(balances), .fallback = "leastconn"},
    {"source", S(source), WORDS(sources), .fallback = "vip"},
    {"connect_timeout", S(connect_timeout), DURATION("10ms", "1m"), .fallback = "1s"},
    {"hedge_after", .type = &conf_yaml_type_hedge, .fallback = "auto"},
    {"idle_timeout", S(idle_timeout), DURATION("100ms", "168h", .unset = "0"), .fallback = "0"},
    {"fin_timeout", S(fin_timeout), DURATION("100ms", "24h", .unset = "0"), .fallback = "30s"},
    {"keepalive", .type = &conf_yaml_type_keepalive, .fallback = "20s/5s/3"},
    {"user_timeout", S(user_timeout), DURATION("100ms", "24h", .step = "1ms", .unset = "0"), .fallback = "30s"},
    {"send_proxy", S(send_proxy), WORDS(proxy_headers), .fallback = "off"},
    {"accept_proxy", S(accept_proxy), BOOL, .fallback = "false"},
    {"accept_proxy_from", CIDRS(accept_proxy_from, accept_proxy_from_count, "none"), .fallback = "none"},
    {"allow", CIDRS(allow, allow_count, "all"), .fallback = "all"},
    {"deny", CIDRS(deny, deny_count, "none"), .fallback = "none"},
    {"max_connections", S(max_connections), NUMBER(1, CONNECTIONS_MAX, "none"), .fallback = "none"},
    {"max_connections_per_source", S(max_connections_per_source), NUMBER(1, CONNECTIONS_MAX, "none"),
     .fallback = "none"},
    {"slow_start", S(slow_start), DURATION("100ms", "1h", .unset = "0"), .fallback = "10s"},
    {"on_dead", S(on_dead), WORDS(on_dead), .fallback = "reset"},
    {"when_all_down", S(when_all_down), WORDS(all_down), .fallback = "refuse"},
    {"check", .type = &conf_yaml_type_check},
    {"servers", .type = &conf_yaml_type_servers, .example = "servers: {k8s-master-1: 10.196.35.20:6443}"},
};

static const struct conf_yaml_key server_keys[] = {
    {"address", AT(struct lb_conf_server, address), .type = &conf_yaml_type_endpoint,
     .example = "address: 10.196.35.20:6443"},
    {"weight", AT(struct lb_conf_server, weight), NUMBER(1, 256, NULL), .fallback = "100"},
    {"backup", AT(struct lb_conf_server, backup), BOOL, .fallback = "false"},
    {"max_connections", AT(struct lb_conf_server, max_connections), NUMBER(1, CONNECTIONS_MAX, "none"),
     .fallback = "none"},
    {"check", .type = &conf_yaml_type_check},
};

#define C(member)  AT(struct lb_conf_check, member)
#define ANY_HTTP   .check_types = 1U << LB_CHECK_HTTP | 1U << LB_CHECK_HTTPS
#define HTTPS_ONLY .check_types = 1U << LB_CHECK_HTTPS

static const struct conf_yaml_key check_keys[] = {
    {"type", C(type), WORDS(check_types), .fallback = "tcp"},
    {"path", C(path), TEXT(target), .fallback = "/", ANY_HTTP},
    {"method", C(method), TEXT(method), .fallback = "GET", ANY_HTTP},
    {"host", C(host), TEXT(host), .fallback = "", ANY_HTTP},
    {"port", C(port), NUMBER(1, 65535, "server"), .fallback = "server"},
    {"expect", CODES(expect, expect_count, false), .fallback = "200", ANY_HTTP},
    {"alive", CODES(alive, alive_count, true), .fallback = "401, 403, 429", ANY_HTTP},
    {"body", C(body), TEXT(body), .fallback = "", ANY_HTTP},
    {"verify", C(verify), BOOL, .fallback = "true", HTTPS_ONLY},
    {"ca_file", C(ca_file), TEXT(trust), .fallback = "system", HTTPS_ONLY},
    {"sni", C(sni), TEXT(host), .fallback = "", HTTPS_ONLY},
    {"cert_file", C(cert_file), TEXT(path), .fallback = "none", HTTPS_ONLY},
    {"key_file", C(key_file), TEXT(path), .fallback = "none", HTTPS_ONLY},
    {"bearer_file", C(bearer_file), TEXT(path), .fallback = "none", HTTPS_ONLY},
    {"interval", C(interval), DURATION("10ms", "1h"), .fallback = "2s"},
    {"fast_interval", C(fast_interval), DURATION("10ms", "1h"), .fallback = "500ms"},
    {"timeout", C(timeout), DURATION("10ms", "1m"), .fallback = "1500ms"},
    {"rise", C(rise), NUMBER(1, 1000, NULL), .fallback = "2"},
    {"fall", C(fall), NUMBER(1, 1000, NULL), .fallback = "3"},
};

#define TABLE(list, name, place)                                                                                       \
	{                                                                                                              \
		.keys = (list), .count = sizeof(list) / sizeof((list)[0]), .what = (name), .under = (place)            \
	}

static const struct conf_yaml_table tables[LB_CONF_OBJECTS_] = {
    [LB_CONF_GLOBAL] = TABLE(global_keys, "the file", "the top level"),
    [LB_CONF_NODE] = TABLE(node_keys, "node", "a node"),
    [LB_CONF_VIP] = TABLE(vip_keys, "vip", "a vip"),
    [LB_CONF_SERVICE] = TABLE(service_keys, "service", "a service"),
    [LB_CONF_SERVER] = TABLE(server_keys, "server", "a server"),
    [LB_CONF_CHECK] = TABLE(check_keys, "check", "check"),
};

/* clang-format on */

const struct conf_yaml_table *conf_yaml_table(enum lb_conf_object object)
{
	return &tables[object];
}
