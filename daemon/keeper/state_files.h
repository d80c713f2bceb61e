/*
 * The two files in which a proxy leaves events and orders for the next one (lb/state_file.h). The keeper only opens
 * them, before its loop runs, and hands the descriptors on: whatever the disk does is then the proxy's concern.
 */
#ifndef KEEPER_STATE_FILES_H
#define KEEPER_STATE_FILES_H

struct state_files {
	int fds[2]; /* events, orders; both -1: there are none */
};

/* Cannot fail: where a file cannot be had there are none, with a warning. */
void state_files_open(struct state_files *s, const char *runtime_dir);
void state_files_close(struct state_files *s);

#endif
