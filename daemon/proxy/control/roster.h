/*
 * The services and servers of the configuration in force with what is known and was ordered about them: health, admin
 * state, weights, counters. They are found by name and survive reloads. Control thread only.
 */
#ifndef CONTROL_ROSTER_H
#define CONTROL_ROSTER_H

#include <lb/agent_line.h>
#include <lb/snapshot.h>

#include "daemon/proxy/control/conf_set.h"
#include "daemon/proxy/share/counters.h"

struct server_check; /* belongs to the checker */
struct service;

/* What the last check said. */
struct server_report {
	char result[64]; /* "" not yet */
	lb_duration duration;
	uint32_t failures; /* in a row */
	lb_wall at;
	const char *warning;		 /* what an answer that only means "alive" says, a literal; NULL none */
	lb_wall certificate_ends;	 /* of the server's certificate; 0 unknown */
	lb_wall client_certificate_ends; /* of the one the check shows; 0 none */
};

struct server {
	struct service *service;
	const struct lb_conf_server *conf;
	struct server_block *block;
	struct server_check *check;
	struct health_fsm health;
	struct server_report report;
	lb_wall since; /* of health.state */
	enum lb_admin_state admin;
	uint16_t weight;	   /* the configured one or what an administrator made of it */
	uint32_t limit;		   /* max_connections likewise, 0 = none */
	struct agent_orders agent; /* what its agent has ordered */
	bool returning;		   /* leaves maint: its weight ramps up once it is up */
	lb_time ramp_from;	   /* came back then, its weight ramps up; 0 = full */
};

struct service {
	const struct lb_conf_service *conf;
	struct service_block *block;
	struct server **servers; /* in the order of the file */
	size_t server_count;
	lb_duration urgency; /* the checker's: what the machine of each server was told ... */
	bool urgency_told;   /* ... unless one has begun anew since */
};

/* Which servers of a service may get new sessions. */
enum service_use {
	SERVICE_USE_UP,	     /* those that are up */
	SERVICE_USE_UNKNOWN, /* none is up: those not checked yet */
	SERVICE_USE_ALL,     /* none is up, when_all_down is try_all */
	SERVICE_USE_NONE,
};

struct roster {
	struct service **services; /* in the order of the file */
	size_t service_count;
	uint32_t workers; /* slots in each block */
};

/* What others must do when servers come and go. The server is complete when added and freed after removed. */
struct roster_hooks {
	void (*added)(void *ctx, struct server *server);
	void (*kept)(void *ctx, struct server *server, bool check_changed);
	void (*removed)(void *ctx, struct server *server);
	/* Nothing lists the block any more; it is the callee's. */
	void (*server_block)(void *ctx, struct server_block *block);
	void (*service_block)(void *ctx, struct service_block *block);
	void *ctx;
};

/*
 * Make the roster what conf says. A server of the same name and address keeps everything, one of the same name only
 * its admin state; a weight or limit that an administrator changed stays until the file changes it.
 */
void roster_apply(struct roster *r, const struct lb_conf *conf, const struct roster_hooks *hooks);
/* Remove everything (through the hooks). */
void roster_clear(struct roster *r, const struct roster_hooks *hooks);

struct service *roster_service(const struct roster *r, const char *name);
struct server *roster_server(const struct roster *r, const char *service, const char *server);
/* The server that counts on block; the block is compared, not read. NULL when it is not listed any more. */
struct server *roster_server_by_block(const struct roster *r, const struct server_block *block);

enum service_use service_use(const struct service *service);
/* May this server get new sessions, given its service's use? */
bool server_usable(const struct server *server, enum service_use use);
/* Weight for choosing, after agent and slow start; 0 = an agent wants no sessions. */
uint16_t server_weight(const struct server *server, lb_time now);
/* The most sessions it may have: what its agent ordered, else what the configuration says; 0 = no limit. */
uint32_t server_max_connections(const struct server *server);
bool server_ramping(const struct server *server, lb_time now);
/* Counts as ready for the cluster: up and admin ready. */
bool server_ready(const struct server *server);
/* "SERVICE/SERVER" */
#define SERVER_SUBJECT 132
const char *server_subject(const struct server *server, char buf[static SERVER_SUBJECT]);

#endif
