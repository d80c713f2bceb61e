/*
 * lbd: the start-up story. Options, configuration, privileged sockets, privileges dropped, election and proxy started,
 * loop, and the same in reverse at the end.
 */
#include <ev.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <lb/log.h>

#include "daemon/keeper/afterlife.h"
#include "daemon/keeper/conf_file.h"
#include "daemon/keeper/election.h"
#include "daemon/keeper/keeper.h"
#include "daemon/keeper/resume.h"
#include "daemon/keeper/retreat.h"
#include "daemon/keeper/self_test.h"
#include "daemon/keeper/upgrade.h"
#include "daemon/sys/caps.h"
#include "daemon/sys/fdstore.h"
#include "daemon/sys/logsink.h"
#include "daemon/sys/realtime.h"
#include "daemon/sys/sandbox.h"

struct options {
	const char *config, *runtime_dir;
	char **argv;
	bool check, resign, resume_test;
};

static void print_usage(FILE *out)
{
	fputs("usage: lbd [--config FILE] [--runtime-dir DIR] [--check] [--resign] [--version] [--help]\n"
	      "\n"
	      "Owns a virtual IP with its peers and balances TCP connections to healthy servers.\n"
	      "\n"
	      "  -c, --config FILE       configuration (default /etc/lbd/lbd.yaml)\n"
	      "  -r, --runtime-dir DIR   admin socket and state (default /run/lbd)\n"
	      "      --check             judge the configuration, print every error, exit 0 or 1\n"
	      "      --resign            remove every address and rule that lbd put on this node, tell the peers\n"
	      "      --version           print the version\n"
	      "      --help              print this text\n",
	      out);
}

/* Returns -1 to go on, or the exit code. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option table[] = {
	    {"config",	       required_argument, NULL, 'c'},
		{"runtime-dir",	required_argument, NULL, 'r'},
	    {"check",	      no_argument,	   NULL, 'k'},
		{"resign",	   no_argument,	NULL, 'R'},
	    {SELF_TEST_OPTION, no_argument,	    NULL, 'T'},
		{"version",	    no_argument,	 NULL, 'v'},
	    {"help",	     no_argument,	  NULL, 'h'},
		{NULL,	       0,		  NULL, 0	 },
	};
	int c;

	*o = (struct options){.config = "/etc/lbd/lbd.yaml", .runtime_dir = "/run/lbd", .argv = argv};
	while ((c = getopt_long(argc, argv, "c:r:h", table, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'r':
			o->runtime_dir = optarg;
			break;
		case 'k':
			o->check = true;
			break;
		case 'R':
			o->resign = true;
			break;
		case 'T':
			o->resume_test = true;
			break;
		case 'v':
			puts("lbd " LB_VERSION);
			return KEEPER_EXIT_OK;
		case 'h':
			print_usage(stdout);
			return KEEPER_EXIT_OK;
		default:
			print_usage(stderr);
			return KEEPER_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "lbd: unexpected argument \"%s\"; it takes options only\n", argv[optind]);
		return KEEPER_EXIT_USAGE;
	}
	return -1;
}

static bool load(const struct options *o, struct conf_file *file)
{
	struct lb_text problems = {0};
	bool ok = conf_file_load(o->config, file, &problems);

	if (!ok)
		fputs(lb_text_str(&problems), stderr);
	lb_text_free(&problems);
	return ok;
}

/* A file may be judged on any host, but on a node this would be the first mistake. */
static void note_foreign_host(const struct options *o, const struct lb_conf *conf)
{
	struct lb_err why;

	if (conf_file_own_node(conf, &why) < 0)
		fprintf(stderr, "%s: good, but not for this host: %s\n", o->config, why.text);
}

static int fail(const struct lb_err *err, enum keeper_exit code)
{
	lb_error("%s", err->text);
	return (int)code;
}

/* Before the election is taken up: where another program was upgraded to this one, that one goes on. */
static int fail_to_start(const struct options *o, struct resume *resume, const struct lb_err *err,
			 enum keeper_exit code)
{
	retreat(resume, o->argv, err->text);
	return fail(err, code);
}

