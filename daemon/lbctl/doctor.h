/*
 * What `lbctl doctor` judges: facts in, findings out. Pure; the command gathers the facts.
 */
#ifndef LBCTL_DOCTOR_H
#define LBCTL_DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include <lb/text.h>

#include "daemon/lbctl/ports.h"

enum doctor_level { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_BAD };

struct doctor;

/* No finding yet; doctor_free. Ends the program when memory is short. */
struct doctor *doctor_new(void);

/* GET /v1/config, for what findings name; before the others. */
void doctor_config(struct doctor *d, const json_t *config);
/* The daemon's own picture (GET /v1/status): role, peers both ways, VIP, lease, authentication, services. */
void doctor_status(struct doctor *d, const json_t *status);

/* Certificates that checks have seen, in the same picture; now in seconds since 1970. */
void doctor_certificates(struct doctor *d, const json_t *status, double now);

/* The keeper's process; a member below 0 is not known and not judged. */
struct doctor_process {
	int64_t files;	      /* limit of open files */
	int64_t sessions;     /* that the daemon takes at a time */
	int64_t capabilities; /* effective, as bits */
};
void doctor_process(struct doctor *d, const struct doctor_process *process);

/* The kernel's settings; below 0 is not known and not judged. */
struct doctor_kernel {
	int64_t first_port, last_port; /* net.ipv4.ip_local_port_range */
	int64_t backlog;	       /* net.core.somaxconn */
	int64_t tw_reuse;	       /* net.ipv4.tcp_tw_reuse */
};
void doctor_kernel(struct doctor *d, const struct doctor_kernel *kernel);
/* net.ipv4.conf.INTERFACE.arp_ignore of an interface with a VIP. */
void doctor_interface(struct doctor *d, const char *interface, int64_t arp_ignore);

/* No daemon answers. */
void doctor_absent(struct doctor *d);
/* The file cannot be used, and why. */
void doctor_file(struct doctor *d, const char *problem);
/* What others have of the places where lbd listens by this configuration; NULL: the kernel does not tell. */
void doctor_ports(struct doctor *d, const struct lb_conf *conf, const struct ports_list *list);

/* The worst finding and all of them as JSON: {"level": "ok", "findings": [{"level", "check", "found", "why", "do"}]}.
 */
enum doctor_level doctor_json(const struct doctor *d, struct lb_text *out);

/* The findings as a table and, of each that is not well, why it matters and what to do; returns the worst. */
enum doctor_level doctor_text(const struct doctor *d, bool colour, struct lb_text *out);

void doctor_free(struct doctor *d);

#endif
