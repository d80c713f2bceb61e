#include "daemon/sys/syscalls.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* Newer than some headers: a name for anonymous memory, which malloc gives where it is told to. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define ANY(name)                      \
	{                              \
		.call = SCMP_SYS(name) \
	}
#define ARG(n, v)                                                           \
	{                                                                   \
		.arg = (n), .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)(v) \
	}
#define BITS(n, m, v)                                                                                            \
	{                                                                                                        \
		.arg = (n), .op = SCMP_CMP_MASKED_EQ, .datum_a = (scmp_datum_t)(m), .datum_b = (scmp_datum_t)(v) \
	}
#define IF(name, condition)                                                    \
	{                                                                      \
		.call = SCMP_SYS(name), .conditions = 1, .when = { condition } \
	}
#define IF_BOTH(name, one, other)                                               \
	{                                                                       \
		.call = SCMP_SYS(name), .conditions = 2, .when = { one, other } \
	}

#define SOCKET_TYPE 0xf
#define NO_PROT	    0
#define WRITE_EXEC  (PROT_WRITE | PROT_EXEC)
#define NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* What both do while they run. */
static const struct syscalls_row common[] = {
    /* Waiting, time, and what the C library and its allocator do by themselves. */
    ANY(epoll_create1),
    ANY(epoll_ctl),
    ANY(epoll_wait),
    ANY(epoll_pwait),
    ANY(epoll_pwait2),
    ANY(poll),
    ANY(ppoll),
    ANY(eventfd2),
    ANY(timerfd_create),
    ANY(timerfd_settime),
    ANY(clock_gettime),
    ANY(clock_getres),
    ANY(clock_nanosleep),
    ANY(nanosleep),
    ANY(gettimeofday),
    ANY(time),
    ANY(restart_syscall),
    ANY(getrandom),
    ANY(futex),
    ANY(rseq),
    ANY(set_robust_list),
    ANY(get_robust_list),
    ANY(membarrier),
    ANY(sched_yield),
    ANY(sched_getaffinity),
    IF(sched_setaffinity, ARG(0, 0)),
    ANY(getcpu),
    ANY(brk),
    ANY(munmap),
    ANY(mremap),
    ANY(madvise),
    IF(mmap, BITS(2, WRITE_EXEC, NO_PROT)),
    IF(mmap, BITS(2, WRITE_EXEC, PROT_WRITE)),
    IF(mmap, BITS(2, WRITE_EXEC, PROT_EXEC)),
    IF(mprotect, BITS(2, PROT_EXEC, NO_PROT)),
    ANY(rt_sigaction),
    ANY(rt_sigprocmask),
    ANY(rt_sigreturn),
    ANY(sigaltstack),
    ANY(tgkill),
    ANY(exit),
    ANY(exit_group),
    ANY(sysinfo),
    ANY(uname),
    ANY(getrusage),
    IF(prlimit64, ARG(2, 0)),
    ANY(getrlimit),
    ANY(getpid),
    ANY(gettid),
    ANY(getppid),
    ANY(getuid),
    ANY(geteuid),
    ANY(getgid),
    ANY(getegid),
    ANY(getgroups),
    IF(prctl, ARG(0, PR_SET_NAME)),
    IF(prctl, ARG(0, PR_SET_PDEATHSIG)),
    IF(prctl, ARG(0, PR_SET_VMA)),
    IF_BOTH(prctl, ARG(0, PR_SET_DUMPABLE), ARG(1, 0)),
    IF(prctl, ARG(0, PR_GET_DUMPABLE)),

    /* Descriptors; which files may be opened for what is Landlock's and the owner's concern. */
    ANY(read),
    ANY(readv),
    ANY(pread64),
    ANY(write),
    ANY(writev),
    ANY(close),
    ANY(close_range),
    ANY(dup),
    ANY(dup2),
    ANY(dup3),
    ANY(fcntl),
    ANY(fcntl64),
    ANY(lseek),
    ANY(_llseek),
    ANY(pipe2),
    ANY(open),
    ANY(openat),
    ANY(stat),
    ANY(fstat),
    ANY(lstat),
    ANY(fstat64),
    ANY(fstatat64),
    ANY(newfstatat),
    ANY(statx),
    ANY(fstatfs),
    ANY(access),
    ANY(faccessat),
    ANY(faccessat2),
    ANY(readlink),
    ANY(readlinkat),
    ANY(getdents64),
    IF(ioctl, ARG(1, FIONREAD)),
    IF(ioctl, ARG(1, FIONBIO)),
    IF(ioctl, ARG(1, SIOCOUTQ)),
    IF(ioctl, ARG(1, SIOCOUTQNSD)),
    IF(ioctl, ARG(1, TCGETS)),

    /* Connections: streams over IP, and what the name service of the C library asks over a UNIX socket. */
    IF(socket, ARG(0, AF_UNIX)),
    IF_BOTH(socket, ARG(0, AF_INET), BITS(1, SOCKET_TYPE, SOCK_STREAM)),
    IF_BOTH(socket, ARG(0, AF_INET6), BITS(1, SOCKET_TYPE, SOCK_STREAM)),
    ANY(bind),
    ANY(connect),
    ANY(accept),
    ANY(accept4),
    ANY(shutdown),
    ANY(getsockname),
    ANY(getpeername),
    ANY(getsockopt),
    ANY(setsockopt),
    ANY(recvfrom),
    ANY(recvmsg),
    ANY(recv),
    ANY(sendto),
    ANY(sendmsg),
    ANY(send),
    ANY(splice),
    ANY(tee),
};

