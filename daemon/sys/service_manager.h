/*
 * What systemd is going to do with the service that the calling process belongs to. Asks over its private socket (root)
 * or the system bus, and waits for an answer only so long.
 */
#ifndef SYS_SERVICE_MANAGER_H
#define SYS_SERVICE_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <lb/time.h>

struct service_plan {
	bool restarts;	   /* for certain; also false when systemd could not be asked */
	lb_duration lived; /* how long the main process lived; 0 unknown */
};

/* result: systemd's word for how the main process ended ($SERVICE_RESULT). wait: bound of each of a few questions. */
void service_manager_ask(const char *result, lb_duration wait, struct service_plan *out);

/*
 * The processes of the service, the calling one among them: how many of at most max were filled in; 0 also when systemd
 * could not be asked.
 */
size_t service_manager_processes(lb_duration wait, pid_t *pids, size_t max);

#endif
