/*
 * An echo server: sends back what it reads, a thread a connection. With -b NAME it first sends a line with its name.
 * It passes a half-close on: when the client has finished sending, it finishes after the last byte.
 */
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <unistd.h>

#include "probe.h"

static const char *banner;

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	char bytes[65536];
	ssize_t count = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (banner != NULL && dprintf(fd, "%s\n", banner) < 0)
		goto close_connection;
	while ((count = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		for (ssize_t done = 0, sent; done < count; done += sent) {
			sent = send(fd, bytes + done, (size_t)(count - done), MSG_NOSIGNAL);
			if (sent < 0)
				goto close_connection;
		}
	}
close_connection:
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "b:")) != -1) {
		if (option != 'b')
			argc = 0;
		else
			banner = optarg;
	}
	if (argc - optind != 2) {
		fputs("usage: echod [-b NAME] ADDRESS PORT\n", stderr);
		return 2;
	}
	struct target target = target_parse(argv[optind], argv[optind + 1]);
	int listener = socket(target.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(listener, (struct sockaddr *)&target.address, target.length) < 0 || listen(listener, 4096) < 0) {
		perror(argv[optind]);
		return 1;
	}
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		pthread_t thread;
		if (fd >= 0 && pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
			close(fd);
	}
}
