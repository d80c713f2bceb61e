#include "daemon/lbctl/command.h"

#include <stdio.h>
#include <string.h>

#include <lb/text.h>

#define BIT(option) (1u << (option))

static const struct {
	const char *name, letter, *value, *help;
} options[COMMAND_OPTIONS_] = {
    [COMMAND_WATCH] = {"watch",	'w', NULL,   "show it again each second"			      },
    [COMMAND_FOLLOW] = {"follow",	  'f', NULL,   "go on with what happens from now on"		  },
    [COMMAND_LINES] = {"lines",	'n', "N",	  "only the last N (default 100)"			 },
    [COMMAND_SERVICE] = {"service",    's', "NAME", "only of this service"			       },
    [COMMAND_SERVER] = {"server",	  'S', "NAME", "only on this server"				    },
    [COMMAND_CLIENT] = {"client",	  'c', "CIDR", "only from these addresses"			  },
    [COMMAND_WAIT_FOR] = {"wait",	  'w', "DUR",  "return when its sessions are gone, at most so long" },
    [COMMAND_WAIT] = {"wait",	      'w', NULL,	 "return when the other node owns the VIP"		  },
    [COMMAND_KILL_AFTER] = {"kill-after", 'k', "DUR",  "reset the sessions that are left after so long"     },
    [COMMAND_TO] = {"to",	  't', "NODE", "the node that shall own the VIP (default: the best)"},
};

/* clang-format off */
const struct command command_table[] = {
	{"status", "[--watch]", "cluster, owner, VIPs, nodes, services and servers on one screen",
	 0, 0, BIT(COMMAND_WATCH), command_status},
	{"why", "[vip | SERVICE/SERVER]", "the state and the last decisions behind it, each with its reason",
	 0, 1, 0, command_why},
	{"events", "[-f] [-n N]", "every transition with its time, reason and duration",
	 0, 0, BIT(COMMAND_FOLLOW) | BIT(COMMAND_LINES), command_events},
	{"connections", "[--service NAME] [--server NAME] [--client CIDR]", "live sessions",
	 0, 0, BIT(COMMAND_SERVICE) | BIT(COMMAND_SERVER) | BIT(COMMAND_CLIENT), command_connections},
	{"drain", "SERVICE/SERVER [--wait DUR] [--kill-after DUR]", "no new sessions for a server",
	 1, 1, BIT(COMMAND_WAIT_FOR) | BIT(COMMAND_KILL_AFTER), command_drain},
	{"ready", "SERVICE/SERVER", "take drain or maint back",
	 1, 1, 0, command_ready},
	{"maint", "SERVICE/SERVER [--wait DUR] [--kill-after DUR]", "no new sessions and no checks",
	 1, 1, BIT(COMMAND_WAIT_FOR) | BIT(COMMAND_KILL_AFTER), command_maint},
	{"weight", "SERVICE/SERVER N", "change the weight of a server",
	 2, 2, 0, command_weight},
	{"limit", "SERVICE/SERVER N | none", "at most so many sessions for a server",
	 2, 2, 0, command_limit},
	{"kill", "SERVICE/SERVER | ID", "reset the sessions of a server, or one session",
	 1, 1, 0, command_kill},
	{"clear", "counters", "let the totals that status shows begin at zero",
	 1, 1, 0, command_clear},
	{"failover", "[--to NODE] [--wait]", "hand the VIP over to another node",
	 0, 0, BIT(COMMAND_TO) | BIT(COMMAND_WAIT), command_failover},
	{"standby", "on | off", "keep this node out of the election",
	 1, 1, 0, command_standby},
	{"reload", "", "apply the configuration file",
	 0, 0, 0, command_reload},
	{"upgrade", "", "replace the running programs by the installed ones; every session goes on",
	 0, 0, 0, command_upgrade},
	{"check", "[FILE]", "judge a configuration file",
	 0, 1, 0, command_check},
	{"diff", "[FILE]", "what a reload would change",
	 0, 1, 0, command_diff},
	{"config", "", "the running configuration with its defaults",
	 0, 0, 0, command_config},
	{"doctor", "[FILE]", "is everything in place: peers, lease, ports, capabilities, limits, kernel settings",
	 0, 1, 0, command_doctor},
	{"metrics", "", "Prometheus text",
	 0, 0, 0, command_metrics},
	{"keygen", "FILE", "make a new cluster key, mode 0600",
	 1, 1, 0, command_keygen},
	{"version", "", "versions of lbctl and of the daemon",
	 0, 0, 0, command_version},
	{NULL, NULL, NULL, 0, 0, 0, NULL},
};
/* clang-format on */

