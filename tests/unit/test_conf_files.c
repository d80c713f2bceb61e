/* The example files and the manual page tell the truth: they load, they mean what they say, and no key is missing. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lb/conf_keys.h>

#include "tests/unit/conf_text.h"

static char *read_file(const char *path)
{
	char *text = calloc(1, LB_CONF_BYTES_MAX + 1);
	FILE *f = fopen(path, "r");

	ck_assert_msg(text && f, "%s: run this from the top directory of the source", path);
	ck_assert_uint_gt(fread(text, 1, LB_CONF_BYTES_MAX, f), 0);
	fclose(f);
	return text;
}

START_TEST(reference_cluster)
{
	char *text = read_file("conf/lbd.yaml");
	struct lb_conf *c = conf_of(text);
	const struct lb_conf_service *api = lb_conf_service_by_name(c, "kube-api");
	const struct lb_conf_service *http = lb_conf_service_by_name(c, "ingress-http");

	ck_assert_str_eq(c->cluster, "k8s");
	ck_assert_str_eq(c->nodes[0].name, "k8s-lb-1");
	ck_assert_str_eq(c->nodes[1].name, "k8s-lb-2");
	ck_assert_str_eq(c->key_file, "/etc/lbd/cluster.key");
	ck_assert_int_eq(c->election.auth, LB_AUTH_HMAC);
	ck_assert_uint_eq(c->service_count, 3);
	ck_assert_int_eq(api->check->type, LB_CHECK_HTTPS);
	ck_assert(!api->check->verify);
	ck_assert_uint_eq(api->server_count, 3);
	ck_assert_uint_eq(api->servers[2].address.port, 6443);
	ck_assert_int_eq(http->balance, LB_SOURCE);
	ck_assert_uint_eq(http->check->expect_count, 2);
	ck_assert_uint_eq(http->check->expect[1].first, 404);
	lb_conf_free(c);
	free(text);
}
END_TEST

/* "name:" as a key: not the end of a longer word. */
static bool has_key(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = strstr(text, name); at; at = strstr(at + 1, name))
		if (at[len] == ':' && at > text && strchr(" {\n", at[-1]))
			return true;
	return false;
}

START_TEST(full_file_has_every_key)
{
	char *text = read_file("conf/lbd.full.yaml");
	struct lb_conf *c = conf_of(text);

	for (unsigned object = 0; object < LB_CONF_OBJECTS_; object++)
		for (size_t i = 0; i < lb_conf_key_count((enum lb_conf_object)object); i++) {
			const char *name = lb_conf_key_at((enum lb_conf_object)object, i).name,
				   *dot = strchr(name, '.');

			ck_assert_msg(has_key(text, dot ? dot + 1 : name), "conf/lbd.full.yaml has no %s", name);
		}
	lb_conf_free(c);
	free(text);
}
END_TEST

/* "Where a value is the default, it could be left out": a file that claims a default must not have another value. */
START_TEST(full_file_tells_the_defaults)
{
	char *text = read_file("conf/lbd.full.yaml");
	struct lb_conf *full = conf_of(text), *plain = conf_of(TOP SERVICE);
	static const char *const differ[] = {"cluster", "key_file", "election.vrid", "election.auth", "metrics.listen"};

	for (size_t i = 0; i < lb_conf_key_count(LB_CONF_GLOBAL); i++) {
		struct lb_text a = {0}, b = {0};
		bool may_differ = false;

		for (size_t d = 0; d < sizeof(differ) / sizeof(differ[0]); d++)
			may_differ |= strcmp(differ[d], lb_conf_key_at(LB_CONF_GLOBAL, i).name) == 0;
		lb_conf_key_text(LB_CONF_GLOBAL, i, full, &a);
		lb_conf_key_text(LB_CONF_GLOBAL, i, plain, &b);
		if (!may_differ)
			ck_assert_str_eq(lb_text_str(&a), lb_text_str(&b));
		lb_text_free(&a);
		lb_text_free(&b);
	}
	for (size_t i = 1; i < lb_conf_key_count(LB_CONF_SERVICE); i++) {
		struct lb_text a = {0}, b = {0};

		lb_conf_key_text(LB_CONF_SERVICE, i, &full->services[0], &a);
		lb_conf_key_text(LB_CONF_SERVICE, i, &plain->services[0], &b);
		ck_assert_str_eq(lb_text_str(&a), lb_text_str(&b));
		lb_text_free(&a);
		lb_text_free(&b);
	}
	lb_conf_free(full);
	lb_conf_free(plain);
	free(text);
}
END_TEST

/* Each mapping has a section of its own, each key an item in it. */
START_TEST(manual_has_every_key)
{
	static const char *const sections[LB_CONF_OBJECTS_] = {
	    [LB_CONF_GLOBAL] = ".Ss The file\n", [LB_CONF_NODE] = ".Ss A node\n",
	    [LB_CONF_VIP] = ".Ss A VIP\n",	 [LB_CONF_SERVICE] = ".Ss A service\n",
	    [LB_CONF_SERVER] = ".Ss A server\n", [LB_CONF_CHECK] = ".Ss A check\n",
	};
	char *page = read_file("conf/man/lbd.yaml.5");

	for (unsigned object = 0; object < LB_CONF_OBJECTS_; object++) {
		const char *section = strstr(page, sections[object]), *end;
		size_t items = 0;

		ck_assert_msg(section, "lbd.yaml.5 has no section %s", sections[object]);
		end = strstr(section + 1, "\n.El\n");
		ck_assert_ptr_nonnull(end);
		for (size_t i = 0; i < lb_conf_key_count((enum lb_conf_object)object); i++) {
			char item[64];
			const char *at;

			snprintf(item, sizeof(item), "\n.It Ic %s\n",
				 lb_conf_key_at((enum lb_conf_object)object, i).name);
			at = strstr(section, item);
			ck_assert_msg(at && at < end, "lbd.yaml.5:%s%s is missing", sections[object], item);
		}
		for (const char *at = strstr(section, "\n.It Ic "); at && at < end; at = strstr(at + 1, "\n.It Ic "))
			items++;
		ck_assert_uint_eq(items, lb_conf_key_count((enum lb_conf_object)object));
	}
	free(page);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf_files");
	TCase *all = tcase_create("all");

	tcase_add_test(all, reference_cluster);
	tcase_add_test(all, full_file_has_every_key);
	tcase_add_test(all, full_file_tells_the_defaults);
	tcase_add_test(all, manual_has_every_key);
	suite_add_tcase(suite, all);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
