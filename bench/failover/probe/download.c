/* One download: connect, ask, read what comes, and again where it breaks. */
#include "download.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define RETRY (50 * MSEC)

struct download {
	struct felt *felt;
	struct watch watch;
	bool connected;
	int64_t tried;
	int64_t last; /* when the last byte came, 0: none yet */
	int64_t stall, stall_start;
	uint64_t bytes;
	unsigned breaks;
	char server[64];
};

static void download_note_stall(struct download *download, int64_t now)
{
	if (download->last != 0 && now - download->last > download->stall) {
		download->stall = now - download->last;
		download->stall_start = download->last;
	}
}

static void download_break(struct download *download)
{
	download->breaks += download->connected;
	download->connected = false;
	felt_close(&download->watch);
}

static void download_start(struct download *download)
{
	download->tried = now_ns();
	if (felt_connect(download->felt, &download->watch) != 0)
		felt_close(&download->watch);
}

static void download_on_event(struct watch *watch, uint32_t events)
{
	static char bytes[65536];
	struct download *download = watch->owner;
	(void)events;
	if (!download->connected) {
		download->connected = felt_connected(download->felt, watch) == 0;
		if (!download->connected || felt_say(watch, "stream\n") != 0)
			download_break(download);
		return;
	}
	ssize_t count = recv(watch->fd, bytes, sizeof(bytes) - 1, 0);
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0) {
		download_break(download);
		return;
	}
	bytes[count] = '\0';
	if (download->bytes == 0)
		sscanf(bytes, "I am %63s", download->server);
	int64_t now = now_ns();
	download_note_stall(download, now);
	download->last = now;
	download->bytes += (uint64_t)count;
}

struct download *download_new(struct felt *felt)
{
	struct download *download = calloc(1, sizeof(*download));
	if (download == NULL)
		abort();
	download->felt = felt;
	download->watch = (struct watch){.on_event = download_on_event, .owner = download, .fd = -1};
	download_start(download);
	return download;
}

void download_tick(struct download *download, int64_t now)
{
	if (download->watch.fd < 0 && now - download->tried >= RETRY && download->felt->ended == 0)
		download_start(download);
}

bool download_ready(const struct download *download)
{
	return download->bytes > 0;
}

const char *download_server(const struct download *download)
{
	return download->server;
}

void download_free(struct download *download)
{
	download_note_stall(download, download->felt->ended);
	fprintf(download->felt->records, "stream %lu %u %.6f %.6f\n", download->bytes, download->breaks,
		in_seconds(download->stall), in_seconds(download->stall_start));
	felt_close(&download->watch);
	free(download);
}
