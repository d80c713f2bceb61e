#include "daemon/sys/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than some headers: truncation (version 3), TCP ports (version 4), devices (version 5). */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP (1ULL << 0)
#define LANDLOCK_RULE_NET_PORT	     2
#endif

/* The first two fields of struct landlock_ruleset_attr and struct landlock_net_port_attr, whatever the headers know. */
struct ruleset {
	uint64_t files, ports;
};

struct port_rule {
	uint64_t access, port;
};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                         \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |   \
	 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
	 LANDLOCK_ACCESS_FS_TRUNCATE)
#define NEVER                                                                                          \
	(LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | \
	 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_IOCTL_DEV)

/* What the kernel's version of Landlock can hold. */
static uint64_t known_files(long version)
{
	uint64_t all = READING | WRITING | NEVER | LANDLOCK_ACCESS_FS_EXECUTE;

	if (version < 3)
		all &= ~(uint64_t)LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version < 5)
		all &= ~(uint64_t)LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return all;
}

/* A path that is not there needs no rule. */
static bool permit(int ruleset, const char *path, uint64_t access, struct lb_err *err)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = access};
	long rc;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || lb_err_errno(err, errno, "%s", path);
	rc = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0u);
	close(rule.parent_fd);
	return rc == 0 || lb_err_errno(err, errno, "Landlock does not take %s", path);
}

/* Port 0 is what a connection from a chosen local address asks for. */
static bool permit_any_port(int ruleset, struct lb_err *err)
{
	struct port_rule rule = {.access = LANDLOCK_ACCESS_NET_BIND_TCP};

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_NET_PORT, &rule, 0u) == 0 ||
	       lb_err_errno(err, errno, "Landlock does not take a port");
}

static bool add_rules(int ruleset, const struct landlock_rules *rules, const struct ruleset *held, struct lb_err *err)
{
	bool ok = permit(ruleset, "/", READING, err);

	if (ok && rules->write_dir)
		ok = permit(ruleset, rules->write_dir, WRITING & held->files, err);
	for (size_t i = 0; ok && rules->exec_dirs && rules->exec_dirs[i]; i++)
		ok = permit(ruleset, rules->exec_dirs[i], LANDLOCK_ACCESS_FS_EXECUTE, err);
	if (ok && held->ports)
		ok = permit_any_port(ruleset, err);
	return ok;
}

bool landlock_enter(const struct landlock_rules *rules, struct lb_err *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset held;
	size_t size = version >= 4 ? sizeof(held) : sizeof(held.files);
	int ruleset;
	bool ok;

	if (version < 1)
		return lb_err_errno(err, errno, "the kernel has no Landlock");
	held.files = known_files(version);
	held.ports = rules->no_bind && version >= 4 ? LANDLOCK_ACCESS_NET_BIND_TCP : 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &held, size, 0u);
	if (ruleset < 0)
		return lb_err_errno(err, errno, "Landlock makes no rules");
	ok = add_rules(ruleset, rules, &held, err);
	if (ok && syscall(SYS_landlock_restrict_self, ruleset, 0u) != 0)
		ok = lb_err_errno(err, errno, "Landlock is refused");
	close(ruleset);
	return ok;
}
