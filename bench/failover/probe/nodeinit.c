/*
 * The first process of a load balancer's own pid namespace: collects processes that lost their parent, so that a check
 * that looks for a process by name does not find a dead one. Everything in the namespace ends with it.
 */
#include <signal.h>
#include <unistd.h>

int main(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		pause();
}
