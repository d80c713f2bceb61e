/* The programs, the configuration file and the cluster key: upgrade, reload, check, diff, config, keygen. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <lb/snapshot.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/format.h"

#define DEFAULT_FILE "/etc/lbd/lbd.yaml" /* where the daemon does not say which one it reads */
/* One byte more than a configuration may have, so that the daemon sees that it is too long. */
#define FILE_MAX  (256 * 1024 + 1)
#define KEY_BYTES 32
/* The former proxy is given 5 s to be gone, and then the next program to begin. */
#define UPGRADE_PATIENCE LB_SEC(7)

int command_reload(const struct command_call *call)
{
	return command_post(call, "/v1/reload", json_object());
}

/* Of lbd itself: the status as a whole is told by its proxy. */
static const char *keeper_version(const json_t *status)
{
	const json_t *node;
	size_t i;

	json_array_foreach(json_object_get(status, "nodes"), i,
			   node) if (format_bool(node, "self", false)) return format_string(node, "version");
	return "";
}

/* The proxy is new, and lbd follows: until its picture comes from the next program. */
static int await_keeper(const struct command_call *call, const char *before)
{
	const struct timespec pause = {.tv_nsec = LB_MSEC(50)};

	for (lb_duration waited = 0; waited < UPGRADE_PATIENCE; waited += LB_MSEC(50)) {
		char text[256];
		struct client_reply reply;
		int code = command_get(call, "/v1/status", &reply);

		if (code != COMMAND_OK)
			return code;
		snprintf(text, sizeof(text), "%s", format_string(reply.json, "upgrade"));
		if (!call->json && text[0] == '\0')
			printf("lbd %s was replaced by lbd %s\n", before, keeper_version(reply.json));
		client_reply_free(&reply);
		if (text[0] == '\0')
			return COMMAND_OK;
		if (strcmp(text, LB_UPGRADE_UNDER_WAY) != 0)
			return command_fail(COMMAND_REFUSED, text);
		nanosleep(&pause, NULL);
	}
	return command_fail(COMMAND_REFUSED, "lbd did not follow its proxy within 7 s; see its log");
}

int command_upgrade(const struct command_call *call)
{
	char before[64] = "";
	struct client_reply reply;
	int code = command_get(call, "/v1/status", &reply);
	bool able;

	if (code != COMMAND_OK)
		return code;
	/* One that replaces its proxy alone, or nothing, does not know the word. */
	able = json_object_get(reply.json, "upgrade") != NULL;
	snprintf(before, sizeof(before), "%s", keeper_version(reply.json));
	client_reply_free(&reply);
	if (!able)
		return command_fail(COMMAND_REFUSED, "the running lbd is too old to replace itself; restart it: "
						     "systemctl restart lbd");
	code = command_post(call, "/v1/upgrade", json_object());
	return code == COMMAND_OK ? await_keeper(call, before) : code;
}

static bool read_file(const char *path, struct lb_text *out, struct lb_err *err)
{
	FILE *file = fopen(path, "re");
	char part[8192];
	size_t n;
	bool ok;

	if (!file)
		return lb_err_errno(err, errno, "cannot open %s", path);
	while (out->len < FILE_MAX && (n = fread(part, 1, sizeof(part), file)) > 0)
		lb_text_addn(out, part, n);
	ok = !ferror(file) && !out->failed;
	fclose(file);
	return ok || lb_err_set(err, "cannot read %s", path);
}

/* The file that was named, or the one that the daemon reads. */
static int find_file(const struct command_call *call, struct lb_text *path)
{
	struct client_reply reply;
	const char *file = call->arguments[0];
	int code;

	if (file) {
		lb_text_add(path, file);
		return COMMAND_OK;
	}
	code = command_get(call, "/v1/config", &reply);
	if (code != COMMAND_OK)
		return code;
	file = format_string(reply.json, "file");
	lb_text_add(path, *file ? file : DEFAULT_FILE);
	client_reply_free(&reply);
	return COMMAND_OK;
}

/* The file travels as it is: the daemon runs unprivileged and may not be able to read it. */
static int send_file(const struct command_call *call, const char *where, const char *path)
{
	struct lb_text file = {0}, url = {0}, out = {0};
	struct client_reply reply;
	struct lb_err err;
	int code;

	if (!read_file(path, &file, &err)) {
		lb_text_free(&file);
		return command_fail(COMMAND_REFUSED, err.text);
	}
	lb_text_addf(&url, "%s?file=", where);
	client_escape(call->client, path, &url);
	code = command_request(call,
			       &(struct client_request){.method = "POST",
							.path = lb_text_str(&url),
							.body = lb_text_str(&file),
							.body_len = file.len,
							.content_type = "application/yaml"},
			       &reply);
	if (code == COMMAND_OK) {
		lb_text_add(&out, call->json ? lb_text_str(&reply.body) : format_string(reply.json, "message"));
		if (out.len > 0 && lb_text_str(&out)[out.len - 1] != '\n')
			lb_text_add(&out, "\n");
		client_reply_free(&reply);
		code = command_print(&out, COMMAND_OK);
	}
	lb_text_free(&url);
	lb_text_free(&file);
	return code;
}

static int judge_file(const struct command_call *call, const char *where)
{
	struct lb_text path = {0};
	int code = find_file(call, &path);

	if (code == COMMAND_OK)
		code = send_file(call, where, lb_text_str(&path));
	if (code == COMMAND_NO_DAEMON)
		command_fail(code, "a file is judged without a daemon by: lbd --check --config FILE");
	lb_text_free(&path);
	return code;
}

int command_check(const struct command_call *call)
{
	return judge_file(call, "/v1/check");
}

int command_diff(const struct command_call *call)
{
	return judge_file(call, "/v1/diff");
}

int command_config(const struct command_call *call)
{
	struct client_reply reply;
	struct lb_text out = {0};
	int code = command_get(call, "/v1/config", &reply);

	if (code != COMMAND_OK)
		return code;
	lb_text_add(&out, call->json ? lb_text_str(&reply.body) : format_string(reply.json, "yaml"));
	client_reply_free(&reply);
	return command_print(&out, COMMAND_OK);
}

/* A key that exists is never replaced: the other nodes have it too. */
int command_keygen(const struct command_call *call)
{
	const char *path = call->arguments[0];
	unsigned char key[KEY_BYTES];
	struct lb_err err;
	int fd;
	bool ok;

	if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
		return command_fail(COMMAND_REFUSED, "no random bytes from the kernel");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		lb_err_errno(&err, errno, "cannot make %s", path);
		explicit_bzero(key, sizeof(key));
		return command_fail(COMMAND_REFUSED, err.text);
	}
	ok = write(fd, key, sizeof(key)) == (ssize_t)sizeof(key) && fsync(fd) == 0;
	explicit_bzero(key, sizeof(key));
	if (close(fd) != 0 || !ok) {
		lb_err_errno(&err, errno, "cannot write %s", path);
		unlink(path);
		return command_fail(COMMAND_REFUSED, err.text);
	}
	return COMMAND_OK;
}
