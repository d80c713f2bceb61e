#include "daemon/keeper/fence.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lb/log.h>
#include <lb/ratelimit.h>

#include "daemon/sys/clock.h"
#include "daemon/sys/nft.h"

/*
 * For this much longer than the lease connections that stand may end what they were about. By default that is 10 ms
 * past the earliest moment at which the next owner may take the VIP; clients' packets go to that one from then on.
 */
#define LINGER LB_MSEC(20)

struct fence {
	enum lb_fence_mode wished, in_force;
	struct nft *nft; /* NULL: not available, because of: */
	int missing;	 /* -errno */
	struct lb_addr vips[LB_VIPS_MAX];
	size_t vip_count;
	bool arp_guarded;
	lb_time leased_until; /* 0: no lease */
	struct ratelimit log;
};

struct fence *fence_new(enum lb_fence_mode wished, struct lb_err *err)
{
	struct fence *f = calloc(1, sizeof(*f));

	if (!f) {
		lb_err_set(err, "out of memory");
		return NULL;
	}
	f->wished = f->in_force = wished;
	f->log = (struct ratelimit)RATELIMIT_INIT(1, LB_SEC(10));
	/* Also needed to remove what a former run with another mode left. */
	f->nft = nft_open();
	f->missing = f->nft ? 0 : -errno;
	return f;
}

/* Is this errno "there is no nf_tables here", as opposed to a failure? Both weaken the fence; the text differs. */
static const char *why_not(int rc)
{
	switch (-rc) {
	case EPERM:
	case EACCES:
		return "this process may not use nf_tables";
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
	case ENOENT:
	case EINVAL:
		return "the kernel has no nf_tables";
	default:
		return strerror(-rc);
	}
}

static void weaken(struct fence *f, int rc)
{
	f->in_force = LB_FENCE_ADDRESS;
	lb_warning(
	    "fence=address reason=\"%s\": a node that hangs may answer for the VIP until the address expires, up to "
	    "3 s beside the new owner",
	    why_not(rc));
}

static void install(struct fence *f)
{
	int rc = f->nft ? nft_install(f->nft, f->vips, f->vip_count, &f->arp_guarded) : f->missing;

	if (rc != 0) {
		weaken(f, rc);
		return;
	}
	f->in_force = LB_FENCE_AUTO;
	if (!f->arp_guarded)
		lb_warning("fence without arp: a node that hangs drops packets to the VIP but still answers ARP for it "
			   "until the address expires, up to 3 s");
}

void fence_start(struct fence *f, const struct lb_addr *vips, size_t count)
{
	memcpy(f->vips, vips, count * sizeof(vips[0]));
	f->vip_count = count;
	if (f->wished == LB_FENCE_AUTO)
		install(f);
	else if (f->nft)
		nft_remove(f->nft);
	if (f->wished == LB_FENCE_OFF)
		lb_warning("fence=off: a node that hangs or dies keeps the VIP beside the new owner");
}

static bool guarded(const struct fence *f)
{
	return f->in_force == LB_FENCE_AUTO && f->nft;
}

void fence_adopt(struct fence *f, const struct lb_addr *vips, size_t count, bool arp_guarded)
{
	memcpy(f->vips, vips, count * sizeof(vips[0]));
	f->vip_count = count;
	f->arp_guarded = arp_guarded;
	if (!f->nft || nft_adopt(f->nft, vips, count, arp_guarded) != 0)
		install(f);
}

bool fence_guards(const struct fence *f, bool *arp_guarded)
{
	*arp_guarded = f->arp_guarded;
	return guarded(f);
}

void fence_set_vips(struct fence *f, const struct lb_addr *vips, size_t count, lb_time now)
{
	memcpy(f->vips, vips, count * sizeof(vips[0]));
	f->vip_count = count;
	if (!guarded(f))
		return;
	install(f);
	if (f->leased_until > now)
		fence_renew(f, now, f->leased_until - now);
}

void fence_free(struct fence *f)
{
	if (!f)
		return;
	nft_close(f->nft);
	free(f);
}

void fence_stop(struct fence *f)
{
	f->leased_until = 0;
	if (f->nft)
		nft_remove(f->nft);
}

enum lb_fence_mode fence_in_force(const struct fence *f)
{
	return f->in_force;
}

void fence_renew(struct fence *f, lb_time now, lb_duration length)
{
	int rc;

	if (!guarded(f))
		return;
	rc = nft_lease(f->nft, length, LINGER);
	if (rc == -ENOENT) {
		lb_warning("fence was removed by somebody else; setting it up again");
		install(f);
		rc = guarded(f) ? nft_lease(f->nft, length, LINGER) : 0;
	}
	if (rc == 0)
		f->leased_until = now + length;
	else if (ratelimit_ok(&f->log, now))
		lb_error("fence lease cannot be renewed: %s", strerror(-rc));
}

void fence_end(struct fence *f)
{
	int rc = guarded(f) ? nft_end_lease(f->nft) : 0;

	f->leased_until = 0;
	/* Without the tables there is no lease to end. */
	if (rc != 0 && rc != -ENOENT)
		lb_error("fence lease cannot be ended: %s", strerror(-rc));
}

bool fence_open(const struct fence *f, lb_time now)
{
	return !guarded(f) || now < f->leased_until;
}

void fence_close_to_new(struct fence *f, lb_duration length)
{
	int rc = guarded(f) ? nft_closing(f->nft, length) : 0;

	if (rc != 0 && ratelimit_ok(&f->log, clock_now()))
		lb_warning("fence cannot hold new connections back: %s", strerror(-rc));
}

bool fence_purge_allowed(struct lb_err *err)
{
	const struct timespec pause = {.tv_nsec = LB_MSEC(20)};
	struct nft *nft = nft_open();
	bool held;

	/* Without nf_tables nobody holds anything. */
	if (!nft)
		return true;
	held = nft_held_by_another(nft);
	for (int i = 0; held && i < 25; i++) {
		nanosleep(&pause, NULL);
		held = nft_held_by_another(nft);
	}
	nft_close(nft);
	return !held || lb_err_set(err, "a running lbd holds the VIP's rules in the kernel; stop it first");
}

bool fence_purge(struct lb_err *err)
{
	struct nft *nft = nft_open();
	int rc;

	if (!nft)
		return true;
	rc = nft_remove(nft);
	nft_close(nft);
	if (rc != 0 && rc != -EOPNOTSUPP && rc != -EAFNOSUPPORT && rc != -EPROTONOSUPPORT)
		return lb_err_errno(err, -rc, "cannot remove the rules in the kernel");
	return true;
}
