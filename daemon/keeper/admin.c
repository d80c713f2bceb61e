#include "daemon/keeper/admin.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/sys/caps.h"
#include "daemon/sys/listen_sock.h"

/* Members of the group may change things; without the group only root may. */
static uint32_t find_group(const char *name)
{
	struct group *group = getgrnam(name);

	if (group)
		return (uint32_t)group->gr_gid;
	lb_warning("group %s does not exist; the admin socket is root's only (admin.group)", name);
	return (uint32_t)-1;
}

/* 0750, owned by the account the daemon becomes, so that it can remove its socket and write its marks. */
static bool make_directory(const char *path, gid_t gid, struct lb_err *err)
{
	uid_t uid;
	gid_t account_gid;

	if (mkdir(path, 0750) != 0 && errno != EEXIST)
		return lb_err_errno(err, errno, "cannot create the runtime directory %s", path);
	if (geteuid() == 0 && caps_user(&uid, &account_gid) && chown(path, uid, gid) != 0)
		lb_warning("runtime directory %s cannot be given to user %s", path, CAPS_USER);
	return true;
}

/* The socket of a former process, where its file is still there for the same group; else a new one takes its name. */
static int open_socket(struct admin *a, struct resume *resume, struct lb_err *err)
{
	int fd = resume_take(resume, RESUME_ADMIN);
	struct stat st;

	if (fd >= 0 && stat(a->socket_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    (a->gid == (uint32_t)-1 || st.st_gid == (gid_t)a->gid))
		return fd;
	if (fd >= 0) {
		close(fd);
		resume_drop(resume, RESUME_ADMIN);
		unlink(a->socket_path);
	}
	fd = listen_sock_unix(a->socket_path, (gid_t)a->gid, err);
	if (fd >= 0)
		resume_put(resume, RESUME_ADMIN, fd);
	return fd;
}

static int open_metrics(const struct lb_endpoint *endpoint, struct resume *resume, struct lb_err *why)
{
	char name[RESUME_NAME_MAX];
	int fd = resume_take(resume, resume_name(RESUME_METRICS, endpoint, name));

	if (fd < 0 && (fd = listen_sock_tcp(endpoint, why)) >= 0)
		resume_put(resume, name, fd);
	return fd;
}

bool admin_open(struct admin *a, const struct lb_conf *conf, const char *runtime_dir, struct resume *resume,
		struct lb_err *err)
{
	*a = (struct admin){.socket_fd = -1, .metrics_fd = -1, .gid = find_group(conf->admin_group)};
	if (!make_directory(runtime_dir, (gid_t)a->gid, err))
		return false;
	snprintf(a->socket_path, sizeof(a->socket_path), "%s/lbd.sock", runtime_dir);
	a->socket_fd = open_socket(a, resume, err);
	if (a->socket_fd < 0)
		return false;
	if (conf->metrics_listen.port != 0) {
		struct lb_err why;

		a->metrics_fd = open_metrics(&conf->metrics_listen, resume, &why);
		if (a->metrics_fd < 0) {
			admin_close(a);
			return lb_err_set(err, "metrics.listen: %s", why.text);
		}
	}
	return true;
}

void admin_close(struct admin *a)
{
	if (a->socket_fd >= 0) {
		close(a->socket_fd);
		unlink(a->socket_path);
	}
	if (a->metrics_fd >= 0)
		close(a->metrics_fd);
	a->socket_fd = a->metrics_fd = -1;
}
