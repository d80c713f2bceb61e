/* The picture as JSON and metrics: literal texts, and the rules of the exposition format. */
#include <check.h>
#include <jansson.h>
#include <regex.h>
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
	picture.keeper.nodes[0] =
	    (struct lb_snapshot_node){.name = "k8s-lb-1", .self = true, .role = VRRP_ACTIVE, .version = "0.1.0"};
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

/* The value at a path of keys and indexes; "" is the root. */
static json_t *find(json_t *root, const char *path)
{
	char copy[128];
	json_t *at = root;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *save, *key = strtok_r(copy, ".", &save); key; key = strtok_r(NULL, ".", &save))
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
	return at;
}

/* The value at a path, as compact JSON text. */
static void expect(json_t *root, const char *path, const char *expected)
{
	json_t *at = find(root, path);
	char *text;

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
	char *text = view_status_json(&picture, VIEW_FULL);
	json_t *root = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(root);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(root, rows[i][0], rows[i][1]);
	json_decref(root);
	free(text);
}
END_TEST

/* Every key of the API's example, object by object. */
START_TEST(no_key_of_the_api_is_missing)
{
	static const struct {
		const char *path, *keys;
	} rows[] = {
	    {"",			   "cluster node version config uptime_seconds role since reason owner standby vips nodes services"	 },
	    {"vips.0",		       "address interface present fenced"								    },
	    {"nodes.0",			"name address self role can_serve version"								  },
	    {"nodes.1",			"name address self role can_serve heard_ms hears_us config version"				   },
	    {"services.0",		   "name listen balance sessions sessions_total bytes_in bytes_out servers"				   },
	    {"services.0.servers.0",	     "name address state admin weight effective_weight backup sessions sessions_total "
				     "bytes_in bytes_out connect_ms connect_errors hedged since reason check"},
	    {"services.0.servers.0.check", "result duration_ms failures last"								     },
	};
	char *text = view_status_json(&picture, VIEW_FULL);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_ptr_nonnull(root);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *object = find(root, rows[i].path);
		char keys[256], *save;

		snprintf(keys, sizeof(keys), "%s", rows[i].keys);
		for (char *key = strtok_r(keys, " ", &save); key; key = strtok_r(NULL, " ", &save))
			ck_assert_msg(json_object_get(object, key) != NULL, "no %s in %s", key, rows[i].path);
	}
	json_decref(root);
	free(text);
}
END_TEST

/* What is as usual is left out of a brief picture, and what no screen shows; nothing else changes. */
START_TEST(a_brief_status_has_less)
{
	char *text = view_status_json(&picture, VIEW_BRIEF);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_ptr_nonnull(root);
	expect(root, "services.0.sessions", "412");
	expect(root, "services.0.servers.0.effective_weight", "50");
	expect(root, "services.0.servers.0.check.result", "\"200\"");
	ck_assert_ptr_null(json_object_get(find(root, "services.0.servers.0"), "reason"));
	ck_assert_ptr_null(json_object_get(find(root, "services.0.servers.0"), "backup"));
	ck_assert_uint_eq(json_object_size(find(root, "services.0.servers.0.check")), 1);
	json_decref(root);
	free(text);
	text = view_status_json(&picture, VIEW_NODE);
	ck_assert_ptr_null(strstr(text, "services"));
	free(text);
}
END_TEST

START_TEST(services_are_those_of_the_status)
{
	char *status = view_status_json(&picture, VIEW_FULL), *services = view_services_json(&picture);

	ck_assert_int_eq(services[0], '{');
	ck_assert_ptr_nonnull(strstr(status, services + 1));
	free(status);
	free(services);
}
END_TEST

START_TEST(an_empty_picture_is_still_json)
{
	char *text;

	memset(&picture.keeper, 0, sizeof(picture.keeper));
	picture.service_count = 0;
	text = view_status_json(&picture, VIEW_FULL);
	ck_assert_ptr_nonnull(strstr(text, "\"vips\":[],\"nodes\":[],\"services\":[]"));
	ck_assert_ptr_nonnull(strstr(text, "\"role\":\"init\",\"since\":null"));
	free(text);
	text = view_services_json(&picture);
	ck_assert_str_eq(text, "{\"services\":[]}");
	free(text);
	text = view_events_json(NULL, 0);
	ck_assert_str_eq(text, "{\"events\":[]}");
	free(text);
}
END_TEST

