#include "daemon/keeper/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/keeper/secret_file.h"

#define KEY_BYTES_MIN 32

/* Read at most one byte more than the limit, so that the library sees that a file is too long. */
static char *read_whole(const char *path, size_t *len, struct lb_text *problems)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = fd >= 0 ? malloc(LB_CONF_BYTES_MAX + 1) : NULL;
	ssize_t n = 0;

	*len = 0;
	while (bytes && *len <= LB_CONF_BYTES_MAX) {
		n = read(fd, bytes + *len, LB_CONF_BYTES_MAX + 1 - *len);
		if (n <= 0)
			break;
		*len += (size_t)n;
	}
	if (!bytes || n < 0) {
		lb_text_addf(problems, "%s: cannot be read: %s\n", path, strerror(errno));
		free(bytes);
		bytes = NULL;
	}
	if (fd >= 0)
		close(fd);
	return bytes;
}

static void check_secret(const char *path, const char *key, size_t min, struct lb_mark mark,
			 struct lb_conf_errors *errors)
{
	struct lb_err why;

	if (path[0] == '\0' || secret_file_check(path, min, &why))
		return;
	bool missing_key = min == KEY_BYTES_MIN && access(path, F_OK) != 0 && errno == ENOENT;
	lb_conf_errors_add(errors, mark, "%s %s%s%s", key, why.text,
			   missing_key ? "; make one with: lbctl keygen " : "", missing_key ? path : "");
}

/* The proxy reads the files of a check; what it could not read is said here, with its place. */
static void check_files(const char *service, const struct lb_conf_check *check, struct lb_conf_errors *errors)
{
	const struct {
		const char *key, *path;
	} files[] = {
	    {"ca_file",	check->ca_file    },
	    {"cert_file",	  check->cert_file  },
	    {"key_file",	 check->key_file	},
	    {"bearer_file", check->bearer_file},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path[0] != '\0' && access(files[i].path, R_OK) != 0)
			lb_conf_errors_add(errors, check->mark, "check of service %s: %s %s: %s", service, files[i].key,
					   files[i].path, strerror(errno));
}

/* Every file that the configuration names. */
static void check_all_files(const struct lb_conf *conf, struct lb_conf_errors *errors)
{
	check_secret(conf->key_file, "key_file", KEY_BYTES_MIN, conf->key_file_mark, errors);
	check_secret(conf->election.password_file, "password_file", 1, conf->election.password_file_mark, errors);
	for (size_t s = 0; s < conf->service_count; s++) {
		const struct lb_conf_service *service = &conf->services[s];

		check_files(service->name, service->check, errors);
		for (size_t i = 0; i < service->server_count; i++)
			if (service->servers[i].check != service->check)
				check_files(service->name, service->servers[i].check, errors);
	}
}

/* A copy that nobody can change any more, for the proxy. */
static int seal(const char *bytes, size_t len)
{
	int fd = memfd_create("lbd.yaml", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (write(fd, bytes, len) != (ssize_t)len ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool conf_file_load(const char *path, struct conf_file *out, struct lb_text *problems)
{
	struct lb_conf_errors errors = {0};
	size_t len;
	char *bytes = read_whole(path, &len, problems);

	*out = (struct conf_file){.conf = NULL, .memfd = -1};
	if (!bytes)
		return false;
	out->conf = lb_conf_load(bytes, len, &errors);
	if (out->conf)
		check_all_files(out->conf, &errors);
	if (errors.count > 0) {
		lb_conf_errors_text(&errors, path, problems);
		goto free_conf;
	}
	out->memfd = seal(bytes, len);
	if (out->memfd < 0) {
		lb_text_addf(problems, "%s: cannot be copied for the proxy: %s\n", path, strerror(errno));
		goto free_conf;
	}
	free(bytes);
	return true;

free_conf:
	lb_conf_free(out->conf);
	out->conf = NULL;
	free(bytes);
	return false;
}

void conf_file_name(const char *path, char *out, size_t cap)
{
	char here[PATH_MAX] = "";
	bool below = path[0] != '/' && getcwd(here, sizeof(here));

	if ((size_t)snprintf(out, cap, "%s%s%s", here, below ? "/" : "", path) >= cap)
		out[0] = '\0';
}

void conf_file_release(struct conf_file *file)
{
	if (file->memfd >= 0)
		close(file->memfd);
	lb_conf_free(file->conf);
	*file = (struct conf_file){.conf = NULL, .memfd = -1};
}

int conf_file_own_node(const struct lb_conf *conf, struct lb_err *err)
{
	struct ifaddrs *list;
	struct lb_endpoint local;
	struct lb_text nodes = {0};
	int own = -1;

	if (getifaddrs(&list) != 0) {
		lb_err_errno(err, errno, "cannot list the addresses of this host");
		return -1;
	}
	for (const struct ifaddrs *i = list; i && own < 0; i = i->ifa_next) {
		socklen_t len = sizeof(struct sockaddr_in6);

		if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
			len = sizeof(struct sockaddr_in);
		if (i->ifa_addr && lb_endpoint_from_sockaddr(i->ifa_addr, len, &local))
			own = lb_conf_node_by_addr(conf, &local.addr);
	}
	freeifaddrs(list);
	if (own >= 0)
		return own;
	for (size_t i = 0; i < conf->node_count; i++) {
		char text[LB_ADDR_TEXT];

		lb_text_addf(&nodes, "%s%s", i ? ", " : "", lb_addr_text(&conf->nodes[i].address, text));
	}
	lb_err_set(err, "none of the addresses under \"nodes\" (%s) is on this host; see: ip -br address",
		   lb_text_str(&nodes));
	lb_text_free(&nodes);
	return -1;
}
