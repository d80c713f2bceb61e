/* Is everything in place? Gathers what the daemon, its process and the kernel say, and has it judged. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/lbctl/command.h"
#include "daemon/lbctl/doctor.h"
#include "daemon/lbctl/format.h"
#include "daemon/lbctl/ports.h"

#define DEFAULT_FILE "/etc/lbd/lbd.yaml"

/* Who made the socket, the keeper; pid 0 when it is not known. */
static struct ucred find_keeper(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
		peer = (struct ucred){.uid = (uid_t)-1};
	if (fd >= 0)
		close(fd);
	return peer;
}

/* The word behind a label at the start of a line, as a number of this base; -1 when it is not there. */
static int64_t read_number(const char *path, const char *label, int base)
{
	FILE *file = fopen(path, "re");
	char line[256], *end;
	int64_t value = -1;

	while (file && value < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, label, strlen(label)) != 0)
			continue;
		value = strtoll(line + strlen(label), &end, base);
		if (end == line + strlen(label))
			value = -1;
	}
	if (file)
		fclose(file);
	return value;
}

static void examine_process(struct doctor *d, pid_t pid, int64_t sessions)
{
	char limits[64], status[64];

	snprintf(limits, sizeof(limits), "/proc/%d/limits", (int)pid);
	snprintf(status, sizeof(status), "/proc/%d/status", (int)pid);
	doctor_process(d, &(struct doctor_process){.files = read_number(limits, "Max open files", 10),
						   .sessions = sessions,
						   .capabilities = read_number(status, "CapEff:", 16)});
}

static void examine_kernel(struct doctor *d)
{
	struct doctor_kernel kernel = {-1, -1, read_number("/proc/sys/net/core/somaxconn", "", 10),
				       read_number("/proc/sys/net/ipv4/tcp_tw_reuse", "", 10)};
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");

	if (file && fscanf(file, "%" SCNd64 " %" SCNd64, &kernel.first_port, &kernel.last_port) != 2)
		kernel.first_port = -1;
	if (file)
		fclose(file);
	doctor_kernel(d, &kernel);
}

/* The kernel uses the greater of the settings for all interfaces and for one. */
static void examine_interface(struct doctor *d, const char *interface)
{
	int64_t all = read_number("/proc/sys/net/ipv4/conf/all/arp_ignore", "", 10), own;
	char path[96];

	if (strchr(interface, '/'))
		return;
	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%.15s/arp_ignore", interface);
	own = read_number(path, "", 10);
	doctor_interface(d, interface, all > own ? all : own);
}

/* A file as configuration; NULL with the first error. */
static struct lb_conf *load_file(const char *path, struct lb_text *problem)
{
	static char bytes[LB_CONF_BYTES_MAX + 1];
	struct lb_conf_errors errors = {0};
	FILE *file = fopen(path, "re");
	struct lb_conf *conf;
	size_t length;

	if (!file) {
		lb_text_addf(problem, "%s cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	conf = lb_conf_load(bytes, length, &errors);
	if (!conf)
		lb_text_addf(problem, "%s:%u:%u: %s", path, errors.list[0].mark.line, errors.list[0].mark.column,
			     errors.list[0].message);
	return conf;
}

/*
 * Who else listens where lbd does, or would after a reload: judged is the file, as it is what the next start takes.
 * Where it is of no use, what runs, if something does.
 */
static void examine_ports(struct doctor *d, const char *path, const char *running, uid_t keeper)
{
	struct lb_conf_errors errors = {0};
	struct lb_text problem = {0};
	struct ports_list list = {0};
	struct lb_conf *conf = load_file(path, &problem);

	if (!conf && *running)
		conf = lb_conf_load(running, strlen(running), &errors);
	else if (!conf)
		doctor_file(d, lb_text_str(&problem));
	if (conf)
		doctor_ports(d, conf, ports_read(&list, keeper) ? &list : NULL);
	ports_free(&list);
	lb_conf_free(conf);
	lb_text_free(&problem);
}

static void examine_config(const struct command_call *call, struct doctor *d, uid_t keeper)
{
	const char *path = call->arguments[0], *running = "";
	struct client_reply config = {0};
	bool known = keeper != (uid_t)-1 && command_get(call, "/v1/config", &config) == COMMAND_OK;

	if (known) {
		doctor_config(d, config.json);
		/* A file that was named is judged itself, or not at all. */
		running = path ? "" : format_string(config.json, "yaml");
		path = path ? path : format_string(config.json, "file");
	}
	examine_ports(d, path && *path ? path : DEFAULT_FILE, running, keeper);
	if (known)
		client_reply_free(&config);
}

static void examine_daemon(struct doctor *d, const json_t *status, pid_t keeper)
{
	const json_t *vip;
	size_t i;

	doctor_status(d, status);
	doctor_certificates(d, status, format_now());
	if (keeper > 0)
		examine_process(d, keeper, (int64_t)format_number(status, "session_limit", 0));
	json_array_foreach(json_object_get(status, "vips"), i, vip)
	    examine_interface(d, format_string(vip, "interface"));
}

int command_doctor(const struct command_call *call)
{
	struct client_reply reply;
	struct lb_text out = {0};
	struct doctor *d;
	enum doctor_level worst;
	int code = command_get(call, "/v1/status", &reply);
	struct ucred keeper = find_keeper(call->socket_path);

	if (code != COMMAND_OK && code != COMMAND_NO_DAEMON)
		return code;
	d = doctor_new();
	if (code == COMMAND_NO_DAEMON)
		doctor_absent(d);
	examine_config(call, d, code == COMMAND_OK ? keeper.uid : (uid_t)-1);
	if (code == COMMAND_OK)
		examine_daemon(d, reply.json, keeper.pid);
	examine_kernel(d);
	worst = call->json ? doctor_json(d, &out) : doctor_text(d, call->colour, &out);
	if (code == COMMAND_OK) {
		code = worst == DOCTOR_BAD ? COMMAND_REFUSED : COMMAND_OK;
		client_reply_free(&reply);
	}
	doctor_free(d);
	return command_print(&out, code);
}
