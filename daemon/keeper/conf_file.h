/*
 * The configuration file as the keeper reads it: once, whole, judged by the library and against the files it names.
 * The same path serves start, --check and reload.
 */
#ifndef KEEPER_CONF_FILE_H
#define KEEPER_CONF_FILE_H

#include <stddef.h>

#include <lb/conf.h>
#include <lb/err.h>

/* One reading: the bytes in a sealed memfd for the proxy, and what they mean. */
struct conf_file {
	struct lb_conf *conf;
	int memfd;
};

/*
 * Read path, parse, check, and look at key_file and password_file. True fills *out (conf_file_release). False leaves
 * *out empty and adds "FILE:LINE:COL: message\n" lines to problems.
 */
bool conf_file_load(const char *path, struct conf_file *out, struct lb_text *problems);
/* The path from the root on, for those who stand elsewhere; links stay, they may point elsewhere tomorrow. "" = no
 * room. */
void conf_file_name(const char *path, char *out, size_t cap);

void conf_file_release(struct conf_file *file);

/* Which node of the configuration this host is; -1 with a sentence when none of the addresses is here. */
int conf_file_own_node(const struct lb_conf *conf, struct lb_err *err);

#endif
