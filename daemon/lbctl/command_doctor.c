/* Is everything in place? Gathers what the daemon, its process and the kernel say, and has it judged. */
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

/* The process that made the socket, the keeper; 0 when it is not known. */
static pid_t find_keeper(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
		peer.pid = 0;
	close(fd);
	return peer.pid;
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

static void examine_config(const struct command_call *call, struct doctor *d)
{
	struct client_reply config;

	if (command_get(call, "/v1/config", &config) != COMMAND_OK)
		return;
	doctor_config(d, config.json);
	client_reply_free(&config);
}

int command_doctor(const struct command_call *call)
{
	struct client_reply reply;
	struct lb_text out = {0};
	const json_t *vip;
	struct doctor *d;
	enum doctor_level worst;
	size_t i;
	int code = command_get(call, "/v1/status", &reply);
	pid_t keeper;

	if (code != COMMAND_OK)
		return code;
	d = doctor_new();
	examine_config(call, d);
	doctor_status(d, reply.json);
	doctor_certificates(d, reply.json, format_now());
	keeper = find_keeper(call->socket_path);
	if (keeper > 0)
		examine_process(d, keeper, (int64_t)format_number(reply.json, "session_limit", 0));
	examine_kernel(d);
	json_array_foreach(json_object_get(reply.json, "vips"), i, vip)
	    examine_interface(d, format_string(vip, "interface"));
	worst = call->json ? doctor_json(d, &out) : doctor_text(d, call->colour, &out);
	code = worst == DOCTOR_BAD ? COMMAND_REFUSED : COMMAND_OK;
	doctor_free(d);
	client_reply_free(&reply);
	return command_print(&out, code);
}
