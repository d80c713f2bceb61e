/* What lbctl's doctor says of facts that are well and of facts that are not. */
#include <check.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lbctl/doctor.h"

#define NEEDED (INT64_C(1) << CAP_NET_ADMIN | INT64_C(1) << CAP_NET_RAW | INT64_C(1) << CAP_NET_BIND_SERVICE)

static enum doctor_level verdict(struct doctor *d, const char *sentence)
{
	struct lb_text out = {0};
	enum doctor_level level = doctor_text(d, false, &out);

	ck_assert_msg(strstr(lb_text_str(&out), sentence) != NULL, "no \"%s\" in\n%s", sentence, lb_text_str(&out));
	lb_text_free(&out);
	doctor_free(d);
	return level;
}

/* A healthy backup whose peer is heard; one member of it or of the peer changed. */
static struct doctor *of_status(const char *key, json_t *value, bool of_peer)
{
	json_t *peer = json_pack("{s:s,s:s,s:b,s:f,s:b,s:b}", "name", "k8s-lb-2", "role", "active", "heard", true,
				 "heard_ms", 12.0, "hears_us", true, "can_serve", true);
	json_t *status = json_pack("{s:s,s:s,s:b,s:b,s:n,s:[o]}", "role", "backup", "fence", "lease", "foreign_owner",
				   false, "authenticated", true, "obstacle", "nodes", peer);
	struct doctor *d = doctor_new();
	json_t *config;

	if (key)
		json_object_set_new(of_peer ? peer : status, key, value);
	config = json_pack("{s:i}", "peer_port", 8651);
	doctor_config(d, config);
	json_decref(config);
	doctor_status(d, status);
	json_decref(status);
	return d;
}

START_TEST(healthy)
{
	ck_assert_int_eq(verdict(of_status(NULL, NULL, false), "heard 12 ms ago and hears this node"), DOCTOR_OK);
}
END_TEST

START_TEST(daemon_is_not_well)
{
	ck_assert_int_eq(verdict(of_status("heard", json_false(), true), "peer k8s-lb-2   not heard"), DOCTOR_BAD);
	ck_assert_int_eq(verdict(of_status("hears_us", json_false(), true), "does not hear this node"), DOCTOR_BAD);
	ck_assert_int_eq(verdict(of_status("foreign_owner", json_true(), false), "somebody else answers"), DOCTOR_BAD);
	ck_assert_int_eq(verdict(of_status("obstacle", json_string("link-down"), false), "backup: link-down"),
			 DOCTOR_BAD);
	ck_assert_int_eq(verdict(of_status("fence", json_string("address"), false), "only the lifetime"),
			 DOCTOR_WARNING);
	ck_assert_int_eq(verdict(of_status("authenticated", json_false(), false), "key_file is not set"),
			 DOCTOR_WARNING);
}
END_TEST

static enum doctor_level of_process(int64_t files, int64_t capabilities, const char *sentence)
{
	struct doctor *d = doctor_new();

	doctor_process(d, &(struct doctor_process){.files = files, .sessions = 448, .capabilities = capabilities});
	return verdict(d, sentence);
}

START_TEST(backup_says_what_it_knows)
{
	ck_assert_int_eq(verdict(of_status(NULL, NULL, false), "ready for when this node owns the VIP"), DOCTOR_OK);
	ck_assert_int_eq(verdict(of_status("owner", json_string("k8s-lb-2"), false), "owned by k8s-lb-2"), DOCTOR_OK);
	ck_assert_int_eq(verdict(of_status("role", json_string("backup"), true), "nobody owns the VIP"), DOCTOR_BAD);
	ck_assert_int_eq(verdict(of_status("heard", json_false(), true), "UDP port 8651"), DOCTOR_BAD);
}
END_TEST

START_TEST(a_full_accept_queue_is_told)
{
	json_t *services = json_pack("[{s:s,s:i},{s:s,s:i}]", "name", "kube-api", "queue_dropped", 7, "name", "web",
				     "queue_dropped", 0);
	struct doctor *d = of_status("services", services, false);
	struct lb_text out = {0};

	doctor_text(d, false, &out);
	ck_assert_ptr_nonnull(strstr(lb_text_str(&out), "kube-api: 7 connections were dropped"));
	ck_assert_ptr_null(strstr(lb_text_str(&out), "web: 0"));
	lb_text_free(&out);
	ck_assert_int_ge(verdict(d, "raise net.core.somaxconn"), DOCTOR_WARNING);
}
END_TEST

