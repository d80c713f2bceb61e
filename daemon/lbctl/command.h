/*
 * Commands of lbctl. One const table names, describes, parses and dispatches them; each runs against the local daemon.
 */
#ifndef LBCTL_COMMAND_H
#define LBCTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include <lb/err.h>
#include <lb/time.h>

#include "daemon/lbctl/client.h"

/* Exit codes; `status` has its own (status.h). */
enum command_exit { COMMAND_OK = 0, COMMAND_REFUSED = 1, COMMAND_USAGE = 2, COMMAND_NO_DAEMON = 4 };

enum command_option {
	COMMAND_WATCH,
	COMMAND_FOLLOW,
	COMMAND_LINES,
	COMMAND_SERVICE,
	COMMAND_SERVER,
	COMMAND_CLIENT,
	COMMAND_WAIT_FOR, /* --wait DUR */
	COMMAND_WAIT,	  /* --wait */
	COMMAND_KILL_AFTER,
	COMMAND_TO,
	COMMAND_OPTIONS_
};

/* A parsed command line. Everything is borrowed from it. */
struct command_call {
	struct client *client;
	const char *socket_path;
	bool json, colour;
	const struct command *command;
	const char *arguments[3]; /* NULL behind the last */
	size_t count;
	const char *values[COMMAND_OPTIONS_]; /* NULL = not given, "" for options without a value */
};

typedef int command_run(const struct command_call *call);

struct command {
	const char *name, *synopsis, *summary;
	size_t min, max;  /* arguments */
	unsigned options; /* bits of enum command_option */
	command_run *run;
};

/* The table, ended by a NULL name. */
extern const struct command command_table[];

/* The row of a name, NULL when there is none. */
const struct command *command_find(const char *name);

/* Parse what follows the command's name; call->command is set. False with a sentence in *err: a usage error. */
bool command_parse(struct command_call *call, int argc, char **argv, struct lb_err *err);

/* Usage of all commands, or of one. */
void command_help(const struct command *only, struct lb_text *out);

/* Shared by the commands. */

/* "lbctl: sentence" on stderr; returns code. */
int command_fail(int code, const char *sentence);
/* Print what was gathered and free it; returns code. */
int command_print(struct lb_text *out, int code);
/*
 * Send a request. COMMAND_OK: the reply is for the caller (client_reply_free). Otherwise the reason is on stderr, the
 * reply is freed and the code is what to exit with.
 */
int command_request(const struct command_call *call, const struct client_request *request, struct client_reply *reply);
int command_get(const struct command_call *call, const char *path, struct client_reply *reply);
/* Send a JSON object (taken over; NULL: no body); prints the daemon's message, or with --json the answer. */
int command_change(const struct command_call *call, const char *method, const char *path, json_t *body);
/* The same by POST; NULL means that memory was short. */
int command_post(const struct command_call *call, const char *path, json_t *body);
/* The value of a duration option; def when not given. False with the reason on stderr. */
bool command_duration(const struct command_call *call, enum command_option option, lb_duration def, lb_duration *out);
/* Split SERVICE/SERVER; both parts must not be empty. False with the reason on stderr. */
struct command_target {
	char service[64], server[64];
};
bool command_target(const char *text, struct command_target *out);
/* Wait a part of a second between two looks at the daemon. */
void command_pause(lb_duration time);
lb_time command_clock(void);

/* The verbs. */
command_run command_status, command_why, command_events, command_connections, command_doctor, command_metrics,
    command_version;
command_run command_drain, command_ready, command_maint, command_weight, command_limit, command_kill, command_clear;
command_run command_failover, command_standby;
command_run command_reload, command_upgrade, command_check, command_diff, command_config, command_keygen;

#endif