/* Every end of lbd under systemd comes by here. */
static bool waits_for_next(void)
{
	if (!afterlife_expected())
		return false;
	logsink_init("lbd", LB_LOG_INFO);
	lb_notice("the VIP waits for the next process");
	return true;
}

/* Also with a file that cannot be used (conf NULL): the address must not stay because somebody mistyped a key. */
static int resign(const struct lb_conf *conf, int own_node)
{
	struct lb_err err;
	bool ok;

	afterlife_end_proxy();
	ok = election_resign(own_node >= 0 ? conf : NULL, own_node >= 0 ? (size_t)own_node : 0, &err);

	afterlife_pace();
	return ok ? KEEPER_EXIT_OK : fail(&err, KEEPER_EXIT_FAILURE);
}

static int serve(const struct options *o, struct conf_file *file, size_t own_node)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct resume *resume = resume_new();
	struct lb_err err;
	struct keeper *keeper;
	int code = KEEPER_EXIT_FAILURE;

	if (!loop || !resume)
		goto free_resume;
	if (resume_in_place(resume))
		lb_notice("this is lbd " LB_VERSION " now, in the place of the program before it");
	/* The key is about to be read. */
	sandbox_hide();
	realtime_raise_files();
	keeper = keeper_new(&(struct keeper_params){.loop = loop,
						    .conf_path = o->config,
						    .runtime_dir = o->runtime_dir,
						    .argv = o->argv,
						    .conf = file,
						    .own_node = own_node,
						    .resume = resume},
			    &err);
	if (!keeper) {
		fail(&err, KEEPER_EXIT_FAILURE);
		goto free_resume;
	}
	realtime_enter();
	if (!caps_drop_keeper(&err)) {
		code = fail_to_start(o, resume, &err, KEEPER_EXIT_FAILURE);
		goto free_keeper;
	}
	if (!resume_in_place(resume))
		sandbox_enter_keeper(o->runtime_dir);
	if (!keeper_start(keeper, &err)) {
		code = fail_to_start(o, resume, &err, KEEPER_EXIT_FAILURE);
		goto free_keeper;
	}
	resume_stay(resume);
	if (resume_in_place(resume))
		upgrade_hear_signals();
	code = keeper_run(keeper);
	lb_notice("stopped code=%d", code);

free_keeper:
	keeper_free(keeper);
free_resume:
	resume_free(resume);
	if (loop)
		ev_loop_destroy(loop);
	return code;
}

int main(int argc, char **argv)
{
	struct options options;
	struct conf_file file;
	struct lb_err err;
	int code = parse_options(argc, argv, &options);
	int own_node;

	if (code > KEEPER_EXIT_OK)
		retreat(NULL, argv, "it does not know an option that lbd was started with");
	if (code >= 0)
		return code;
	if (options.resume_test)
		return self_test_answer(options.config);
	if (fdstore_in_place())
		sandbox_inherit_keeper();
	if (options.resign && waits_for_next())
		return KEEPER_EXIT_OK;
	if (!load(&options, &file)) {
		logsink_init("lbd", LB_LOG_INFO);
		retreat(NULL, argv, "it cannot use the configuration; see the log");
		return options.resign ? resign(NULL, -1) : options.check ? 1 : KEEPER_EXIT_CONFIG;
	}
	if (options.check) {
		note_foreign_host(&options, file.conf);
		conf_file_release(&file);
		return KEEPER_EXIT_OK;
	}
	logsink_init("lbd", (enum lb_log_level)file.conf->log_level);
	own_node = conf_file_own_node(file.conf, &err);
	if (options.resign)
		code = resign(file.conf, own_node);
	else if (own_node < 0)
		code = fail_to_start(&options, NULL, &err, KEEPER_EXIT_CONFIG);
	else
		code = serve(&options, &file, (size_t)own_node);
	conf_file_release(&file);
	return code;
}