START_TEST(unknown_owner_is_null)
{
	picture.keeper.owner[0] = '\0';
	char *text = view_status_json(&picture, VIEW_FULL);

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

/* What a server or a client said may be no UTF-8; an answer is given all the same. */
START_TEST(foreign_bytes_do_not_cost_the_answer)
{
	struct lb_event event = {
	    .kind = "server", .subject = "caf\xc3\xa9", .from = "", .to = "", .reason = "\xff\x01 no"};
	char *text = view_error_json("no-route", "caf\xe9");

	ck_assert_str_eq(text, "{\"error\":{\"code\":\"no-route\",\"message\":\"caf?\"}}");
	free(text);
	text = view_event_json(&event);
	ck_assert_str_eq(text, "{\"id\":0,\"at\":null,\"kind\":\"server\",\"subject\":\"caf\xc3\xa9\",\"from\":\"\","
			       "\"to\":\"\",\"reason\":\"?\\u0001 no\",\"duration_ms\":null}");
	free(text);
	strcpy(server.check_result, "agent: \xe4");
	strcpy(picture.keeper.nodes[1].version, "\x80");
	text = view_status_json(&picture, VIEW_FULL);
	ck_assert_ptr_nonnull(strstr(text, "\"result\":\"agent: ?\""));
	ck_assert_ptr_nonnull(strstr(text, "\"version\":\"?\""));
	free(text);
}
END_TEST

START_TEST(instants)
{
	static const struct {
		lb_wall at;
		const char *text;
	} rows[] = {
	    {0,			       ""			},
	    {-1,			      ""			},
	    {1,			       "1970-01-01T00:00:00.000Z"},
	    {MORNING,			 "2026-01-01T10:00:00.123Z"},
	    {MORNING - 123000000 + 999999999, "2026-01-01T10:00:00.999Z"},
	    {1709164800000000000,		  "2024-02-29T00:00:00.000Z"},
	};
	char buf[VIEW_TIME_TEXT];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(view_time_text(rows[i].at, buf), rows[i].text);
}
END_TEST

/* A sample as the exposition format has it: name, labels with escaped values, a number. */
#define VALUE "([^\"\\]|[\\][n\"\\])*"
#define SAMPLE                                                    \
	"^lbd_[a-z0-9_]+"                                         \
	"([{][a-z_]+=\"" VALUE "\"(,[a-z_]+=\"" VALUE "\")*[}])?" \
	" [0-9]+([.][0-9]+)?(e[+-][0-9]+)?$"

/* Every line is one of the three kinds, no series comes twice, the text ends with a line end. */
static void check_lines(const char *text)
{
	char seen[32768] = "\n";
	regex_t sample, comment;

	ck_assert_int_eq(regcomp(&sample, SAMPLE, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_int_eq(regcomp(&comment,
				 "^# (HELP lbd_[a-z0-9_]+ [A-Z0-9].*[.]|TYPE lbd_[a-z0-9_]+ (gauge|counter))$",
				 REG_EXTENDED | REG_NOSUB),
			 0);
	for (const char *p = text; *p;) {
		const char *end = strchr(p, '\n');
		char line[512], series[512];

		ck_assert_ptr_nonnull(end);
		snprintf(line, sizeof(line), "%.*s", (int)(end - p), p);
		p = end + 1;
		ck_assert_msg(regexec(line[0] == '#' ? &comment : &sample, line, 0, NULL, 0) == 0, "%s", line);
		if (line[0] != '#')
			*strrchr(line, ' ') = '\0';
		snprintf(series, sizeof(series), "\n%.500s\n", line);
		ck_assert_msg(!strstr(seen, series), "%s twice", line);
		strncat(seen, series + 1, sizeof(seen) - strlen(seen) - 1);
	}
	ck_assert_uint_lt(strlen(seen), sizeof(seen) - 1);
	regfree(&sample);
	regfree(&comment);
}

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
	    "\nlbd_wake_nodes 1\n",
	    "\nlbd_wake_connections{kind=\"told\"} 2\n",
	    "\nlbd_wake_connections{kind=\"held\"} 3\n",
	    "\nlbd_wake_woken_total{end=\"client\"} 4\n",
	    "\nlbd_wake_woken_total{end=\"server\"} 5\n",
	    "\nlbd_wake_segments_total{outcome=\"sent\"} 6\n",
	    "\nlbd_wake_segments_total{outcome=\"failed\"} 7\n",
	    "\nlbd_wake_dropped_total 8\n",
	    "\nlbd_sessions_moved_total{direction=\"away\"} 11\n",
	    "\nlbd_sessions_moved_total{direction=\"here\"} 12\n",
	    "\nlbd_sessions_not_moved_total{reason=\"bound-here\"} 13\n",
	    "\nlbd_sessions_not_moved_total{reason=\"without-move\"} 17\n",
	    "\nlbd_server_check_duration_seconds{service=\"kube-api\",server=\"odd\\\"\\\\name\"} 0.0031\n",
	};
	struct lb_text text = {0};

	picture.wake = (struct lb_snapshot_wake){true, 1, 2, 3, 4, 5, 6, 7, 8};
	picture.keeper.moves = (struct lb_snapshot_moves){
	    11, 12, {13, 14, 15, 16, 17}
	};
	snprintf(server.name, sizeof(server.name), "odd\"\\name");
	ck_assert(view_metrics(&picture, &text));
	check_format(lb_text_str(&text));
	check_lines(lb_text_str(&text));
	for (size_t e = 0; e < sizeof(expected) / sizeof(expected[0]); e++)
		ck_assert_msg(strstr(lb_text_str(&text), expected[e]) != NULL, "missing:%s", expected[e]);
	lb_text_free(&text);
}
END_TEST

/* The names that dashboards rely on, each with a sample. */
START_TEST(metrics_have_the_promised_names)
{
	static const char *const names[] = {
	    "lbd_server_up",
	    "lbd_server_current_sessions",
	    "lbd_server_bytes_in_total",
	    "lbd_server_connection_errors_total",
	    "lbd_server_check_duration_seconds",
	    "lbd_service_sessions_total",
	    "lbd_vip_owner",
	    "lbd_election_state",
	    "lbd_election_transitions_total",
	    "lbd_adverts_sent_total",
	    "lbd_adverts_received_total",
	    "lbd_adverts_accepted_total{checksum=\"pseudo\"}",
	    "lbd_adverts_accepted_total{checksum=\"message\"}",
	    "lbd_adverts_dropped_total",
	    "lbd_peer_heard_age_seconds",
	    "lbd_peer_hears_this_node",
	    "lbd_config_mismatch",
	    "lbd_loop_stall_seconds_max",
	    "lbd_hedged_connects_total",
	    "lbd_build_info",
	};
	struct lb_text text = {0};

	/* A third node that agrees does not hide that the second one differs. */
	picture.keeper.nodes[2] = picture.keeper.nodes[1];
	strcpy(picture.keeper.nodes[2].name, "k8s-lb-3");
	picture.keeper.nodes[2].config_hash = picture.config_hash;
	picture.keeper.node_count = 3;
	picture.node = "a\nb";
	ck_assert(view_metrics(&picture, &text));
	check_lines(lb_text_str(&text));
	ck_assert_ptr_nonnull(strstr(lb_text_str(&text), "node=\"a\\nb\""));
	ck_assert_ptr_nonnull(strstr(lb_text_str(&text), "\nlbd_config_mismatch 1\n"));
	/* Only what can happen, only the others. */
	ck_assert_ptr_null(strstr(lb_text_str(&text), "reason=\"none\""));
	ck_assert_ptr_null(strstr(lb_text_str(&text), "{node=\"k8s-lb-1\"}"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "\n%s", names[i]);
		ck_assert_msg(strstr(lb_text_str(&text), line) != NULL, "no sample of %s", names[i]);
	}
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
	tcase_add_test(tcase, no_key_of_the_api_is_missing);
	tcase_add_test(tcase, a_brief_status_has_less);
	tcase_add_test(tcase, services_are_those_of_the_status);
	tcase_add_test(tcase, an_empty_picture_is_still_json);
	tcase_add_test(tcase, unknown_owner_is_null);
	tcase_add_test(tcase, foreign_bytes_do_not_cost_the_answer);
	tcase_add_test(tcase, instants);
	tcase_add_test(tcase, errors_and_events);
	tcase_add_test(tcase, metrics_are_well_formed);
	tcase_add_test(tcase, metrics_have_the_promised_names);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
