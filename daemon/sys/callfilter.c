#include "daemon/sys/callfilter.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

/* Calls are named in the handler of a signal, where nothing can be looked up: the names are written down before. */
#define NAMES	  512
#define NAME_SIZE 28

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

static char names[NAMES][NAME_SIZE];
static char program_name[32];
static atomic_int lines;

static void note_names(void)
{
	for (int call = 0; call < NAMES; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

		snprintf(names[call], NAME_SIZE, "%s", name ? name : "");
		free(name);
	}
}

/* Append to a text in the handler of a signal, which may call nothing of stdio. */
static size_t add(char *out, size_t at, size_t cap, const char *text)
{
	while (*text != '\0' && at + 1 < cap)
		out[at++] = *text++;
	return at;
}

static void tell(int call)
{
	char text[160];
	size_t n = add(text, 0, sizeof(text), "<4>");

	n = add(text, n, sizeof(text), program_name);
	n = add(text, n, sizeof(text), " sandbox refused call=");
	n = add(text, n, sizeof(text), names[call]);
	n = add(text, n, sizeof(text), "\n");
	if (write(STDERR_FILENO, text, n) < 0)
		return;
}

/* The call's result, as the one who made it will see it. */
static void set_result(ucontext_t *context, int error)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = -error;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long long)-error;
#else
	(void)context;
	(void)error;
#endif
}

/* Newer than the tables are: whoever tries it must expect that the kernel does not have it. */
static bool is_unknown(int call)
{
	return call < 0 || call >= NAMES || names[call][0] == '\0';
}

/* The kernel did not make the call and asks what to do instead: say so, and let the call fail. */
static void on_refused(int signum, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)signum;
	if (info->si_code != SYS_SECCOMP)
		return;
	if (is_unknown(info->si_syscall)) {
		set_result(context, ENOSYS);
	} else {
		if (atomic_fetch_add_explicit(&lines, 1, memory_order_relaxed) < CALLFILTER_LINES)
			tell(info->si_syscall);
		set_result(context, EPERM);
	}
	errno = saved;
}

/* Where the handler cannot set a result the kernel does, and nobody is told. */
static uint32_t refusal(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
	return SCMP_ACT_TRAP;
#else
	return SCMP_ACT_ERRNO(EPERM);
#endif
}

/* A call that this processor does not have is none to allow. */
static int allow(scmp_filter_ctx filter, const struct syscalls_row *row)
{
	if (row->call < 0)
		return 0;
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, row->call, row->conditions, row->when);
}

/* The C library tries this first and has another way, whose flags a filter can see, when the kernel does not have it.
 */
static int pretend_absent(scmp_filter_ctx filter)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
}

static int fill(scmp_filter_ctx filter, enum syscalls_role role)
{
	int rc = pretend_absent(filter);

	for (const struct syscalls_table *t = syscalls_of(role); t->rows && rc == 0; t++)
		for (size_t i = 0; i < t->count && rc == 0; i++)
			rc = allow(filter, &t->rows[i]);
	return rc;
}

static bool catch_refusals(struct lb_err *err)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (sigaction(SIGSYS, &action, NULL) != 0)
		return lb_err_errno(err, errno, "cannot watch for refused system calls");
	return true;
}

bool callfilter_inherit(const char *program, struct lb_err *err)
{
	snprintf(program_name, sizeof(program_name), "%s", program);
	note_names();
	return catch_refusals(err);
}

bool callfilter_enter(enum syscalls_role role, const char *program, struct lb_err *err)
{
	scmp_filter_ctx filter = seccomp_init(refusal());
	int rc;

	if (!filter)
		return lb_err_set(err, "cannot make a filter of system calls: out of memory");
	/* A decision tree instead of a list, no slower branches than before, and what comes from another ABI is
	 * refused, too. */
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	rc = fill(filter, role);
	if (rc == 0 && !callfilter_inherit(program, err)) {
		seccomp_release(filter);
		return false;
	}
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc == 0 || lb_err_errno(err, -rc, "the kernel takes no filter of system calls");
}
