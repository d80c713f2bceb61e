/*
 * Preloaded into Keepalived: nobody may set supplementary groups in the lab's user namespace, and Keepalived takes a
 * check script that it could not start that way for one that succeeded.
 */
#include <grp.h>

int setgroups(size_t count, const gid_t *groups)
{
	(void)count;
	(void)groups;
	return 0;
}
