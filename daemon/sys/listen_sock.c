#include "daemon/sys/listen_sock.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Upper bound; the kernel caps it at net.core.somaxconn. */
#define BACKLOG 4096

static bool set_options(int fd, uint8_t family)
{
	int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0)
		return false;
	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0 &&
		       setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) == 0;
	return setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) == 0;
}

int listen_sock_tcp(const struct lb_endpoint *endpoint, struct lb_err *err)
{
	struct sockaddr_storage sa;
	socklen_t len = lb_endpoint_to_sockaddr(endpoint, &sa);
	char text[LB_ENDPOINT_TEXT];
	int fd = socket(endpoint->addr.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	lb_endpoint_text(endpoint, text);
	if (fd < 0 || !set_options(fd, endpoint->addr.family)) {
		lb_err_errno(err, errno, "cannot make a listening socket for %s", text);
		goto close_socket;
	}
	if (bind(fd, (struct sockaddr *)&sa, len) != 0 || listen(fd, BACKLOG) != 0) {
		if (errno == EADDRINUSE)
			lb_err_set(err,
				   "cannot listen on %s: another program has this port (see: ss -ltnp 'sport = :%u')",
				   text, endpoint->port);
		else
			lb_err_errno(err, errno, "cannot listen on %s", text);
		goto close_socket;
	}
	return fd;

close_socket:
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Does a daemon answer at this path? */
static bool answers(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool yes;

	if (fd < 0)
		return false;
	/* A full backlog (EAGAIN) also means that somebody listens. */
	yes = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN;
	close(fd);
	return yes;
}

int listen_sock_unix(const char *path, gid_t gid, struct lb_err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct sockaddr_un hidden = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) + sizeof(".new") > sizeof(sa.sun_path)) {
		lb_err_set(err, "socket path %.80s… is longer than %zu bytes", path, sizeof(sa.sun_path) - 5);
		return -1;
	}
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	snprintf(hidden.sun_path, sizeof(hidden.sun_path), "%.*s.new", (int)(sizeof(hidden.sun_path) - 5), path);
	if (answers(&sa)) {
		lb_err_set(err, "another lbd answers on %s; stop it first", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		lb_err_errno(err, errno, "cannot make the admin socket");
		return -1;
	}
	/* Bound under another name and renamed when its rights are set, so that it is never open to others. */
	unlink(hidden.sun_path);
	mode_t mask = umask(0177);
	int rc = bind(fd, (struct sockaddr *)&hidden, sizeof(hidden));
	umask(mask);
	if (rc != 0 || listen(fd, 64) != 0) {
		lb_err_errno(err, errno, "cannot create the admin socket %s", path);
		goto close_socket;
	}
	/* What is of the right group already needs no call that may be filtered. */
	if (gid != (gid_t)-1 && gid != getegid() && chown(hidden.sun_path, (uid_t)-1, gid) != 0) {
		lb_err_errno(
		    err, errno,
		    "cannot give the admin socket to group %u (admin.group); not started as root, lbd needs it "
		    "as its own group: Group= in lbd.service",
		    (unsigned)gid);
		goto unlink_socket;
	}
	if (chmod(hidden.sun_path, 0660) != 0 || rename(hidden.sun_path, path) != 0) {
		lb_err_errno(err, errno, "cannot publish the admin socket %s", path);
		goto unlink_socket;
	}
	return fd;

unlink_socket:
	unlink(hidden.sun_path);
close_socket:
	close(fd);
	return -1;
}