START_TEST(findings_as_json)
{
	struct doctor *d = of_status("standby", json_true(), true);
	struct lb_text out = {0};
	json_t *answer;

	ck_assert_int_eq(doctor_json(d, &out), DOCTOR_BAD);
	answer = json_loads(lb_text_str(&out), 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(answer, "level")), "bad");
	ck_assert_uint_ge(json_array_size(json_object_get(answer, "findings")), 5);
	ck_assert_ptr_nonnull(strstr(lb_text_str(&out), "k8s-lb-2 is on standby"));
	json_decref(answer);
	lb_text_free(&out);
	doctor_free(d);
}
END_TEST

START_TEST(process)
{
	ck_assert_int_eq(of_process(1048576, NEEDED, "and no other"), DOCTOR_OK);
	ck_assert_int_eq(of_process(1024, NEEDED, "at most 448 sessions at a time"), DOCTOR_WARNING);
	ck_assert_int_eq(of_process(1048576, NEEDED | INT64_C(1) << CAP_SYS_ADMIN, "more than it needs"),
			 DOCTOR_WARNING);
	ck_assert_int_eq(of_process(-1, NEEDED & ~(INT64_C(1) << CAP_NET_RAW), "lacks some"), DOCTOR_BAD);
	ck_assert_int_eq(of_process(-1, -1, ""), DOCTOR_OK);
}
END_TEST

START_TEST(kernel)
{
	struct doctor *d = doctor_new();

	doctor_kernel(d, &(struct doctor_kernel){.first_port = 32768, .last_port = 60999, .backlog = 4096});
	doctor_interface(d, "eth0", 1);
	ck_assert_int_eq(verdict(d, "28232 for connections to one server (net.ipv4.ip_local_port_range), each free "
				    "again 60 s after its use (1 s with net.ipv4.tcp_tw_reuse=1)"),
			 DOCTOR_OK);
	d = doctor_new();
	doctor_kernel(d,
		      &(struct doctor_kernel){.first_port = 32768, .last_port = 60999, .backlog = 4096, .tw_reuse = 1});
	ck_assert_int_eq(verdict(d, "each free again 1 s after its use"), DOCTOR_OK);
	d = doctor_new();
	doctor_kernel(d, &(struct doctor_kernel){.first_port = 60000, .last_port = 60999, .backlog = -1});
	ck_assert_int_eq(verdict(d, "1000 for connections"), DOCTOR_WARNING);
	d = doctor_new();
	doctor_interface(d, "eth0", 8);
	ck_assert_int_eq(verdict(d, "eth0 answers for no address"), DOCTOR_BAD);
}
END_TEST

static enum doctor_level of_certificate(const char *key, const char *ends, const char *sentence)
{
	json_t *status = json_pack("{s:[{s:s,s:[{s:s,s:{s:n}},{s:s,s:{s:s}}]}]}", "services", "name", "kube-api",
				   "servers", "name", "m1", "check", key, "name", "m2", "check", key, ends);
	struct doctor *d = doctor_new();

	/* 2026-01-01T00:00:00Z */
	doctor_certificates(d, status, 1767225600.);
	json_decref(status);
	return verdict(d, sentence);
}

START_TEST(certificates)
{
	ck_assert_int_eq(
	    of_certificate("certificate_ends", "2026-02-10T00:00:00.000Z", "kube-api/m2 ends first, in 40 days"),
	    DOCTOR_OK);
	ck_assert_int_eq(of_certificate("certificate_ends", "2026-01-11T00:00:00.000Z", "in 10 days"), DOCTOR_WARNING);
	ck_assert_int_eq(of_certificate("client_certificate_ends", "2025-12-30T00:00:00.000Z",
					"client certificate for kube-api/m2 ended 2 days ago"),
			 DOCTOR_BAD);
}
END_TEST

#define FILE_WITH(more)                                                                  \
	"cluster: k8s\nnodes: {n1: 192.0.2.1, n2: 192.0.2.2}\nvips: [192.0.2.30]\n" more \
	"services:\n  web: {listen: 80, servers: {a: 192.0.2.11:80}}\n"                  \
	"  here: {listen: \"0.0.0.0:81\", servers: {a: 192.0.2.11:80}}\n"

