#include <lb/ownership.h>

static const char *const obstacle_names[] = {
    [OWNERSHIP_CAN] = "can-serve",
    [OWNERSHIP_PROXY_DOWN] = "proxy-down",
    [OWNERSHIP_PROXY_STALLED] = "proxy-stalled",
    [OWNERSHIP_LINK_DOWN] = "link-down",
    [OWNERSHIP_STANDBY] = "standby",
    [OWNERSHIP_VIP_LOST] = "vip-lost",
    [OWNERSHIP_NO_SERVERS] = "no-servers",
};

const char *ownership_obstacle_name(enum ownership_obstacle obstacle)
{
	return (unsigned)obstacle <= OWNERSHIP_NO_SERVERS ? obstacle_names[obstacle] : "unknown";
}

/* ---- peers ---- */

static bool could_take(const struct ownership_peer *peer)
{
	return peer->heard && peer->can_serve && !peer->standby;
}

static bool better(const struct ownership_peer *a, const struct ownership_peer *b)
{
	if ((a->ready_servers > 0) != (b->ready_servers > 0))
		return a->ready_servers > 0;
	return a->priority > b->priority;
}

int ownership_successor(const struct ownership_facts *f)
{
	int best = -1;

	for (size_t i = 0; i < f->peer_count; i++) {
		if (!could_take(&f->peers[i]))
			continue;
		if (best < 0 || better(&f->peers[i], &f->peers[best]))
			best = (int)i;
	}
	return best;
}

/* "None here, some there": a fact of this node. "None anywhere" is a fact of the servers and moves nothing. */
static bool none_here_some_there(const struct ownership_facts *f)
{
	if (f->ready_servers > 0 || f->total_servers == 0)
		return false;
	int i = ownership_successor(f);
	return i >= 0 && f->peers[i].ready_servers > 0;
}

/* ---- obstacles ---- */

static enum ownership_obstacle first_obstacle(const struct ownership_facts *f)
{
	if (f->standby)
		return OWNERSHIP_STANDBY;
	if (f->vip_lost)
		return OWNERSHIP_VIP_LOST;
	if (!f->link_up)
		return OWNERSHIP_LINK_DOWN;
	if (!f->proxy_connected)
		return OWNERSHIP_PROXY_DOWN;
	if (!f->proxy_ticking)
		return OWNERSHIP_PROXY_STALLED;
	if (none_here_some_there(f))
		return OWNERSHIP_NO_SERVERS;
	return OWNERSHIP_CAN;
}

static enum vrrp_reason reason_of(enum ownership_obstacle obstacle)
{
	if (obstacle == OWNERSHIP_STANDBY)
		return VRRP_REASON_STANDBY;
	return obstacle == OWNERSHIP_VIP_LOST ? VRRP_REASON_VIP_LOST : VRRP_REASON_CANNOT_SERVE;
}

/* How long an obstacle is borne in silence, before anything is done about it. */
static lb_duration patience(enum ownership_obstacle obstacle, const struct ownership_facts *f)
{
	if (obstacle == OWNERSHIP_PROXY_DOWN && f->state == VRRP_ACTIVE)
		return OWNERSHIP_PROXY_HOLD;
	return obstacle == OWNERSHIP_NO_SERVERS ? OWNERSHIP_NO_SERVERS_HOLD : 0;
}

/* How long, after that, an owner tries to hand over in an orderly way; only where somebody could take. */
static lb_duration grace(enum ownership_obstacle obstacle, const struct ownership_facts *f)
{
	bool orderly = obstacle == OWNERSHIP_STANDBY || obstacle == OWNERSHIP_NO_SERVERS;

	return orderly && f->state == VRRP_ACTIVE && ownership_successor(f) >= 0 ? OWNERSHIP_YIELD_GRACE : 0;
}

/* An obstacle that returns before the recover hold is over is still the same one, so that flapping is no way out. */
static void remember(struct ownership *o, enum ownership_obstacle obstacle, lb_time now)
{
	if (obstacle != OWNERSHIP_CAN) {
		if (obstacle != o->obstacle)
			o->obstacle_since = now;
		o->obstacle = obstacle;
		o->healthy_since = 0;
		return;
	}
	if (o->healthy_since == 0)
		o->healthy_since = now;
	if (now - o->healthy_since >= OWNERSHIP_RECOVER_HOLD)
		o->obstacle = OWNERSHIP_CAN;
}

/* Does the node take part? Into fault at once; out of it, too, unless it keeps falling back into it. */
static void settle(struct ownership *o, bool kept_out, lb_time now)
{
	if (kept_out) {
		if (!o->faulted)
			o->flapping = o->recovered_at != 0 && now - o->recovered_at < OWNERSHIP_FLAP_WINDOW;
		o->faulted = true;
		o->recovering_since = 0;
		return;
	}
	if (o->recovering_since == 0)
		o->recovering_since = now;
	if (o->faulted && o->flapping && now - o->recovering_since < OWNERSHIP_RECOVER_HOLD)
		return;
	if (o->faulted && o->served)
		o->recovered_at = now;
	o->faulted = false;
	o->served = true;
}

/* ---- failback ---- */

/* Is this node, a healthy Backup, preferred to the present owner and to everybody else who could take? */
static bool preferred(const struct ownership_facts *f)
{
	const struct ownership_peer *owner = NULL;

	for (size_t i = 0; i < f->peer_count; i++) {
		const struct ownership_peer *peer = &f->peers[i];
		if (peer->heard && peer->active)
			owner = peer;
		if (could_take(peer) && peer->priority >= f->priority)
			return false;
	}
	return owner && owner->priority < f->priority;
}

/* When failback is due; LB_TIME_NEVER when it is not wanted. */
static lb_time failback_at(const struct ownership *o, const struct ownership_facts *f)
{
	if (f->failback == 0 || f->state != VRRP_BACKUP || o->faulted || o->healthy_since == 0 || !preferred(f))
		return LB_TIME_NEVER;
	return o->healthy_since + f->failback;
}

static void look_ahead(lb_time *next, lb_time at, lb_time now)
{
	if (at > now)
		*next = lb_time_min(*next, at);
}

void ownership_judge(struct ownership *o, const struct ownership_facts *facts, struct ownership_verdict *verdict)
{
	const enum ownership_obstacle obstacle = first_obstacle(facts);
	const lb_time now = facts->now;

	remember(o, obstacle, now);
	lb_time act_at = o->obstacle_since + patience(obstacle, facts);
	lb_time out_at = act_at + grace(obstacle, facts);
	settle(o, obstacle != OWNERSHIP_CAN && now >= out_at, now);
	lb_time failback = failback_at(o, facts);

	verdict->can_serve = !o->faulted;
	verdict->obstacle = obstacle == OWNERSHIP_CAN && o->faulted ? o->obstacle : obstacle;
	verdict->fault_reason = reason_of(verdict->obstacle);
	verdict->yield_to =
	    obstacle != OWNERSHIP_CAN && now >= act_at && now < out_at ? ownership_successor(facts) : -1;
	verdict->request_vip = now >= failback;

	verdict->next = LB_TIME_NEVER;
	look_ahead(&verdict->next, failback, now);
	if (obstacle != OWNERSHIP_CAN) {
		look_ahead(&verdict->next, act_at, now);
		look_ahead(&verdict->next, out_at, now);
	}
	if (o->faulted && o->flapping && o->recovering_since != 0)
		look_ahead(&verdict->next, o->recovering_since + OWNERSHIP_RECOVER_HOLD, now);
}
