/*
 * The configuration as plain data: what lbd.yaml says, with every default filled in.
 *
 * conf_yaml builds it from bytes, conf_check judges it (ranges, references, clashes), conf_diff compares two. Nothing
 * here is mutable state: after lb_conf_load succeeded the whole tree is read-only until lb_conf_free.
 */
#ifndef LB_CONF_H
#define LB_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/text.h>
#include <lb/time.h>

#define LB_NAME_MAX	  63 /* cluster, node, service and server names, without the NUL */
#define LB_NODES_MAX	  16
#define LB_VIPS_MAX	  32
#define LB_LISTEN_MAX	  32 /* listen entries of one service */
#define LB_SERVICES_MAX	  4096
#define LB_SERVERS_MAX	  4096 /* of one service */
#define LB_CONF_BYTES_MAX (256 * 1024)
#define LB_PATH_MAX	  4096
#define LB_EXPECT_MAX	  16

/* Where in the file a value stands; line and column count from 1; 0 = defaulted, not in the file. */
struct lb_mark {
	uint32_t line, column;
};

typedef char lb_name[LB_NAME_MAX + 1];

enum lb_protocol { LB_VRRP3, LB_VRRP2 };
enum lb_transport { LB_UNICAST, LB_MULTICAST };
enum lb_auth { LB_AUTH_NONE, LB_AUTH_HMAC, LB_AUTH_PASSWORD };
enum lb_fence_mode { LB_FENCE_AUTO, LB_FENCE_ADDRESS, LB_FENCE_OFF };
enum lb_checksum_mode { LB_CHECKSUM_AUTO, LB_CHECKSUM_PSEUDO, LB_CHECKSUM_MESSAGE };
enum lb_balance_kind { LB_LEASTCONN, LB_ROUNDROBIN, LB_RANDOM, LB_SOURCE, LB_FIRST };
enum lb_check_type { LB_CHECK_TCP, LB_CHECK_HTTP, LB_CHECK_HTTPS, LB_CHECK_AGENT };
enum lb_source_mode { LB_SOURCE_VIP, LB_SOURCE_NODE };
enum lb_proxy_header { LB_PROXY_OFF, LB_PROXY_V1, LB_PROXY_V2 };
enum lb_on_dead { LB_ON_DEAD_RESET, LB_ON_DEAD_KEEP };
enum lb_all_down { LB_ALL_DOWN_REFUSE, LB_ALL_DOWN_TRY_ALL };
enum lb_log_sessions { LB_LOG_SESSIONS_NONE, LB_LOG_SESSIONS_ABNORMAL, LB_LOG_SESSIONS_ALL };

struct lb_conf_node {
	lb_name name;
	struct lb_addr address;
	uint8_t priority; /* 1..254 */
	struct lb_mark mark;
};

struct lb_conf_vip {
	struct lb_addr address;
	char interface[16]; /* "" = the interface that carries this node's address */
	struct lb_mark mark;
};

struct lb_conf_election {
	uint8_t vrid;	      /* 1..255, never 0: a hash of the cluster name where the file says nothing */
	lb_duration interval; /* 10 ms .. 40.95 s, whole centiseconds */
	enum lb_protocol protocol;
	enum lb_transport transport;
	enum lb_auth auth;
	char password_file[LB_PATH_MAX]; /* "" = none */
	struct lb_mark password_file_mark;
	lb_duration failback; /* 0 = never */
	enum lb_fence_mode fence;
	enum lb_checksum_mode v3_checksum;
	bool detour; /* nodes that do not hear each other directly do so by way of the servers */
	struct lb_mark interval_mark, protocol_mark, auth_mark;
};

struct lb_code_range {
	uint16_t first, last;
};

struct lb_conf_check {
	enum lb_check_type type;
	char path[1024], method[16], host[256]; /* host "" = server address */
	uint16_t port;				/* 0 = server port */
	struct lb_code_range expect[LB_EXPECT_MAX], alive[LB_EXPECT_MAX];
	uint8_t expect_count, alive_count;
	char body[256]; /* "" = not looked at */
	bool verify;
	char ca_file[LB_PATH_MAX], sni[256], cert_file[LB_PATH_MAX], key_file[LB_PATH_MAX], bearer_file[LB_PATH_MAX];
	lb_duration interval, fast_interval, timeout;
	uint16_t rise, fall;
	struct lb_mark mark;
};

struct lb_conf_server {
	lb_name name;
	struct lb_endpoint address;
	uint16_t weight; /* 1..256 */
	bool backup;
	uint32_t max_connections;	   /* 0 = none */
	const struct lb_conf_check *check; /* never NULL: the server's own or the service's; owned by the conf */
	struct lb_mark mark;
};

