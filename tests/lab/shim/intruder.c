/*
 * Preloaded into a program: somebody who runs code inside of it. As soon as the file $LAB_INTRUDER is there the program
 * named in it tries what an intruder would, and says on stderr how each attempt ended: `intruder NAME 0` or an error's
 * number.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_bool done;

static void tell(const char *what, bool succeeded)
{
	int error = succeeded ? 0 : errno;
	char line[64];
	int n = snprintf(line, sizeof(line), "intruder %s %d\n", what, error);

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

/* What would be left in a core dump: 1 for all of the memory. */
static void look_at_memory(void)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "intruder dumpable %d\n", prctl(PR_GET_DUMPABLE));

	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static void start_programs(void)
{
	char *const none[] = {NULL}, *const argv[] = {(char *)(uintptr_t) "true", NULL};
	long child;

	execve("/nonexistent", none, none);
	tell("execve", false);
	child = syscall(SYS_fork);
	if (child == 0) {
		execve("/bin/true", argv, none);
		_exit(errno);
	}
	tell("fork", child > 0);
	if (child > 0) {
		int status = 0;

		waitpid((pid_t)child, &status, 0);
		errno = WEXITSTATUS(status);
		tell("shell", errno == 0);
	}
	tell("ptrace", ptrace(PTRACE_CONT, 1, NULL, NULL) == 0);
	tell("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
}

static void use_network(void)
{
	struct sockaddr_in port = {.sin_family = AF_INET, .sin_port = htons(7777)};
	int fd;

	tell("packet", socket(AF_PACKET, SOCK_RAW, 0) >= 0);
	tell("netlink", socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	tell("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	tell("port", bind(fd, (struct sockaddr *)&port, sizeof(port)) == 0);
	port.sin_port = 0;
	tell("any-port", bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&port, sizeof(port)) == 0);
}

static void use_files(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s.file", getenv("LAB_INTRUDER"));
	tell("write", open(path, O_WRONLY | O_CREAT, 0600) >= 0);
	tell("read", open("/etc/passwd", O_RDONLY) >= 0);
	tell("code", mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

static bool is_time(void)
{
	const char *path = getenv("LAB_INTRUDER");
	char name[32] = "";
	FILE *file;

	if (!path || atomic_load(&done) || access(path, R_OK) != 0)
		return false;
	file = fopen(path, "r");
	if (!file || !fgets(name, sizeof(name), file))
		name[0] = '\0';
	if (file)
		fclose(file);
	return strcmp(name, program_invocation_short_name) == 0 && !atomic_exchange(&done, true);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	static _Atomic(void *) next;
	void *real = atomic_load(&next);
	int (*call)(int, struct epoll_event *, int, int);

	if (is_time()) {
		look_at_memory();
		start_programs();
		use_network();
		use_files();
	}
	if (!real) {
		real = dlsym(RTLD_NEXT, "epoll_wait");
		atomic_store(&next, real);
	}
	memcpy(&call, &real, sizeof(call));
	return call(fd, events, max, timeout);
}
