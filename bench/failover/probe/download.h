/*
 * A download that never ends at a steady pace: how long no byte came. Where it breaks it is asked for anew, each 50 ms,
 * until it flows again; it has no time limit of its own, as a browser's download has none.
 */
#ifndef BENCH_DOWNLOAD_H
#define BENCH_DOWNLOAD_H

#include "felt.h"

struct download;

/* Starts it. Ends the program where memory is short. */
struct download *download_new(struct felt *felt);
/* A millisecond has passed: tries again where it broke. */
void download_tick(struct download *download, int64_t now);
/* Whether bytes have come. */
bool download_ready(const struct download *download);
/* The name of the server that the first bytes came from; empty while none have. */
const char *download_server(const struct download *download);
/* Writes the record (the stall that lasts at felt->ended counts) and frees everything. */
void download_free(struct download *download);

#endif
