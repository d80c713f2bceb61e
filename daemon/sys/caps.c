#include "daemon/sys/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <lb/log.h>

bool caps_user(uid_t *uid, gid_t *gid)
{
	struct passwd *account = getpwnam(CAPS_USER);

	*uid = account ? account->pw_uid : geteuid();
	*gid = account ? account->pw_gid : getegid();
	return account != NULL;
}

/* Nothing of the ambient set may reach the programs that this one starts. */
static void clear_ambient(void)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/* The keeper's. */
static const int needed[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};
#define NEEDED (sizeof(needed) / sizeof(needed[0]))

/*
 * Exactly these capabilities, and not a root that could still become somebody else: a service manager gave them, or the
 * program before this one left them, and a filter may forbid to change them.
 */
static bool has_exactly(const int *wanted, size_t count)
{
	if (geteuid() == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return false;
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool want = false;
		for (size_t i = 0; i < count; i++)
			want |= wanted[i] == (int)cap;
		if ((capng_have_capability(CAPNG_PERMITTED, cap) != 0) != want ||
		    (capng_have_capability(CAPNG_EFFECTIVE, cap) != 0) != want)
			return false;
	}
	return true;
}

/* Change to the account with the capabilities already selected in libcap-ng; stay as we are where that is refused. */
static bool apply(struct lb_err *err)
{
	uid_t uid;
	gid_t gid;
	int rc;

	if (geteuid() == 0 && caps_user(&uid, &gid)) {
		rc = capng_change_id((int)uid, (int)gid, CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
		if (rc == 0)
			return true;
		lb_warning("privileges cannot become user %s (code %d); staying uid %u with reduced capabilities",
			   CAPS_USER, rc, (unsigned)geteuid());
	}
	/* Without CAP_SETPCAP the bounding set stays; no_new_privs makes it useless. */
	rc = capng_apply(CAPNG_SELECT_CAPS);
	if (rc != 0)
		return lb_err_errno(err, errno, "cannot reduce capabilities (code %d)", rc);
	return true;
}

static bool no_new_privileges(struct lb_err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return lb_err_errno(err, errno, "cannot set no_new_privs");
	return true;
}

bool caps_drop_keeper(struct lb_err *err)
{
	for (size_t i = 0; i < NEEDED; i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, (unsigned)needed[i]))
			return lb_err_set(err, "capability %s is missing; run as root or from the systemd unit",
					  capng_capability_to_name((unsigned)needed[i]));
	clear_ambient();
	if (has_exactly(needed, NEEDED))
		return no_new_privileges(err);
	capng_clear(CAPNG_SELECT_CAPS);
	/* Inheritable says nothing by itself; without it they could not be passed on. */
	capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE, CAP_NET_ADMIN, CAP_NET_RAW,
		      CAP_NET_BIND_SERVICE, -1);
	return apply(err) && no_new_privileges(err);
}

bool caps_drop_all(struct lb_err *err)
{
	clear_ambient();
	if (has_exactly(NULL, 0))
		return no_new_privileges(err);
	capng_clear(CAPNG_SELECT_BOTH);
	return apply(err) && no_new_privileges(err);
}

bool caps_pass_on(void)
{
	for (size_t i = 0; i < NEEDED; i++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, needed[i], 0, 0) != 0) {
			caps_keep_back();
			return false;
		}
	return true;
}

void caps_keep_back(void)
{
	clear_ambient();
}