/* A thread is not a process: the proxy can start the one and not the other. It writes to the files it was given. */
static const struct syscalls_row proxy[] = {
    ANY(pwrite64),
    ANY(ftruncate),
    ANY(memfd_create),
    IF(clone, BITS(0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM)),
};

/* The VIP's owner: netlink, packets, adverts, listening sockets, its state, and its child. */
static const struct syscalls_row keeper[] = {
    IF(socket, ARG(0, AF_NETLINK)),
    IF(socket, ARG(0, AF_PACKET)),
    IF_BOTH(socket, ARG(0, AF_INET), BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
    IF_BOTH(socket, ARG(0, AF_INET), BITS(1, SOCKET_TYPE, SOCK_RAW)),
    IF_BOTH(socket, ARG(0, AF_INET6), BITS(1, SOCKET_TYPE, SOCK_DGRAM)),
    IF_BOTH(socket, ARG(0, AF_INET6), BITS(1, SOCKET_TYPE, SOCK_RAW)),
    IF(socketpair, ARG(0, AF_UNIX)),
    ANY(listen),
    ANY(recvmmsg),
    ANY(sendmmsg),
    IF(ioctl, ARG(1, SIOCGIFINDEX)),
    IF(ioctl, ARG(1, SIOCGIFNAME)),
    IF(ioctl, ARG(1, SIOCGIFHWADDR)),
    ANY(memfd_create),
    ANY(fsync),
    ANY(umask),
    ANY(mkdir),
    ANY(mkdirat),
    ANY(rename),
    ANY(renameat),
    ANY(renameat2),
    ANY(unlink),
    ANY(unlinkat),
    ANY(chmod),
    ANY(fchmod),
    ANY(fchmodat),
    ANY(chown),
    ANY(fchown),
    ANY(fchownat),
    IF(clone, BITS(0, NAMESPACES, 0)),
    ANY(fork),
    ANY(vfork),
    ANY(wait4),
    ANY(waitid),
    ANY(pidfd_open),
    ANY(pidfd_send_signal),
    ANY(kill),
    ANY(execve),
};

/* From the first instruction of a program that the keeper executes to the moment at which that restricts itself. */
static const struct syscalls_row starting[] = {
    ANY(arch_prctl),
    ANY(getcwd),
    ANY(statfs),
    ANY(mincore),
    ANY(fadvise64),
    ANY(getpgrp),
    ANY(getpgid),
    ANY(getsid),
    ANY(getpriority),
    ANY(times),
    ANY(pipe),
    ANY(set_tid_address),
    ANY(set_thread_area),
    ANY(rt_sigpending),
    ANY(rt_sigtimedwait),
    ANY(sched_setscheduler),
    ANY(sched_getscheduler),
    ANY(sched_getparam),
    ANY(sched_get_priority_min),
    ANY(sched_get_priority_max),
    ANY(mlockall),
    ANY(setrlimit),
    ANY(prlimit64),
    ANY(capget),
    ANY(capset),
    ANY(setuid),
    ANY(setgid),
    ANY(setresuid),
    ANY(setresgid),
    ANY(getresuid),
    ANY(getresgid),
    ANY(setgroups),
    ANY(seccomp),
    ANY(landlock_create_ruleset),
    ANY(landlock_add_rule),
    ANY(landlock_restrict_self),
    IF(prctl, ARG(0, PR_SET_NO_NEW_PRIVS)),
    IF(prctl, ARG(0, PR_GET_NO_NEW_PRIVS)),
    IF(prctl, ARG(0, PR_CAPBSET_READ)),
    IF(prctl, ARG(0, PR_CAPBSET_DROP)),
    IF(prctl, ARG(0, PR_CAP_AMBIENT)),
    IF(prctl, ARG(0, PR_GET_SECUREBITS)),
    IF(prctl, ARG(0, PR_SET_SECUREBITS)),
    IF(prctl, ARG(0, PR_SET_KEEPCAPS)),
    IF(prctl, ARG(0, PR_GET_KEEPCAPS)),
    IF(prctl, ARG(0, PR_GET_SECCOMP)),
    IF(prctl, ARG(0, PR_SET_SECCOMP)),
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Sanitizers stop the threads to look for leaks, map their shadow with any protection, and read their own maps. */
static const struct syscalls_row sanitizer[] = {
    ANY(ptrace),
    ANY(process_vm_readv),
    ANY(personality),
    ANY(clone),
    ANY(wait4),
    ANY(prctl),
    ANY(mmap),
    ANY(mprotect),
    ANY(prlimit64),
    ANY(kill),
    ANY(ioctl),
    ANY(pipe),
    ANY(sched_getscheduler),
    ANY(setrlimit),
    ANY(getdents),
    ANY(mincore),
    ANY(socketpair),
    ANY(set_tid_address),
};
#define SANITIZER {sanitizer, COUNT(sanitizer)},
#else
#define SANITIZER
#endif

const struct syscalls_table *syscalls_of(enum syscalls_role role)
{
	static const struct syscalls_table tables[][6] = {
	    [SYSCALLS_KEEPER] = {{common, COUNT(common)},
				 {proxy, COUNT(proxy)},
				 {keeper, COUNT(keeper)},
				 {starting, COUNT(starting)},
				 SANITIZER{NULL, 0}},
	    [SYSCALLS_PROXY] = {{common, COUNT(common)},	 {proxy, COUNT(proxy)},	SANITIZER{NULL, 0}},
	};

	return tables[role];
}
