/*
 * The kernel's side of owning a VIP, in a network namespace of its own: an address that ends by itself, and a lease
 * without which no packet of the VIP passes. Each test runs in its own process, so each has its own namespace.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/nft.h"
#include "daemon/sys/rtnl.h"
#include "daemon/sys/rtnl_monitor.h"

#define LEASE  LB_MSEC(200)
#define LINGER LB_MSEC(20)

static const struct lb_addr vip = {
    .family = AF_INET, .bytes = {10, 9, 0, 100}
};
static const struct lb_addr other = {
    .family = AF_INET, .bytes = {10, 9, 0, 101}
};

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Become root of a namespace that holds nothing but a loopback interface. */
static void enter_namespace(void)
{
	char map[64];
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd;

	snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
	ck_assert_msg(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0, "no user namespace: %s", strerror(errno));
	write_text("/proc/self/setgroups", "deny");
	write_text("/proc/self/uid_map", map);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
}

static unsigned loopback(struct rtnl *r)
{
	struct rtnl_link link;

	ck_assert_int_eq(rtnl_link_by_name(r, "lo", &link), 0);
	return link.index;
}

static struct rtnl *with_address(const struct lb_addr *address, uint32_t seconds)
{
	struct lb_err err;
	struct rtnl *r = rtnl_open(&err);

	ck_assert_msg(r != NULL, "%s", err.text);
	ck_assert_int_eq(rtnl_address_set(r, loopback(r), address, seconds), 0);
	return r;
}

struct found {
	const struct lb_addr *wanted;
	struct rtnl_address address;
	unsigned count;
};

static void on_address(void *ctx, const struct rtnl_address *a)
{
	struct found *f = ctx;

	if (lb_addr_equal(&a->address, f->wanted)) {
		f->address = *a;
		f->count++;
	}
}

static struct found look_for(struct rtnl *r, const struct lb_addr *address)
{
	struct found f = {.wanted = address};

	ck_assert_int_eq(rtnl_addresses(r, 0, on_address, &f), 0);
	return f;
}

static void nap(lb_duration d)
{
	usleep((useconds_t)(d / LB_USEC(1)));
}

START_TEST(address_is_tagged_single_and_ends_by_itself)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, 1);
	struct found f = look_for(r, &vip);
	lb_time deadline = clock_now() + LB_SEC(4);

	ck_assert_uint_eq(f.count, 1);
	ck_assert_uint_eq(f.address.prefix, 32);
	ck_assert_uint_le(f.address.valid_seconds, 1);
	ck_assert(f.address.tagged);
	while (look_for(r, &vip).count > 0 && clock_now() < deadline)
		nap(LB_MSEC(20));
	ck_assert_uint_eq(look_for(r, &vip).count, 0);
	rtnl_close(r);
}
END_TEST

START_TEST(setting_again_renews_without_a_second_address)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, 1);

	ck_assert_int_eq(rtnl_address_set(r, loopback(r), &vip, 30), 0);
	struct found f = look_for(r, &vip);
	ck_assert_uint_eq(f.count, 1);
	ck_assert_uint_ge(f.address.valid_seconds, 29);
	ck_assert_int_eq(rtnl_address_delete(r, loopback(r), &vip, 32), 0);
	ck_assert_int_eq(rtnl_address_delete(r, loopback(r), &vip, 32), -EADDRNOTAVAIL);
	rtnl_close(r);
}
END_TEST

struct heard {
	unsigned added, gone, overruns;
};

static void on_link(void *ctx, const struct rtnl_link *link, bool gone)
{
	(void)ctx;
	(void)link;
	(void)gone;
}

static void on_change(void *ctx, const struct rtnl_address *a, bool gone)
{
	struct heard *h = ctx;

	if (!lb_addr_equal(&a->address, &vip))
		return;
	h->added += !gone;
	h->gone += gone;
}

static void on_overrun(void *ctx)
{
	((struct heard *)ctx)->overruns++;
}

START_TEST(monitor_tells_what_happens_to_an_address)
{
	struct heard heard = {0};
	const struct rtnl_handlers handlers = {
	    .link = on_link, .address = on_change, .overrun = on_overrun, .ctx = &heard};
	struct lb_err err;

	enter_namespace();
	struct rtnl_monitor *m = rtnl_monitor_open(&err);
	struct rtnl *r = with_address(&vip, 30);
	ck_assert_int_eq(rtnl_address_delete(r, loopback(r), &vip, 32), 0);
	rtnl_monitor_read(m, &handlers);
	ck_assert_uint_eq(heard.added, 1);
	ck_assert_uint_eq(heard.gone, 1);
	ck_assert_uint_eq(heard.overruns, 0);
	rtnl_monitor_close(m);
	rtnl_close(r);
}
END_TEST

/* ---- the lease ---- */

static struct nft *guard(void)
{
	struct nft *n = nft_open();
	bool arp;

	ck_assert_msg(n != NULL, "%s", strerror(errno));
	ck_assert_int_eq(nft_install(n, &vip, 1, &arp), 0);
	ck_assert(arp);
	return n;
}

/* Does a datagram reach a socket on the address of this host? */
static bool reaches(const struct lb_addr *address)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(7000)};
	int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
	struct pollfd readable = {.fd = receiver, .events = POLLIN};

	memcpy(&sa.sin_addr, address->bytes, 4);
	ck_assert_int_eq(bind(receiver, (struct sockaddr *)&sa, sizeof(sa)), 0);
	sendto(sender, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa));
	bool arrived = poll(&readable, 1, 0) == 1;
	close(sender);
	close(receiver);
	return arrived;
}