/* One address:port where a service listens. addr.family 0 = "on every VIP". */
struct lb_conf_listen {
	struct lb_endpoint endpoint;
	struct lb_mark mark;
};

struct lb_conf_service {
	lb_name name;
	struct lb_conf_listen listen[LB_LISTEN_MAX];
	size_t listen_count;
	enum lb_balance_kind balance;
	enum lb_source_mode source;
	lb_duration connect_timeout;
	bool hedge, hedge_auto;	 /* hedge false = off; hedge_auto = 4 x smoothed connect time within 20..250 ms */
	lb_duration hedge_after; /* when !hedge_auto */
	lb_duration idle_timeout, fin_timeout; /* 0 = off */
	lb_duration keepalive_idle, keepalive_interval;
	uint8_t keepalive_count;
	lb_duration user_timeout;
	enum lb_proxy_header send_proxy;
	bool accept_proxy;
	struct lb_cidr *accept_proxy_from, *allow, *deny;
	size_t accept_proxy_from_count, allow_count, deny_count;
	uint32_t max_connections, max_connections_per_source; /* 0 = none */
	lb_duration slow_start;
	enum lb_on_dead on_dead;
	enum lb_all_down when_all_down;
	struct lb_conf_check *check; /* the service's check, never NULL after load */
	struct lb_conf_server *servers;
	size_t server_count;
	struct lb_mark mark;
};

struct lb_conf {
	lb_name cluster;
	struct lb_conf_node nodes[LB_NODES_MAX];
	size_t node_count;
	struct lb_conf_vip vips[LB_VIPS_MAX];
	size_t vip_count;
	char key_file[LB_PATH_MAX]; /* "" = none */
	struct lb_mark key_file_mark;
	uint16_t workers;	  /* 0 = auto */
	uint32_t max_connections; /* 0 = auto */
	struct lb_conf_election election;
	uint16_t peer_port;
	char admin_group[64];
	struct lb_endpoint metrics_listen; /* port 0 = off */
	uint8_t log_level;		   /* enum lb_log_level */
	enum lb_log_sessions log_connections;
	struct lb_conf_service *services;
	size_t service_count;
	uint32_t
	    hash; /* of the meaning, not the bytes: equal files that differ in comments or order of keys hash equal */
	void *arena; /* owns everything the pointers above point to; private to lib/conf */
};

/* One error of a file. message is one sentence: what was found, what was expected, what to do. */
struct lb_conf_error {
	struct lb_mark mark;
	char message[240];
};

#define LB_CONF_ERRORS_MAX 64 /* further ones are counted only */

struct lb_conf_errors {
	struct lb_conf_error list[LB_CONF_ERRORS_MAX];
	size_t count;	/* filled entries, sorted by line and column */
	size_t dropped; /* errors beyond the maximum */
};

/*
 * Parse, default and judge a file: conf_yaml, then conf_check. Returns a new configuration owned by the caller, or
 * NULL with at least one entry in *errors. bytes need not be NUL-terminated.
 */
struct lb_conf *lb_conf_load(const char *bytes, size_t len, struct lb_conf_errors *errors);
void lb_conf_free(struct lb_conf *conf);

/* First step alone: syntax and types; semantic rules are not yet judged. Same returns. */
struct lb_conf *lb_conf_parse(const char *bytes, size_t len, struct lb_conf_errors *errors);
/* Second step alone: rules over a parsed configuration. True when no error was added. */
bool lb_conf_check(const struct lb_conf *conf, struct lb_conf_errors *errors);

/* Add one error (sorted insertion, dropped when full). */
void lb_conf_errors_add(struct lb_conf_errors *errors, struct lb_mark mark, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "FILE:LINE:COL: message\n" per error. */
void lb_conf_errors_text(const struct lb_conf_errors *errors, const char *file, struct lb_text *out);

/* Index of the node that owns addr, or -1. */
int lb_conf_node_by_addr(const struct lb_conf *conf, const struct lb_addr *addr);
/* Is it one of the VIPs? */
bool lb_conf_has_vip(const struct lb_conf *conf, const struct lb_addr *addr);
const struct lb_conf_service *lb_conf_service_by_name(const struct lb_conf *conf, const char *name);
const struct lb_conf_server *lb_conf_server_by_name(const struct lb_conf_service *service, const char *name);

/*
 * Expand "on every VIP" of one service into concrete endpoints; returns how many were written to out
 * (at most LB_LISTEN_MAX * LB_VIPS_MAX), each once.
 */
size_t lb_conf_service_endpoints(const struct lb_conf *conf, const struct lb_conf_service *service,
				 struct lb_endpoint *out, size_t max);

/* The running configuration as YAML text with every default filled in; loading it again gives the same hash. */
void lb_conf_dump(const struct lb_conf *conf, struct lb_text *out);

#endif
