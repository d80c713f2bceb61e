/*
 * Preloaded into lbd, and so into each lbd-proxy that it starts: one that the file $LAB_HEIR has a word for behaves
 * like a broken program. "exit" ends at once, "hang" does nothing, "foreign" expects other messages of its keeper,
 * "version" speaks a hand-over that nobody knows, "crash" dies while it takes the second lot of sessions. "lbd-hang":
 * an lbd that is tried does nothing. An lbd that was executed in the place of another one does not get what it needs:
 * for "lbd-early" the addresses of the host, for "lbd-middle" a netlink socket, for "lbd-late" that it gives up
 * privileges.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a frame between two proxies: what it begins with, the type and the versions behind it. */
#define MAGIC	 "lbds"
#define HELLO	 1
#define SESSIONS 3

/* Where a proxy finds its end of the channel to the keeper. */
#define KEEPER 3

static char fault[16];
static bool next; /* an lbd in the place of another one */
static int lots;

/* Is this the installed lbd, in the place of another one? The file of that one was replaced. */
static bool is_next(void)
{
	char path[PATH_MAX] = "";

	return getenv("LBD_DESCRIPTORS") && readlink("/proc/self/exe", path, sizeof(path) - 1) > 0 &&
	       !strstr(path, " (deleted)");
}

/* Before main, as a program that gives up its rights cannot open files later. */
__attribute__((constructor)) static void read_fault(int argc, char **argv)
{
	const char *path = getenv("LAB_HEIR");
	bool tried = argc > 1 && strcmp(argv[1], "--resume-test") == 0;
	bool heir = tried || strcmp(program_invocation_short_name, "lbd-proxy") == 0;
	int fd;

	next = !heir && is_next();
	fd = path && (heir || next) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (read(fd, fault, sizeof(fault) - 1) < 0)
		fault[0] = '\0';
	close(fd);
	if (next)
		return;
	if (!tried && strcmp(fault, "exit") == 0)
		_exit(7);
	while (strcmp(fault, tried ? "lbd-hang" : "hang") == 0)
		poll(NULL, 0, -1);
}

/* By the kernel, as it seems. */
static bool refused(const char *what)
{
	errno = EACCES;
	return next && strcmp(fault, what) == 0;
}

int getifaddrs(struct ifaddrs **out)
{
	int (*real)(struct ifaddrs **) = (int (*)(struct ifaddrs **))dlsym(RTLD_NEXT, "getifaddrs");

	return refused("lbd-early") ? -1 : real(out);
}

int socket(int domain, int type, int protocol)
{
	int (*real)(int, int, int) = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");

	return domain == AF_NETLINK && refused("lbd-middle") ? -1 : real(domain, type, protocol);
}

int prctl(int option, ...)
{
	int (*real)(int, ...) = (int (*)(int, ...))dlsym(RTLD_NEXT, "prctl");
	unsigned long arg[4];
	va_list list;

	va_start(list, option);
	for (size_t i = 0; i < 4; i++)
		arg[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_NO_NEW_PRIVS && refused("lbd-late"))
		return -1;
	return real(option, arg[0], arg[1], arg[2], arg[3]);
}

static unsigned char *frame_of(const struct msghdr *msg, int type)
{
	unsigned char *frame = msg->msg_iovlen > 0 ? msg->msg_iov[0].iov_base : NULL;

	return frame && msg->msg_iov[0].iov_len == 32 && memcmp(frame, MAGIC, 4) == 0 && frame[5] == type ? frame
													  : NULL;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, const struct msghdr *, int) =
	    (ssize_t(*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, "sendmsg");
	unsigned char *hello = strcmp(fault, "version") == 0 ? frame_of(msg, HELLO) : NULL;

	if (hello)
		hello[7] = hello[9] = 9;
	return real(fd, msg, flags);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t (*real)(int, struct msghdr *, int) = (ssize_t(*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, "recvmsg");
	ssize_t n = real(fd, msg, flags);

	if (n > 1 && fd == KEEPER && strcmp(fault, "foreign") == 0)
		n--;
	if (n > 0 && strcmp(fault, "crash") == 0 && frame_of(msg, SESSIONS) && ++lots == 2)
		raise(SIGKILL);
	return n;
}
