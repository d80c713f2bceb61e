/*
 * Neighbours that do not answer, in a network namespace of its own: one cable whose other end says nothing, so that
 * what the kernel asks can be read there.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/rtnl_neigh.h"

/* The kernel asks again after a second. */
#define SOON_MS 500

static const char message[] = "waits for a neighbour";

static const struct segment {
	int family;
	const char *neighbour;
	const char *learned; /* how somebody else learns where it is */
	const char *known;   /* another one, which the kernel need not ask for */
} segments[] = {
    {AF_INET,  "10.9.0.2",  "ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev near",
     "ip neigh add 10.9.0.3 lladdr 02:00:00:00:00:03 dev near" },
    {AF_INET6, "fd00:9::2", "ip neigh replace fd00:9::2 lladdr 02:00:00:00:00:02 dev near",
     "ip neigh add fd00:9::3 lladdr 02:00:00:00:00:03 dev near"},
};

static void run(const char *command)
{
	ck_assert_msg(system(command) == 0, "%s", command);
}

/* Programs that are run are root there only if that is somebody outside. */
static void enter_namespace(void)
{
	char map[64];
	int fd, len = snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());

	ck_assert_msg(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "a user namespace is needed: %s", strerror(errno));
	fd = open("/proc/self/uid_map", O_WRONLY);
	ck_assert_int_eq(write(fd, map, (size_t)len), len);
	close(fd);
}

/* Returns a socket that reads what arrives at the far end. */
static int lay_cable(void)
{
	struct sockaddr_ll far = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd;

	enter_namespace();
	run("ip link add near type veth peer name far");
	run("ip address add 10.9.0.1/24 dev near");
	run("ip address add fd00:9::1/64 dev near nodad");
	run("ip link set far up && ip link set near up");
	fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	ck_assert_msg(fd >= 0, "%s", strerror(errno));
	far.sll_ifindex = (int)if_nametoindex("far");
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&far, sizeof(far)), 0);
	return fd;
}

static struct lb_addr address_of(const struct segment *s)
{
	struct lb_addr address = {.family = (uint8_t)s->family};

	ck_assert_int_eq(inet_pton(s->family, s->neighbour, address.bytes), 1);
	return address;
}

static bool is_question(const struct lb_addr *about, const uint8_t *frame, size_t len)
{
	if (about->family == AF_INET)
		return len >= 42 && frame[12] == 0x08 && frame[13] == 0x06 && memcmp(frame + 38, about->bytes, 4) == 0;
	return len >= 78 && frame[20] == IPPROTO_ICMPV6 && frame[54] == 135 &&
	       memcmp(frame + 62, about->bytes, 16) == 0;
}

/* Reads the far end, for so long at most, until there is a question about the address (NULL: the message itself). */
static bool seen(int far, const struct lb_addr *question, int within_ms)
{
	struct pollfd ready = {.fd = far, .events = POLLIN};
	uint8_t frame[2048];
	lb_time end = clock_now() + LB_MSEC(within_ms);

	while (poll(&ready, 1, (int)lb_duration_ms(lb_time_max(end - clock_now(), 0))) > 0) {
		ssize_t len = recv(far, frame, sizeof(frame), 0);
		ck_assert(len > 0);
		if (question ? is_question(question, frame, (size_t)len)
			     : memmem(frame, (size_t)len, message, sizeof(message)) != NULL)
			return true;
	}
	return false;
}

static void send_message(const struct segment *s)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	struct lb_addr address = address_of(s);
	int fd = socket(s->family, SOCK_DGRAM, 0);
	ssize_t sent;

	memcpy(&in.sin_addr, address.bytes, 4);
	memcpy(&in6.sin6_addr, address.bytes, 16);
	if (s->family == AF_INET)
		sent = sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&in, sizeof(in));
	else
		sent = sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&in6, sizeof(in6));
	ck_assert_msg(sent == sizeof(message), "%s", strerror(errno));
	close(fd);
}

struct visit {
	struct rtnl_neigh *ask; /* NULL: look only */
	unsigned count;
	struct rtnl_neighbour last;
};

static void on_neighbour(void *ctx, const struct rtnl_neighbour *neighbour)
{
	struct visit *v = ctx;

	v->count++;
	v->last = *neighbour;
	if (v->ask)
		rtnl_neigh_ask(v->ask, neighbour);
}

static struct visit visit_all(struct rtnl_neigh *n, bool ask)
{
	struct visit v = {.ask = ask ? n : NULL};
	struct pollfd ready = {.fd = rtnl_neigh_fd(n), .events = POLLIN};

	ck_assert_int_eq(rtnl_neigh_list(n), 0);
	do {
		ck_assert_int_eq(poll(&ready, 1, SOON_MS), 1);
	} while (rtnl_neigh_read(n, on_neighbour, &v));
	return v;
}

START_TEST(test_asked_anew)
{
	const struct segment *s = &segments[_i];
	struct lb_addr address = address_of(s);
	int far = lay_cable();
	struct lb_err err;
	struct rtnl_neigh *n = rtnl_neigh_open(&err);
	struct visit v;

	ck_assert_msg(n != NULL, "%s", err.text);
	run(s->known);
	ck_assert_uint_eq(visit_all(n, true).count, 0);

	/* The kernel asks once, and is told to ask again long before it would. */
	send_message(s);
	ck_assert(seen(far, &address, SOON_MS));
	usleep(60000);
	v = visit_all(n, true);
	ck_assert_uint_eq(v.count, 1);
	ck_assert(lb_addr_equal(&v.last.address, &address));
	ck_assert_uint_eq(v.last.ifindex, if_nametoindex("near"));
	ck_assert(v.last.asked >= LB_MSEC(40) && v.last.asked < LB_SEC(1));
	ck_assert_msg(seen(far, &address, SOON_MS), "it was not asked anew");
	ck_assert_msg(visit_all(n, false).last.asked < v.last.asked, "its age does not begin anew");

	/* What waited for the answer is sent with it, and then nobody is waited for. */
	run(s->learned);
	ck_assert_msg(seen(far, NULL, SOON_MS), "what waited is gone");
	ck_assert_uint_eq(visit_all(n, false).count, 0);
	rtnl_neigh_close(n);
	close(far);
}
END_TEST

START_TEST(test_one_that_is_gone)
{
	const struct segment *s = &segments[_i];
	struct rtnl_neighbour nobody = {.address = address_of(s)};
	struct lb_err err;
	struct rtnl_neigh *n;

	close(lay_cable());
	nobody.ifindex = if_nametoindex("near");
	n = rtnl_neigh_open(&err);
	ck_assert_msg(n != NULL, "%s", err.text);

	/* The kernel's complaint about it is not taken for the end of the next list, nor does it make an entry. */
	rtnl_neigh_ask(n, &nobody);
	send_message(s);
	ck_assert_uint_eq(visit_all(n, false).count, 1);
	ck_assert_uint_eq(visit_all(n, false).count, 1);
	rtnl_neigh_close(n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rtnl_neigh");
	TCase *cases = tcase_create("neighbours");
	SRunner *runner;
	int failed;

	/* The lock of the network is that of every namespace of the machine. */
	tcase_set_timeout(cases, 30);
	tcase_add_loop_test(cases, test_asked_anew, 0, 2);
	tcase_add_loop_test(cases, test_one_that_is_gone, 0, 2);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}
