/* The picture as JSON and metrics: literal texts, and the rules of the exposition format. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include <lb/view.h>

/* 2026-01-01T10:00:00.123Z */
#define MORNING (1767261600123000000)

static struct lb_endpoint listen_at;
static struct lb_snapshot_server server;
static struct lb_snapshot_service service;
static struct lb_snapshot picture;

static void setup(void)
{
	lb_endpoint_parse("10.196.35.30:6443", &listen_at);
	server = (struct lb_snapshot_server){.name = "k8s-master-1",
					     .state = HEALTH_UP,
					     .weight = 100,
					     .effective_weight = 50,
					     .sessions = 137,
					     .bytes_in = 5,
					     .connect_time = LB_USEC(310),
					     .reason = HEALTH_REASON_CHECK_PASSED,
					     .since = MORNING,
					     .check_result = "200",
					     .check_duration = LB_USEC(3100)};
	lb_endpoint_parse("10.196.35.20:6443", &server.address);
	service = (struct lb_snapshot_service){.name = "kube-api",
					       .listen = &listen_at,
					       .listen_count = 1,
					       .balance = LB_LEASTCONN,
					       .sessions = 412,
					       .servers = &server,
					       .server_count = 1};
	picture = (struct lb_snapshot){.cluster = "k8s",
				       .node = "k8s-lb-1",
				       .version = "0.1.0",
				       .config_hash = 0x7f3a21c0,
				       .uptime = LB_MSEC(4211200),
				       .services = &service,
				       .service_count = 1};
	picture.keeper = (struct lb_snapshot_keeper){.role = VRRP_ACTIVE,
						     .reason = VRRP_REASON_ACTIVE_DOWN_TIMER,
						     .since = MORNING,
						     .owner = "k8s-lb-1",
						     .node_count = 2,
						     .vip_count = 1};
	picture.keeper.vips[0] = (struct lb_snapshot_vip){.interface = "enp5s0", .present = true};
	lb_addr_parse("10.196.35.30", &picture.keeper.vips[0].address);
	picture.keeper.nodes[0] = (struct lb_snapshot_node){.name = "k8s-lb-1", .self = true, .role = VRRP_ACTIVE};
	lb_addr_parse("10.196.35.25", &picture.keeper.nodes[0].address);
	picture.keeper.nodes[1] = (struct lb_snapshot_node){.name = "k8s-lb-2",
							    .role = VRRP_BACKUP,
							    .heard = true,
							    .heard_age = LB_MSEC(42),
							    .advert_age = -1,
							    .hears_us = true,
							    .config_hash = 0x11,
							    .version = "0.1.0"};
	lb_addr_parse("10.196.35.26", &picture.keeper.nodes[1].address);
}

/* The value at a path of keys and indexes, as compact JSON text. */
static void expect(json_t *root, const char *path, const char *expected)
{
	char copy[128];
	json_t *at = root;
	char *text;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *save, *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save))
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
	ck_assert_msg(at != NULL, "no %s", path);
	text = json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	ck_assert_msg(strcmp(text, expected) == 0, "%s is %s, expected %s", path, text, expected);
	free(text);
}

START_TEST(status_has_the_keys_of_the_api)
{
	static const char *const rows[][2] = {
	    {"cluster",				"\"k8s\""			 },
	    {"node",				   "\"k8s-lb-1\""		   },
	    {"config",				 "\"7f3a21c0\""		     },
	    {"uptime_seconds",			       "4211.2"		       },
	    {"role",				   "\"active\""			 },
	    {"since",				  "\"2026-01-01T10:00:00.123Z\""},
	    {"reason",				 "\"active-down-timer\""	      },
	    {"owner",				  "\"k8s-lb-1\""		    },
	    {"standby",				"false"		       },
	    {"vips.0.address",			       "\"10.196.35.30\""		 },
	    {"vips.0.interface",			 "\"enp5s0\""		     },
	    {"vips.0.present",			       "true"			     },
	    {"vips.0.fenced",			      "false"			     },
	    {"nodes.0.self",			     "true"			   },
	    {"nodes.1.heard_ms",			 "42.0"			       },
	    {"nodes.1.advert_ms",			  "null"			},
	    {"nodes.1.hears_us",			 "true"			       },
	    {"nodes.1.config",			       "\"00000011\""		     },
	    {"services.0.listen.0",		    "\"10.196.35.30:6443\""	   },
	    {"services.0.balance",			   "\"leastconn\""		  },
	    {"services.0.sessions",		    "412"			 },
	    {"services.0.servers.0.address",	     "\"10.196.35.20:6443\""	    },
	    {"services.0.servers.0.state",		   "\"up\""			   },
	    {"services.0.servers.0.admin",		   "\"ready\""		      },
	    {"services.0.servers.0.effective_weight",  "50"			  },
	    {"services.0.servers.0.connect_ms",	"0.31"			      },
	    {"services.0.servers.0.reason",	    "\"check-passed\""	      },
	    {"services.0.servers.0.check.result",	  "\"200\""			   },
	    {"services.0.servers.0.check.duration_ms", "3.1"			    },
	    {"services.0.servers.0.check.last",	"null"			      },
	};
	char *text = view_status_json(&picture);
	json_t *root = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(root);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(root, rows[i][0], rows[i][1]);
	json_decref(root);
	free(text);
}
END_TEST

