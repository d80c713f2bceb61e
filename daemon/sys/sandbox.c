#include "daemon/sys/sandbox.h"

#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <lb/err.h>
#include <lb/log.h>

#include "daemon/sys/callfilter.h"
#include "daemon/sys/landlock.h"

void sandbox_hide(void)
{
	prctl(PR_SET_DUMPABLE, 0);
}

void sandbox_hide_bytes(const void *bytes, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)bytes & ~(page - 1);
	uintptr_t end = ((uintptr_t)bytes + size + page - 1) & ~(page - 1);

	/* A kernel that does not know the wish has no secret to lose: the process is not dumped as it is. */
	(void)madvise((void *)first, end - first, MADV_DONTDUMP);
}

static void enter(enum syscalls_role role, const char *program, const struct landlock_rules *rules)
{
	struct lb_err err;

	sandbox_hide();
	if (!landlock_enter(rules, &err))
		lb_warning("files are not restricted: %s", err.text);
	if (!callfilter_enter(role, program, &err))
		lb_warning("system calls are not restricted: %s", err.text);
}

/* Cuts a path down to its directory. */
static void keep_directory(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		slash[slash == path] = '\0';
}

/* The loader's path is written in the program, the first one of the list. */
static int note_loader(struct dl_phdr_info *info, size_t size, void *out)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			snprintf(out, PATH_MAX, "%s", (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
	return 1;
}

/* Where the program is and where its loader really is; an empty path where that cannot be told. */
static void find_directories(char own[static PATH_MAX], char loader[static PATH_MAX])
{
	char link[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", own, PATH_MAX - 1);

	own[n > 0 ? n : 0] = '\0';
	keep_directory(own);
	dl_iterate_phdr(note_loader, link);
	if (!realpath(link, loader))
		loader[0] = '\0';
	keep_directory(loader);
}

void sandbox_enter_keeper(const char *runtime_dir)
{
	char own[PATH_MAX], loader[PATH_MAX];
	const char *const exec_dirs[] = {LB_LIBEXEC, own, loader, NULL};

	find_directories(own, loader);
	enter(SYSCALLS_KEEPER, "lbd", &(struct landlock_rules){.write_dir = runtime_dir, .exec_dirs = exec_dirs});
}

void sandbox_inherit_keeper(void)
{
	struct lb_err err;

	sandbox_hide();
	if (!callfilter_inherit("lbd", &err))
		lb_warning("refused system calls are not named: %s", err.text);
}

void sandbox_enter_proxy(void)
{
	enter(SYSCALLS_PROXY, "lbd-proxy", &(struct landlock_rules){.no_bind = true});
}
