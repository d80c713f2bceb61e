/*
 * lbctl: the command line of a running lbd. Options, command, client, run.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lbctl/command.h"

#define DEFAULT_SOCKET "/run/lbd/lbd.sock"

struct options {
	const char *socket;
	bool json, help, version;
};

static const char *default_socket(void)
{
	const char *path = getenv("LBD_SOCKET");

	return path && *path ? path : DEFAULT_SOCKET;
}

/* Options before the command. Returns the index of the command, or -1 with a sentence. */
static int parse_options(int argc, char **argv, struct options *o, struct lb_err *err)
{
	static const char socket_is[] = "--socket=";
	int i;

	*o = (struct options){.socket = default_socket()};
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--socket") == 0 && i + 1 == argc) {
			lb_err_set(err, "--socket needs a value: PATH");
			return -1;
		} else if (strcmp(argv[i], "--socket") == 0)
			o->socket = argv[++i];
		else if (strncmp(argv[i], socket_is, sizeof(socket_is) - 1) == 0)
			o->socket = argv[i] + sizeof(socket_is) - 1;
		else if (strcmp(argv[i], "--json") == 0)
			o->json = true;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			o->help = true;
		else if (strcmp(argv[i], "--version") == 0)
			o->version = true;
		else {
			lb_err_set(err, "unknown option %s; see lbctl --help", argv[i]);
			return -1;
		}
	}
	return i;
}

static int help(const struct command *only)
{
	struct lb_text out = {0};

	command_help(only, &out);
	return command_print(&out, COMMAND_OK);
}

static int usage_error(const char *sentence)
{
	return command_fail(COMMAND_USAGE, sentence);
}

static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && !(no_colour && *no_colour) && terminal && strcmp(terminal, "dumb") != 0;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int unknown_command(const char *name)
{
	const char *names[64];
	size_t count = 0;
	struct lb_err err;
	const char *near;

	for (const struct command *c = command_table; c->name && count < 64; c++)
		names[count++] = c->name;
	near = lb_text_nearest(name, names, count);
	if (near)
		lb_err_set(&err, "unknown command \"%s\"; did you mean \"%s\"?", name, near);
	else
		lb_err_set(&err, "unknown command \"%s\"; see lbctl --help", name);
	return usage_error(err.text);
}

int main(int argc, char **argv)
{
	struct options options;
	struct command_call call = {0};
	struct lb_err err;
	int at = parse_options(argc, argv, &options, &err), code;

	if (at < 0)
		return usage_error(err.text);
	if (options.help || (at < argc && strcmp(argv[at], "help") == 0))
		return help(at + 1 < argc ? command_find(argv[at + 1]) : NULL);
	if (options.version)
		return puts("lbctl " LB_VERSION) < 0 ? COMMAND_REFUSED : COMMAND_OK;
	if (at == argc)
		return usage_error("a command is missing; see lbctl --help");
	call.command = command_find(argv[at]);
	if (!call.command)
		return unknown_command(argv[at]);
	if (asks_for_help(argc - at - 1, argv + at + 1))
		return help(call.command);
	call.json = options.json;
	call.colour = wants_colour();
	if (!command_parse(&call, argc - at - 1, argv + at + 1, &err))
		return usage_error(err.text);
	curl_global_init(CURL_GLOBAL_NOTHING);
	call.socket_path = options.socket;
	call.client = client_new(options.socket);
	code = call.client ? call.command->run(&call) : command_fail(COMMAND_REFUSED, "out of memory");
	client_free(call.client);
	curl_global_cleanup();
	return code;
}