START_TEST(packets_pass_only_while_the_lease_lives)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, RTNL_FOREVER);
	ck_assert(reaches(&vip));

	struct nft *n = guard();
	ck_assert(!reaches(&vip));
	ck_assert_int_eq(nft_lease(n, LEASE, LINGER), 0);
	ck_assert(reaches(&vip));
	nap(LEASE + LINGER + LB_MSEC(30));
	ck_assert(!reaches(&vip));

	ck_assert_int_eq(nft_remove(n), 0);
	ck_assert(reaches(&vip));
	nft_close(n);
	rtnl_close(r);
}
END_TEST

START_TEST(renewing_extends_the_lease_without_a_gap)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, RTNL_FOREVER);
	struct nft *n = guard();

	for (int i = 0; i < 60; i++) {
		ck_assert_int_eq(nft_lease(n, LEASE, LINGER), 0);
		nap(LB_MSEC(10));
		ck_assert_msg(reaches(&vip), "closed after %d renewals", i + 1);
	}
	ck_assert_int_eq(nft_end_lease(n), 0);
	ck_assert(!reaches(&vip));
	nft_close(n);
	rtnl_close(r);
}
END_TEST

START_TEST(other_addresses_are_none_of_its_business)
{
	enter_namespace();
	struct rtnl *r = with_address(&other, RTNL_FOREVER);
	struct nft *n = guard();

	ck_assert(reaches(&other));
	nft_close(n);
	rtnl_close(r);
}
END_TEST

static int listen_on(const struct lb_addr *address, struct sockaddr_in *sa)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(7001)};
	memcpy(&sa->sin_addr, address->bytes, 4);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)sa, sizeof(*sa)), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

static bool connects(int fd, const struct sockaddr_in *sa)
{
	struct pollfd writable = {.fd = fd, .events = POLLOUT};

	fcntl(fd, F_SETFL, O_NONBLOCK);
	return connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || poll(&writable, 1, 50) == 1;
}

START_TEST(closing_holds_new_connections_back_and_spares_old_ones)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, RTNL_FOREVER);
	struct nft *n = guard();
	struct sockaddr_in sa;
	int listener = listen_on(&vip, &sa), old = socket(AF_INET, SOCK_STREAM, 0),
	    new = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	ck_assert_int_eq(nft_lease(n, LB_SEC(10), LINGER), 0);
	ck_assert(connects(old, &sa));
	int accepted = accept(listener, NULL, NULL);
	ck_assert_int_eq(nft_closing(n, LB_SEC(10)), 0);
	ck_assert_int_eq(send(old, "x", 1, 0), 1);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), 1);
	ck_assert(!connects(new, &sa));

	ck_assert_int_eq(nft_closing(n, 0), 0);
	int later = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert(connects(later, &sa));
	close(later);
	close(new);
	close(old);
	close(accepted);
	close(listener);
	nft_close(n);
	rtnl_close(r);
}
END_TEST

/* What was taken in at the last moment is answered; nothing new begins, and soon nothing passes at all. */
START_TEST(a_connection_outlives_the_lease_for_a_moment)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, RTNL_FOREVER);
	struct nft *n = guard();
	struct sockaddr_in sa;
	int listener = listen_on(&vip, &sa), old = socket(AF_INET, SOCK_STREAM, 0),
	    new = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	ck_assert_int_eq(nft_lease(n, LEASE, LB_SEC(10)), 0);
	ck_assert(connects(old, &sa));
	int accepted = accept(listener, NULL, NULL);
	nap(LEASE + LB_MSEC(30));
	ck_assert(!connects(new, &sa));
	ck_assert_int_eq(send(old, "x", 1, 0), 1);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), 1);

	ck_assert_int_eq(nft_end_lease(n), 0);
	ck_assert_int_eq(send(old, "y", 1, 0), 1);
	ck_assert_int_eq(recv(accepted, &byte, 1, MSG_DONTWAIT), -1);
	close(new);
	close(old);
	close(accepted);
	close(listener);
	nft_close(n);
	rtnl_close(r);
}
END_TEST

START_TEST(the_guard_outlives_its_process)
{
	enter_namespace();
	struct rtnl *r = with_address(&vip, RTNL_FOREVER);

	nft_close(guard());
	ck_assert(!reaches(&vip));
	/* A new process takes the place over. */
	struct nft *next = guard();
	ck_assert(!reaches(&vip));
	ck_assert_int_eq(nft_remove(next), 0);
	ck_assert_int_eq(nft_remove(next), 0);
	ck_assert_int_eq(nft_lease(next, LEASE, LINGER), -ENOENT);
	ck_assert(reaches(&vip));
	nft_close(next);
	rtnl_close(r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fence");
	TCase *address = tcase_create("address"), *lease = tcase_create("lease");

	tcase_set_timeout(address, 10);
	tcase_add_test(address, address_is_tagged_single_and_ends_by_itself);
	tcase_add_test(address, setting_again_renews_without_a_second_address);
	tcase_add_test(address, monitor_tells_what_happens_to_an_address);
	tcase_add_test(lease, packets_pass_only_while_the_lease_lives);
	tcase_add_test(lease, renewing_extends_the_lease_without_a_gap);
	tcase_add_test(lease, other_addresses_are_none_of_its_business);
	tcase_add_test(lease, closing_holds_new_connections_back_and_spares_old_ones);
	tcase_add_test(lease, a_connection_outlives_the_lease_for_a_moment);
	tcase_add_test(lease, the_guard_outlives_its_process);
	suite_add_tcase(suite, address);
	suite_add_tcase(suite, lease);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
