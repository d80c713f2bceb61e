/*
 * As many requests as a UNIX socket's server takes: several clients, each with a pipeline of requests that is never
 * empty, and who begins anew when it is shown the door.
 */
#include <getopt.h>
#include <poll.h>
#include <sys/un.h>

#include "probe.h"

#define CLIENTS_MAX 64
/* Requests sent in one piece. */
#define PIPELINE 64

struct client {
	int fd; /* -1: not connected */
	size_t sent;
	unsigned matched; /* bytes of the mark that ended the last piece */
};

struct flood {
	struct sockaddr_un address;
	char requests[PIPELINE * 256];
	size_t length;
	struct client clients[CLIENTS_MAX];
	size_t count;
	uint64_t answers, connections, refused;
};

/* Each answer begins so, and nothing else in it says this. */
static const char mark[] = "HTTP/1.1 200";

static void client_connect(struct flood *flood, struct client *client)
{
	*client = (struct client){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
	if (client->fd < 0) {
		perror("socket");
		exit(1);
	}
	if (connect(client->fd, (const struct sockaddr *)&flood->address, sizeof(flood->address)) == 0) {
		flood->connections++;
		return;
	}
	/* The queue of the socket is full: later again. */
	close(client->fd);
	client->fd = -1;
	flood->refused++;
}

static void client_end(struct client *client)
{
	close(client->fd);
	client->fd = -1;
}

static void client_send(const struct flood *flood, struct client *client)
{
	ssize_t count = send(client->fd, flood->requests + client->sent, flood->length - client->sent, MSG_NOSIGNAL);
	if (count < 0 && errno != EAGAIN)
		client_end(client);
	else if (count > 0)
		client->sent = (client->sent + (size_t)count) % flood->length;
}

static void client_receive(struct flood *flood, struct client *client)
{
	char bytes[65536];
	ssize_t count = recv(client->fd, bytes, sizeof(bytes), 0);
	if (count == 0 || (count < 0 && errno != EAGAIN)) {
		client_end(client);
		return;
	}
	for (ssize_t i = 0; i < count; i++) {
		if (bytes[i] != mark[client->matched])
			client->matched = bytes[i] == mark[0];
		else if (++client->matched == sizeof(mark) - 1) {
			client->matched = 0;
			flood->answers++;
		}
	}
}

static void run(struct flood *flood, int quit)
{
	for (;;) {
		struct pollfd polled[CLIENTS_MAX + 1];
		for (size_t i = 0; i < flood->count; i++) {
			if (flood->clients[i].fd < 0)
				client_connect(flood, &flood->clients[i]);
			polled[i] = (struct pollfd){.fd = flood->clients[i].fd, .events = POLLIN | POLLOUT};
		}
		polled[flood->count] = (struct pollfd){.fd = quit, .events = POLLIN};
		poll(polled, flood->count + 1, 10);
		if (polled[flood->count].revents != 0 && end_signal_taken(quit))
			return;
		for (size_t i = 0; i < flood->count; i++) {
			struct client *client = &flood->clients[i];
			if (client->fd >= 0 && (polled[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
				client_receive(flood, client);
			if (client->fd >= 0 && (polled[i].revents & POLLOUT) != 0)
				client_send(flood, client);
		}
	}
}

int main(int argc, char **argv)
{
	static struct flood flood = {.address.sun_family = AF_UNIX, .count = 16};
	FILE *records = NULL;
	int option;
	while ((option = getopt(argc, argv, "c:o:")) != -1) {
		if (option == 'c')
			flood.count = (size_t)positive(optarg);
		else if (option == 'o')
			records = records_open(optarg);
	}
	if (argc - optind != 2 || flood.count > CLIENTS_MAX || strlen(argv[optind + 1]) > 100) {
		fputs("usage: flood [-c CLIENTS] [-o RECORDS] SOCKET PATH\n", stderr);
		return 2;
	}
	snprintf(flood.address.sun_path, sizeof(flood.address.sun_path), "%s", argv[optind]);
	for (int i = 0; i < PIPELINE; i++)
		flood.length += (size_t)snprintf(flood.requests + flood.length, sizeof(flood.requests) - flood.length,
						 "GET %s HTTP/1.1\r\nHost: lbd\r\n\r\n", argv[optind + 1]);
	for (size_t i = 0; i < flood.count; i++)
		flood.clients[i].fd = -1;
	int quit = end_signal();
	int64_t began = clock_ns(CLOCK_MONOTONIC);
	if (records != NULL) {
		fprintf(records, "%.6f\n", seconds(began));
		fclose(records);
	}
	run(&flood, quit);
	double took = seconds(clock_ns(CLOCK_MONOTONIC) - began);
	printf("{\"answers\": %lu, \"connections\": %lu, \"refused\": %lu, \"seconds\": %.3f}\n", flood.answers,
	       flood.connections, flood.refused, took);
	return 0;
}