const struct command *command_find(const char *name)
{
	for (const struct command *c = command_table; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

/* The option of this command that a word like "--wait", "--wait=5s" or "-w5s" names; -1 when it has none. */
static int find_option(const struct command *command, const char *word, const char **value)
{
	bool is_long = word[1] == '-';
	size_t length = strcspn(word, "=");

	for (int i = 0; i < COMMAND_OPTIONS_; i++) {
		if (!(command->options & BIT(i)))
			continue;
		if (is_long && length == strlen(options[i].name) + 2 &&
		    strncmp(word + 2, options[i].name, length - 2) == 0) {
			*value = word[length] == '=' ? word + length + 1 : NULL;
			return i;
		}
		if (!is_long && word[1] == options[i].letter) {
			*value = word[2] != '\0' ? word + 2 : NULL;
			return i;
		}
	}
	return -1;
}

static bool parse_option(struct command_call *call, char **argv, int argc, int *at, struct lb_err *err)
{
	const char *word = argv[*at], *value = NULL;
	int option;

	if (strcmp(word, "--json") == 0) {
		call->json = true;
		return true;
	}
	option = find_option(call->command, word, &value);
	if (option < 0)
		return lb_err_set(err, "%s has no option %s", call->command->name, word);
	if (!options[option].value) {
		if (value)
			return lb_err_set(err, "%s takes no value", word);
		value = "";
	} else if (!value) {
		if (*at + 1 >= argc)
			return lb_err_set(err, "%s needs a value: %s", word, options[option].value);
		value = argv[++*at];
	}
	call->values[option] = value;
	return true;
}

bool command_parse(struct command_call *call, int argc, char **argv, struct lb_err *err)
{
	const struct command *command = call->command;
	bool only_arguments = false;

	for (int i = 0; i < argc; i++) {
		if (!only_arguments && strcmp(argv[i], "--") == 0) {
			only_arguments = true;
		} else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (!parse_option(call, argv, argc, &i, err))
				return false;
		} else if (call->count >= command->max) {
			return lb_err_set(err, "unexpected argument \"%s\"; %s takes %s", argv[i], command->name,
					  *command->synopsis ? command->synopsis : "none");
		} else {
			call->arguments[call->count++] = argv[i];
		}
	}
	if (call->count < command->min)
		return lb_err_set(err, "%s needs %s", command->name, command->synopsis);
	return true;
}

static void help_of_all(struct lb_text *out)
{
	lb_text_add(out, "usage: lbctl [--socket PATH] [--json] COMMAND [ARGUMENT ...]\n\n");
	for (const struct command *c = command_table; c->name; c++)
		lb_text_addf(out, "  %-12s %s\n", c->name, c->summary);
	lb_text_add(out, "\n"
			 "  --socket PATH  the daemon's socket (default $LBD_SOCKET or /run/lbd/lbd.sock)\n"
			 "  --json         print the daemon's JSON\n"
			 "\n`lbctl COMMAND --help` tells more about one; see also lbctl(8).\n");
}

void command_help(const struct command *only, struct lb_text *out)
{
	if (!only) {
		help_of_all(out);
		return;
	}
	lb_text_addf(out, "usage: lbctl %s%s%s\n\n%s\n", only->name, *only->synopsis ? " " : "", only->synopsis,
		     only->summary);
	for (int i = 0; i < COMMAND_OPTIONS_; i++) {
		char name[32];

		if (!(only->options & BIT(i)))
			continue;
		snprintf(name, sizeof(name), "%s %s", options[i].name, options[i].value ? options[i].value : "");
		lb_text_addf(out, "  -%c, --%-18s %s\n", options[i].letter, name, options[i].help);
	}
}
