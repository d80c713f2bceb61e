#include "daemon/keeper/reaper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

/* All memory of the keeper is locked, this too. */
#define STACK_BYTES (64u * 1024)

static atomic_int waiting;

static void *reap(void *arg)
{
	int pidfd = (int)(intptr_t)arg;
	siginfo_t end;

	while (waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED) != 0 && errno == EINTR)
		;
	close(pidfd);
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_release);
	return NULL;
}

/* A new thread does not inherit realtime priority (SCHED_RESET_ON_FORK), and signals are for the keeper's own. */
static bool start(int pidfd)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int error;

	if (pthread_attr_init(&attr) != 0)
		return false;
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attr, reap, (void *)(intptr_t)pidfd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return error == 0;
}

void reaper_take(int pidfd)
{
	siginfo_t end;

	if (pidfd < 0)
		return;
	atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
	if (start(pidfd))
		return;
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
	/* Rather late than never, and rather a zombie than a keeper that waits. */
	waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED | WNOHANG);
	close(pidfd);
}

bool reaper_idle(void)
{
	return atomic_load_explicit(&waiting, memory_order_acquire) == 0;
}