START_TEST(unknown_owner_is_null)
{
	picture.keeper.owner[0] = '\0';
	char *text = view_status_json(&picture);

	ck_assert_ptr_nonnull(strstr(text, "\"owner\":null"));
	free(text);
}
END_TEST

START_TEST(errors_and_events)
{
	struct lb_event event = {.id = 7,
				 .at = MORNING,
				 .kind = "vip",
				 .subject = "vip",
				 .from = "backup",
				 .to = "active",
				 .reason = "active-down-timer",
				 .duration = LB_MSEC(308)};
	char *text = view_error_json("unknown-server", "no server \"x\"");

	ck_assert_str_eq(text, "{\"error\":{\"code\":\"unknown-server\",\"message\":\"no server \\\"x\\\"\"}}");
	free(text);
	text = view_event_json(&event);
	ck_assert_str_eq(text, "{\"id\":7,\"at\":\"2026-01-01T10:00:00.123Z\",\"kind\":\"vip\",\"subject\":\"vip\","
			       "\"from\":\"backup\",\"to\":\"active\",\"reason\":\"active-down-timer\","
			       "\"duration_ms\":308.0}");
	free(text);
}
END_TEST

/* Every sample line belongs to the family opened last, and no family is opened twice. */
static void check_format(const char *text)
{
	char family[96] = "", seen[8192] = ",", line[512];

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");

		ck_assert_uint_lt(n, sizeof(line));
		memcpy(line, p, n);
		line[n] = '\0';
		p += n + (p[n] == '\n');
		if (strncmp(line, "# HELP ", 7) == 0) {
			char name[100];

			sscanf(line + 7, "%95s", family);
			snprintf(name, sizeof(name), ",%s,", family);
			ck_assert_msg(!strstr(seen, name), "%s opened twice", family);
			strncat(seen, name + 1, sizeof(seen) - strlen(seen) - 1);
		} else if (strncmp(line, "# TYPE ", 7) == 0) {
			ck_assert_int_eq(strncmp(line + 7, family, strlen(family)), 0);
			if (strstr(line, " counter"))
				ck_assert_str_eq(family + strlen(family) - 6, "_total");
		} else {
			ck_assert_msg(strncmp(line, family, strlen(family)) == 0 &&
					  strchr("{ ", line[strlen(family)]) != NULL,
				      "sample %s outside of its family %s", line, family);
			ck_assert_ptr_nonnull(strrchr(line, ' '));
		}
	}
}

START_TEST(metrics_are_well_formed)
{
	static const char *const expected[] = {
	    "\nlbd_server_up{service=\"kube-api\",server=\"odd\\\"\\\\name\"} 1\n",
	    "\nlbd_vip_owner{vip=\"10.196.35.30\"} 1\n",
	    "\nlbd_election_state 2\n",
	    "\nlbd_peer_heard_age_seconds{node=\"k8s-lb-2\"} 0.042\n",
	    "\nlbd_config_mismatch 1\n",
	    "\nlbd_server_check_duration_seconds{service=\"kube-api\",server=\"odd\\\"\\\\name\"} 0.0031\n",
	};
	struct lb_text text = {0};

	snprintf(server.name, sizeof(server.name), "odd\"\\name");
	ck_assert(view_metrics(&picture, &text));
	check_format(lb_text_str(&text));
	for (size_t e = 0; e < sizeof(expected) / sizeof(expected[0]); e++)
		ck_assert_msg(strstr(lb_text_str(&text), expected[e]) != NULL, "missing:%s", expected[e]);
	lb_text_free(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("view");
	TCase *tcase = tcase_create("view");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, status_has_the_keys_of_the_api);
	tcase_add_test(tcase, unknown_owner_is_null);
	tcase_add_test(tcase, errors_and_events);
	tcase_add_test(tcase, metrics_are_well_formed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
