#include "daemon/lbctl/doctor.h"

#include <err.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lbctl/format.h"
#include "daemon/lbctl/status.h"
#include "daemon/lbctl/table.h"

/* Two descriptors for each session and as many for its pipes. */
#define PEER_PORT      8650 /* unless peer_port in the configuration says otherwise */
#define FILES_SESSION  4
#define FILES_ENOUGH   65536
#define PORTS_ENOUGH   10000
#define BACKLOG_ENOUGH 1024
/* arp_ignore 8: no answer for any local address. */
#define ARP_IGNORE_ALL 8

struct doctor {
	struct table *table;
	json_t *findings;
	enum doctor_level worst;
};

struct doctor *doctor_new(void)
{
	static const struct table_column columns[] = {
	    {"",	 false},
		 {"CHECK", false},
		   {"FOUND", false}
	   };
	struct doctor *d = calloc(1, sizeof(*d));

	if (d)
		d->findings = json_array();
	if (!d || !d->findings)
		errx(EXIT_FAILURE, "out of memory");
	d->table = table_new(columns, sizeof(columns) / sizeof(columns[0]));
	return d;
}

static const char *const level_words[] = {"ok", "warning", "bad"};

static void __attribute__((format(printf, 4, 5)))
add(struct doctor *d, enum doctor_level level, const char *check, const char *fmt, ...)
{
	static const enum table_tint tints[] = {TABLE_GOOD, TABLE_WARN, TABLE_BAD};
	char found[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(found, sizeof(found), fmt, args);
	va_end(args);
	d->worst = level > d->worst ? level : d->worst;
	table_cell(d->table, tints[level], "%s", level_words[level]);
	table_cell(d->table, TABLE_PLAIN, "%s", check);
	table_cell(d->table, TABLE_PLAIN, "%s", found);
	json_array_append_new(
	    d->findings, json_pack("{s:s, s:s, s:s}", "level", level_words[level], "check", check, "found", found));
}

static void judge_peer(struct doctor *d, const json_t *peer)
{
	char check[96], ms[FORMAT_TEXT];

	snprintf(check, sizeof(check), "peer %s", format_string(peer, "name"));
	if (!format_bool(peer, "heard", false))
		add(d, DOCTOR_BAD, check, "not heard; is lbd running there, and does UDP port %d pass?", PEER_PORT);
	else if (!format_bool(peer, "hears_us", false))
		add(d, DOCTOR_BAD, check, "heard, but does not hear this node");
	else
		add(d, DOCTOR_OK, check, "heard %s ago and hears this node",
		    format_ms(format_number(peer, "heard_ms", 0), ms));
}

/* Only an owner has a lease in force; elsewhere it is what would guard the VIP. */
static void judge_lease(struct doctor *d, const char *fence, bool owner)
{
	if (strcmp(fence, "lease") == 0)
		add(d, DOCTOR_OK, "kernel lease", "%s", owner ? "in force" : "ready for when this node owns the VIP");
	else if (strcmp(fence, "address") == 0)
		add(d, DOCTOR_WARNING, "kernel lease", "only the lifetime of the address; is nf_tables missing?");
	else
		add(d, DOCTOR_WARNING, "kernel lease", "off: a hung lbd keeps the VIP");
}

void doctor_status(struct doctor *d, const json_t *status)
{
	const char *role = format_string(status, "role"), *obstacle = format_string(status, "obstacle");
	struct lb_text problems = {0};
	const json_t *node;
	bool owner = strcmp(role, "active") == 0;
	size_t i;

	if (*obstacle)
		add(d, DOCTOR_BAD, "role", "%s: %s", role, obstacle);
	else
		add(d, DOCTOR_OK, "role", "%s", role);
	json_array_foreach(json_object_get(status, "nodes"), i, node) if (!format_bool(node, "self", false))
	    judge_peer(d, node);
	judge_lease(d, format_string(status, "fence"), owner);
	if (format_bool(status, "foreign_owner", false))
		add(d, DOCTOR_BAD, "VIP", "somebody else answers for it");
	else if (owner)
		add(d, DOCTOR_OK, "VIP", "nobody else answers for it");
	else if (*format_string(status, "owner"))
		add(d, DOCTOR_OK, "VIP", "owned by %s", format_string(status, "owner"));
	if (format_bool(status, "authenticated", false))
		add(d, DOCTOR_OK, "authentication", "adverts and peer link are authenticated");
	else
		add(d, DOCTOR_WARNING, "authentication", "none: key_file is not set");
	/* Everything at once, in the words of `status`. */
	if (status_judge(status, &problems) <= STATUS_BACKUP)
		add(d, DOCTOR_OK, "status", "healthy");
	for (char *line = problems.data ? strtok(problems.data, "\n") : NULL; line; line = strtok(NULL, "\n"))
		add(d, DOCTOR_BAD, "status", "%s", line);
	lb_text_free(&problems);
}

static void judge_capabilities(struct doctor *d, int64_t have)
{
	static const int64_t needed =
	    INT64_C(1) << CAP_NET_ADMIN | INT64_C(1) << CAP_NET_RAW | INT64_C(1) << CAP_NET_BIND_SERVICE;

	if ((have & needed) != needed)
		add(d, DOCTOR_BAD, "capabilities", "the keeper lacks some of net_admin, net_raw, net_bind_service");
	else if (have != needed)
		add(d, DOCTOR_WARNING, "capabilities", "the keeper has more than it needs: %" PRIx64, (uint64_t)have);
	else
		add(d, DOCTOR_OK, "capabilities", "net_admin, net_raw, net_bind_service and no other");
}

void doctor_process(struct doctor *d, const struct doctor_process *process)
{
	if (process->capabilities >= 0)
		judge_capabilities(d, process->capabilities);
	if (process->files >= 0)
		add(d, process->files < FILES_ENOUGH ? DOCTOR_WARNING : DOCTOR_OK, "open files",
		    "limit %" PRId64 ", enough for about %" PRId64 " sessions%s", process->files,
		    process->files / FILES_SESSION, process->files < FILES_ENOUGH ? "; raise LimitNOFILE" : "");
}

void doctor_kernel(struct doctor *d, const struct doctor_kernel *kernel)
{
	int64_t ports = kernel->last_port - kernel->first_port + 1;

	if (kernel->first_port >= 0 && kernel->last_port >= 0)
		add(d, ports < PORTS_ENOUGH ? DOCTOR_WARNING : DOCTOR_OK, "local ports",
		    "%" PRId64 " for connections to one server (net.ipv4.ip_local_port_range)", ports);
	if (kernel->backlog >= 0)
		add(d, kernel->backlog < BACKLOG_ENOUGH ? DOCTOR_WARNING : DOCTOR_OK, "accept queue",
		    "%" PRId64 " connections (net.core.somaxconn)", kernel->backlog);
}

void doctor_interface(struct doctor *d, const char *interface, int64_t arp_ignore)
{
	if (arp_ignore < 0)
		return;
	if (arp_ignore == ARP_IGNORE_ALL)
		add(d, DOCTOR_BAD, "ARP", "%s answers for no address at all (arp_ignore 8)", interface);
	else
		add(d, DOCTOR_OK, "ARP", "%s answers for its addresses (arp_ignore %" PRId64 ")", interface,
		    arp_ignore);
}

enum doctor_level doctor_json(const struct doctor *d, struct lb_text *out)
{
	json_t *answer = json_pack("{s:s, s:O}", "level", level_words[d->worst], "findings", d->findings);
	char *bytes = json_dumps(answer, JSON_INDENT(2));

	if (!bytes)
		errx(EXIT_FAILURE, "out of memory");
	lb_text_addf(out, "%s\n", bytes);
	free(bytes);
	json_decref(answer);
	return d->worst;
}

enum doctor_level doctor_text(const struct doctor *d, bool colour, struct lb_text *out)
{
	table_text(d->table, colour, out);
	return d->worst;
}

void doctor_free(struct doctor *d)
{
	if (!d)
		return;
	table_free(d->table);
	json_decref(d->findings);
	free(d);
}