/* What doctor says where one socket beside lbd's is there. */
static enum doctor_level of_socket(const char *file, const char *at, struct ports_socket socket, const char *sentence)
{
	struct lb_conf_errors errors = {0};
	struct lb_conf *conf = lb_conf_load(file, strlen(file), &errors);
	struct ports_list list = {.sockets = &socket, .count = 1};
	struct doctor *d = doctor_new();

	ck_assert_msg(conf != NULL, "%s", errors.list[0].message);
	ck_assert(lb_endpoint_parse(at, &socket.at));
	doctor_ports(d, conf, &list);
	lb_conf_free(conf);
	return verdict(d, sentence);
}

#define WELL "no other program has one of lbd's"

START_TEST(ports_of_others)
{
	static const char plain[] = FILE_WITH(""),
			  all[] = FILE_WITH("key_file: /k\nmetrics: {listen: 127.0.0.1:9100}\n");
	const struct ports_socket nginx = {.pid = 7, .name = "nginx"}, own = {.pid = 8, .name = "lbd", .own = true},
				  six = {.pid = 7, .name = "nginx", .v6_only = true}, udp = {.udp = true, .uid = 33};

	ck_assert_int_eq(
	    of_socket(plain, "192.0.2.30:80", nginx,
		      "bad  listening ports  service web, TCP 192.0.2.30:80: nginx (pid 7) has 192.0.2.30:80"),
	    DOCTOR_BAD);
	ck_assert_int_eq(of_socket(plain, "0.0.0.0:80", nginx, "TCP 192.0.2.30:80: nginx (pid 7) has 0.0.0.0:80"),
			 DOCTOR_BAD);
	ck_assert_int_eq(of_socket(plain, "0.0.0.0:80", nginx, "  why: lbd neither starts nor reloads while"),
			 DOCTOR_BAD);
	/* [::] takes IPv4, too, unless it says otherwise. */
	ck_assert_int_eq(of_socket(plain, "[::]:80", nginx, "TCP 192.0.2.30:80: nginx (pid 7) has [::]:80"),
			 DOCTOR_BAD);
	ck_assert_int_eq(of_socket(plain, "[::]:80", six, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "[::]:81", six, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "192.0.2.1:81", nginx, "service here, TCP 0.0.0.0:81"), DOCTOR_BAD);
	ck_assert_int_eq(of_socket(all, "0.0.0.0:8650", udp, "peer_port, UDP 192.0.2.1:8650: a program of uid 33 has"),
			 DOCTOR_BAD);
	ck_assert_int_eq(of_socket(all, "192.0.2.1:8650", nginx, "peer_port, TCP 192.0.2.1:8650"), DOCTOR_BAD);
	ck_assert_int_eq(of_socket(all, "0.0.0.0:9100", nginx, "metrics.listen, TCP 127.0.0.1:9100"), DOCTOR_BAD);

	/* lbd's own, another address, another port, another protocol, what lbd does not open. */
	ck_assert_int_eq(of_socket(plain, "192.0.2.30:80", own, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "192.0.2.1:80", nginx, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "192.0.2.30:8080", nginx, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "192.0.2.30:80", udp, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "192.0.2.1:8650", nginx, WELL), DOCTOR_OK);
	ck_assert_int_eq(of_socket(plain, "0.0.0.0:9100", nginx, WELL), DOCTOR_OK);
}
END_TEST

/* Each that is not well says why it matters and what to do. */
START_TEST(advice)
{
	json_t *refused = json_pack("{s:s}", "reason", "lbd.yaml:3:1: unknown key");

	ck_assert_int_eq(verdict(of_status("reload_refused", refused, false),
				 "\nwarning: reload: the last one was refused: lbd.yaml:3:1: unknown key\n  why: the "
				 "running configuration is older"),
			 DOCTOR_WARNING);
	ck_assert_int_eq(verdict(of_status("heard", json_false(), true), "  do:  is lbd running there"), DOCTOR_BAD);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lbctl doctor");
	TCase *tc = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, healthy);
	tcase_add_test(tc, daemon_is_not_well);
	tcase_add_test(tc, backup_says_what_it_knows);
	tcase_add_test(tc, a_full_accept_queue_is_told);
	tcase_add_test(tc, findings_as_json);
	tcase_add_test(tc, process);
	tcase_add_test(tc, kernel);
	tcase_add_test(tc, certificates);
	tcase_add_test(tc, ports_of_others);
	tcase_add_test(tc, advice);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
