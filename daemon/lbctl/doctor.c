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

#define FILES_ENOUGH   65536
#define PORTS_ENOUGH   10000
#define BACKLOG_ENOUGH 1024
/* arp_ignore 8: no answer for any local address. */
#define ARP_IGNORE_ALL	 8
#define CERTIFICATE_DAYS 14
#define DAY_SECONDS	 86400.

struct doctor {
	struct table *table;
	struct lb_text advice; /* of each finding that is not well */
	json_t *findings;
	int64_t peer_port; /* 0: not known */
	enum doctor_level worst;
};

/* What is looked at; why it matters, and what to do where it is not well. */
enum topic {
	TOPIC_ROLE,
	TOPIC_PEER,
	TOPIC_PEER_DEAF,
	TOPIC_PEER_STOPPED,
	TOPIC_LEASE,
	TOPIC_VIP,
	TOPIC_KEY,
	TOPIC_RELOAD,
	TOPIC_STATUS,
	TOPIC_CAPABILITIES,
	TOPIC_FILES,
	TOPIC_PORTS,
	TOPIC_BACKLOG,
	TOPIC_ARP,
	TOPIC_CERTIFICATE,
	TOPIC_CLASH,
	TOPIC_DAEMON,
	TOPIC_FILE,
};

static const struct {
	const char *check; /* NULL: named by the caller */
	const char *why, *todo;
} topics[] = {
    [TOPIC_ROLE] = {"role",	    "a node that cannot serve never takes the VIP, so the cluster has one node less",
		    "lbctl why vip tells since when and what it waits for"																	  },
    [TOPIC_PEER] = {NULL,		  "without the peer nobody takes over when this node fails, and two nodes may own the VIP",
		    "is lbd running there, and does every firewall between let protocol 112 and the peer port pass?"												    },
    [TOPIC_PEER_DEAF] = {NULL,	       "it would take the VIP although this node owns it",
			 "what this node sends is lost on the way: look at firewalls, and at the key on both nodes"													   },
    [TOPIC_PEER_STOPPED] = {NULL,		  "without the peer nobody takes over when this node fails",
		    "start it again when its maintenance is over: systemctl start lbd"															      },
    [TOPIC_LEASE] = {"kernel lease",    "a hung lbd answers for the VIP beside its successor until it is ended",
		     "load nf_tables, and leave election.fence at auto"																	      },
    [TOPIC_VIP] = {"VIP",		  "clients reach the wrong host at random",
		    "find the host by its MAC address and take the VIP away there"																  },
    [TOPIC_KEY] = {"authentication",  "any host of the segment can take the VIP away",
		    "make a key with lbctl keygen, copy it to every node, and set key_file"															 },
    [TOPIC_RELOAD] = {"reload",		"the running configuration is older than the file, and the next start would refuse it",
		      "lbctl check names every error; mend the file, then lbctl reload"															       },
    [TOPIC_STATUS] = {"status",		"clients may not be served, or not after the next failure",
		      "lbctl why tells the state of the VIP and of each server that is not up"															},
    [TOPIC_CAPABILITIES] = {"capabilities",
		    "with less lbd cannot move the VIP, with more a fault in it could do more harm",			     "start it by the unit that came with it, without drop-ins that change capabilities"},
    [TOPIC_FILES] = {"open files",	   "further connections wait while all descriptors are in use",
		     "raise LimitNOFILE in the unit"																				 },
    [TOPIC_PORTS] = {"local ports",	    "each session to one server needs a port of its own here",
		     "sysctl -w net.ipv4.ip_local_port_range='1024 65535'"																	   },
    [TOPIC_BACKLOG] = {"accept queue",    "connections that come at once, as after a takeover, are dropped beyond it",
		       "sysctl -w net.core.somaxconn=4096"																			     },
    [TOPIC_ARP] = {"ARP",		  "nobody finds the VIP on this interface",
		    "set arp_ignore of the interface and of all to 0 or 1"																	  },
    [TOPIC_CERTIFICATE] = {"certificates",	   "the check fails on that day and its server goes out",
			   "renew it; a file is read again without a reload"																	       },
    [TOPIC_CLASH] =
	{"listening ports",
		    "lbd neither starts nor reloads while another program has its port; if shared, clients reach either",
		    "stop that program, or give it another port, or the node's own address in place of every one"												      },
    [TOPIC_DAEMON] = {"daemon",		"nobody serves here, and nobody takes over when the other node fails",
		      "systemctl start lbd; where it does not stay, journalctl -u lbd -n 20 tells why"														},
    [TOPIC_FILE] = {"configuration",   "lbd does not start with it, and a reload is refused",
		    "lbd --check --config FILE names every error"																		   },
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

/* check NULL: as the topic is called. */
static void __attribute__((format(printf, 5, 6)))
add(struct doctor *d, enum doctor_level level, enum topic topic, const char *check, const char *fmt, ...)
{
	static const enum table_tint tints[] = {TABLE_GOOD, TABLE_WARN, TABLE_BAD};
	char found[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(found, sizeof(found), fmt, args);
	va_end(args);
	check = check ? check : topics[topic].check;
	d->worst = level > d->worst ? level : d->worst;
	table_cell(d->table, tints[level], "%s", level_words[level]);
	table_cell(d->table, TABLE_PLAIN, "%s", check);
	table_cell(d->table, TABLE_PLAIN, "%s", found);
	json_array_append_new(d->findings,
			      json_pack("{s:s, s:s, s:s, s:s, s:s}", "level", level_words[level], "check", check,
					"found", found, "why", topics[topic].why, "do", topics[topic].todo));
	if (level == DOCTOR_OK)
		return;
	lb_text_addf(&d->advice, "\n%s: %s: %s\n  why: %s\n  do:  %s\n", level_words[level], check, found,
		     topics[topic].why, topics[topic].todo);
}

static void judge_peer(struct doctor *d, const json_t *peer)
{
	char check[96], ms[FORMAT_TEXT];

	snprintf(check, sizeof(check), "peer %s", format_string(peer, "name"));
	if (status_was_stopped(peer))
		add(d, DOCTOR_BAD, TOPIC_PEER_STOPPED, check, "lbd was stopped there");
	else if (!format_bool(peer, "heard", false) && d->peer_port > 0)
		add(d, DOCTOR_BAD, TOPIC_PEER, check, "not heard on UDP port %" PRId64, d->peer_port);
	else if (!format_bool(peer, "heard", false))
		add(d, DOCTOR_BAD, TOPIC_PEER, check, "not heard");
	else if (!format_bool(peer, "hears_us", false))
		add(d, DOCTOR_BAD, TOPIC_PEER_DEAF, check, "heard, but does not hear this node");
	else
		add(d, DOCTOR_OK, TOPIC_PEER, check, "heard %s ago and hears this node",
		    format_ms(format_number(peer, "heard_ms", 0), ms));
}

/* Only an owner has a lease in force; elsewhere it is what would guard the VIP. */
static void judge_lease(struct doctor *d, const char *fence, bool owner)
{
	if (strcmp(fence, "lease") == 0)
		add(d, DOCTOR_OK, TOPIC_LEASE, NULL, "%s",
		    owner ? "in force" : "ready for when this node owns the VIP");
	else if (strcmp(fence, "address") == 0)
		add(d, DOCTOR_WARNING, TOPIC_LEASE, NULL, "only the lifetime of the address; is nf_tables missing?");
	else
		add(d, DOCTOR_WARNING, TOPIC_LEASE, NULL, "off: a hung lbd keeps the VIP");
}

static void judge_reload(struct doctor *d, const json_t *refused)
{
	if (json_is_object(refused))
		add(d, DOCTOR_WARNING, TOPIC_RELOAD, NULL, "the last one was refused: %s",
		    format_string(refused, "reason"));
	else
		add(d, DOCTOR_OK, TOPIC_RELOAD, NULL, "the configuration in force is the one that was asked for last");
}

void doctor_config(struct doctor *d, const json_t *config)
{
	d->peer_port = (int64_t)format_number(config, "peer_port", 0);
}

/* Said of those with a finding alone: a cluster may have a thousand services. */
static void judge_queue(struct doctor *d, const json_t *service)
{
	double dropped = format_number(service, "queue_dropped", 0);

	if (dropped > 0)
		add(d, DOCTOR_WARNING, TOPIC_BACKLOG, NULL,
		    "%s: %.0f connections were dropped as it was full; raise net.core.somaxconn and restart lbd",
		    format_string(service, "name"), dropped);
}

void doctor_status(struct doctor *d, const json_t *status)
{
	const char *role = format_string(status, "role"), *obstacle = format_string(status, "obstacle");
	struct lb_text problems = {0};
	const json_t *node;
	bool owner = strcmp(role, "active") == 0;
	size_t i;

	if (*obstacle)
		add(d, DOCTOR_BAD, TOPIC_ROLE, NULL, "%s: %s", role, obstacle);
	else
		add(d, DOCTOR_OK, TOPIC_ROLE, NULL, "%s", role);
	json_array_foreach(json_object_get(status, "nodes"), i, node) if (!format_bool(node, "self", false))
	    judge_peer(d, node);
	json_array_foreach(json_object_get(status, "services"), i, node) judge_queue(d, node);
	judge_lease(d, format_string(status, "fence"), owner);
	if (format_bool(status, "foreign_owner", false))
		add(d, DOCTOR_BAD, TOPIC_VIP, NULL, "somebody else answers for it");
	else if (owner)
		add(d, DOCTOR_OK, TOPIC_VIP, NULL, "nobody else answers for it");
	else if (*format_string(status, "owner"))
		add(d, DOCTOR_OK, TOPIC_VIP, NULL, "owned by %s", format_string(status, "owner"));
	if (format_bool(status, "authenticated", false))
		add(d, DOCTOR_OK, TOPIC_KEY, NULL, "adverts and peer link are authenticated");
	else
		add(d, DOCTOR_WARNING, TOPIC_KEY, NULL, "none: key_file is not set");
	judge_reload(d, json_object_get(status, "reload_refused"));
	/* Everything at once, in the words of `status`. */
	if (status_judge(status, &problems) <= STATUS_BACKUP)
		add(d, DOCTOR_OK, TOPIC_STATUS, NULL, "healthy");
	for (char *line = problems.data ? strtok(problems.data, "\n") : NULL; line; line = strtok(NULL, "\n"))
		add(d, DOCTOR_BAD, TOPIC_STATUS, NULL, "%s", line);
	lb_text_free(&problems);
}

/* The certificate that ends first is told. */
void doctor_certificates(struct doctor *d, const json_t *status, double now)
{
	static const char *const keys[] = {"certificate_ends", "client_certificate_ends"};
	const json_t *service, *server;
	char first[160] = "";
	double ends = -1;
	size_t i, j;

	json_array_foreach(json_object_get(status, "services"), i, service)
	    json_array_foreach(json_object_get(service, "servers"), j, server) for (int k = 0; k < 2; k++)
	{
		double at = format_instant(format_string(json_object_get(server, "check"), keys[k]));

		if (at < 0 || (ends >= 0 && at >= ends))
			continue;
		ends = at;
		snprintf(first, sizeof(first), "%s%s/%s", k == 1 ? "client certificate for " : "",
			 format_string(service, "name"), format_string(server, "name"));
	}
	if (ends < 0)
		return;
	add(d,
	    ends <= now					  ? DOCTOR_BAD
	    : ends < now + CERTIFICATE_DAYS * DAY_SECONDS ? DOCTOR_WARNING
							  : DOCTOR_OK,
	    TOPIC_CERTIFICATE, NULL, ends <= now ? "%s ended %.0f days ago" : "%s ends first, in %.0f days", first,
	    ends <= now ? (now - ends) / DAY_SECONDS : (ends - now) / DAY_SECONDS);
}

static void judge_capabilities(struct doctor *d, int64_t have)
{
	static const int64_t needed =
	    INT64_C(1) << CAP_NET_ADMIN | INT64_C(1) << CAP_NET_RAW | INT64_C(1) << CAP_NET_BIND_SERVICE;

	if ((have & needed) != needed)
		add(d, DOCTOR_BAD, TOPIC_CAPABILITIES, NULL,
		    "the keeper lacks some of net_admin, net_raw, net_bind_service");
	else if (have != needed)
		add(d, DOCTOR_WARNING, TOPIC_CAPABILITIES, NULL, "the keeper has more than it needs: %" PRIx64,
		    (uint64_t)have);
	else
		add(d, DOCTOR_OK, TOPIC_CAPABILITIES, NULL, "net_admin, net_raw, net_bind_service and no other");
}

void doctor_process(struct doctor *d, const struct doctor_process *process)
{
	if (process->capabilities >= 0)
		judge_capabilities(d, process->capabilities);
	if (process->files >= 0)
		add(d, process->files < FILES_ENOUGH ? DOCTOR_WARNING : DOCTOR_OK, TOPIC_FILES, NULL,
		    "limit %" PRId64 ", at most %" PRId64 " sessions at a time", process->files, process->sessions);
}

void doctor_kernel(struct doctor *d, const struct doctor_kernel *kernel)
{
	int64_t ports = kernel->last_port - kernel->first_port + 1;

	if (kernel->first_port >= 0 && kernel->last_port >= 0)
		add(d, ports < PORTS_ENOUGH ? DOCTOR_WARNING : DOCTOR_OK, TOPIC_PORTS, NULL,
		    "%" PRId64 " for connections to one server (net.ipv4.ip_local_port_range), each free again %s",
		    ports,
		    kernel->tw_reuse == 1 ? "1 s after its use"
					  : "60 s after its use (1 s with net.ipv4.tcp_tw_reuse=1)");
	if (kernel->backlog >= 0)
		add(d, kernel->backlog < BACKLOG_ENOUGH ? DOCTOR_WARNING : DOCTOR_OK, TOPIC_BACKLOG, NULL,
		    "%" PRId64 " connections (net.core.somaxconn)", kernel->backlog);
}

void doctor_interface(struct doctor *d, const char *interface, int64_t arp_ignore)
{
	if (arp_ignore < 0)
		return;
	if (arp_ignore == ARP_IGNORE_ALL)
		add(d, DOCTOR_BAD, TOPIC_ARP, NULL, "%s answers for no address at all (arp_ignore 8)", interface);
	else
		add(d, DOCTOR_OK, TOPIC_ARP, NULL, "%s answers for its addresses (arp_ignore %" PRId64 ")", interface,
		    arp_ignore);
}

void doctor_absent(struct doctor *d)
{
	add(d, DOCTOR_BAD, TOPIC_DAEMON, NULL, "lbd does not run; looked at are its configuration and the kernel");
}

void doctor_file(struct doctor *d, const char *problem)
{
	add(d, DOCTOR_BAD, TOPIC_FILE, NULL, "%s", problem);
}

struct clashes {
	struct doctor *doctor;
	const struct ports_list *list;
	size_t count;
};

/* A program that has several sockets there is told once. */
static void judge_place(void *ctx, const struct ports_place *place)
{
	struct clashes *c = ctx;
	char ours[LB_ENDPOINT_TEXT], theirs[LB_ENDPOINT_TEXT], who[64];
	const struct ports_socket *told = NULL;

	for (size_t i = 0; i < c->list->count; i++) {
		const struct ports_socket *s = &c->list->sockets[i];

		if (s->own || !ports_clash(place, s))
			continue;
		if (told && told->pid == s->pid && told->uid == s->uid)
			continue;
		told = s;
		c->count++;
		if (s->pid != 0)
			snprintf(who, sizeof(who), "%s (pid %d)", s->name, (int)s->pid);
		else
			snprintf(who, sizeof(who), "a program of uid %u", (unsigned)s->uid);
		add(c->doctor, DOCTOR_BAD, TOPIC_CLASH, NULL, "%s, %s %s: %s has %s", place->what,
		    place->udp ? "UDP" : "TCP", lb_endpoint_text(&place->at, ours), who,
		    lb_endpoint_text(&s->at, theirs));
	}
}

void doctor_ports(struct doctor *d, const struct lb_conf *conf, const struct ports_list *list)
{
	struct clashes c = {.doctor = d, .list = list};

	if (!list) {
		add(d, DOCTOR_WARNING, TOPIC_CLASH, NULL, "not known: the kernel does not tell who listens");
		return;
	}
	ports_of_conf(conf, judge_place, &c);
	if (c.count == 0)
		add(d, DOCTOR_OK, TOPIC_CLASH, NULL, "no other program has one of lbd's");
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
	lb_text_add(out, lb_text_str(&d->advice));
	return d->worst;
}

void doctor_free(struct doctor *d)
{
	if (!d)
		return;
	table_free(d->table);
	lb_text_free(&d->advice);
	json_decref(d->findings);
	free(d);
}
