/* The kernel's list of sockets (sock_diag(7)), and whose they are. */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/lbctl/ports.h"

/* The kernel fills at most so much of an answer at a time. */
#define ANSWER_BYTES 32768

/* --- the list --- */

static struct ports_socket *append(struct ports_list *list)
{
	struct ports_socket *grown = realloc(list->sockets, (list->count + 1) * sizeof(*grown));

	if (!grown)
		errx(EXIT_FAILURE, "out of memory");
	list->sockets = grown;
	grown += list->count++;
	*grown = (struct ports_socket){0};
	return grown;
}

/* An IPv4 address that is written as IPv6 is one of IPv4. */
static void unmap(struct lb_addr *addr)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (addr->family != AF_INET6 || memcmp(addr->bytes, mapped, sizeof(mapped)) != 0)
		return;
	addr->family = AF_INET;
	memmove(addr->bytes, addr->bytes + sizeof(mapped), 4);
	memset(addr->bytes + 4, 0, sizeof(addr->bytes) - 4);
}

static void take(struct ports_list *list, bool udp, const struct nlmsghdr *head)
{
	const struct inet_diag_msg *m = NLMSG_DATA(head);
	const struct rtattr *a = (const struct rtattr *)(m + 1);
	unsigned left = head->nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof(*m));
	struct ports_socket *s;

	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return;
	s = append(list);
	s->udp = udp;
	s->uid = m->idiag_uid;
	s->inode = m->idiag_inode;
	s->at.port = ntohs(m->id.idiag_sport);
	s->at.addr.family = m->idiag_family;
	memcpy(s->at.addr.bytes, m->id.idiag_src, m->idiag_family == AF_INET6 ? 16 : 4);
	unmap(&s->at.addr);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == INET_DIAG_SKV6ONLY)
			s->v6_only = *(const uint8_t *)RTA_DATA(a) != 0;
}

/* One answer of the kernel; false at the last one. *ok false: it refused. */
static bool read_answer(int fd, struct ports_list *list, bool udp, bool *ok)
{
	static _Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
	ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
	unsigned left = got > 0 ? (unsigned)got : 0;

	*ok = got > 0;
	for (const struct nlmsghdr *head = (const struct nlmsghdr *)bytes; NLMSG_OK(head, left);
	     head = NLMSG_NEXT(head, left)) {
		*ok = head->nlmsg_type != NLMSG_ERROR;
		if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
			return false;
		take(list, udp, head);
	}
	return *ok;
}

static bool ask(int fd, struct ports_list *list, uint8_t family, bool udp)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 body;
	} request = {
	    .head = {.nlmsg_len = sizeof(request),
		     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP	      },
	    .body = {.sdiag_family = family,
		     .sdiag_protocol = udp ? IPPROTO_UDP : IPPROTO_TCP,
		     /* A UDP socket without a far end is "closed". */
		     .idiag_states = 1u << (udp ? TCP_CLOSE : TCP_LISTEN)},
	};
	bool ok;

	if (send(fd, &request, sizeof(request), 0) != (ssize_t)sizeof(request))
		return false;
	while (read_answer(fd, list, udp, &ok))
		;
	return ok;
}

/* --- whose they are --- */

static int by_inode(const void *x, const void *y)
{
	const struct ports_socket *a = x, *b = y;

	return a->inode < b->inode ? -1 : a->inode > b->inode;
}

static void read_name(const char *pid, char *name, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(name, (int)size, file))
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* The inode of a link such as "socket:[1234]"; 0 when it is something else. */
static unsigned long socket_inode(int dir, const char *link)
{
	static const char begin[] = "socket:[";
	char target[64];
	ssize_t n = readlinkat(dir, link, target, sizeof(target) - 1);

	if (n < 0)
		return 0;
	target[n] = '\0';
	return strncmp(target, begin, sizeof(begin) - 1) == 0 ? strtoul(target + sizeof(begin) - 1, NULL, 10) : 0;
}

/* Of several that share a socket the oldest is named; it is lbd's where lbd is one of them. */
static void examine_process(struct ports_list *list, const char *pid)
{
	char path[64], name[sizeof(list->sockets->name)] = "";
	const struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) != NULL) {
		struct ports_socket key = {.inode = socket_inode(dirfd(dir), entry->d_name)}, *found;

		found = key.inode ? bsearch(&key, list->sockets, list->count, sizeof(key), by_inode) : NULL;
		if (!found)
			continue;
		if (!name[0])
			read_name(pid, name, sizeof(name));
		found->own |= strcmp(name, "lbd") == 0 || strcmp(name, "lbd-proxy") == 0;
		if (found->pid != 0)
			continue;
		found->pid = (pid_t)strtol(pid, NULL, 10);
		memcpy(found->name, name, sizeof(name));
	}
	if (dir)
		closedir(dir);
}

static void find_holders(struct ports_list *list)
{
	const struct dirent *entry;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			examine_process(list, entry->d_name);
	if (dir)
		closedir(dir);
}

bool ports_read(struct ports_list *list, uid_t keeper)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	bool ok = fd >= 0;

	for (int i = 0; i < 4 && ok; i++)
		ok = ask(fd, list, families[i / 2], i % 2 == 1);
	if (fd >= 0)
		close(fd);
	if (!ok || list->count == 0)
		return ok;
	qsort(list->sockets, list->count, sizeof(*list->sockets), by_inode);
	find_holders(list);
	for (size_t i = 0; i < list->count; i++)
		if (list->sockets[i].pid == 0 && list->sockets[i].uid == keeper)
			list->sockets[i].own = true;
	return true;
}
