/*
 * Going on in the place of a former process of this node that crashed: nothing was taken from the VIP, its lease and
 * the listening sockets meanwhile, and nobody else has noticed yet.
 */
#include <string.h>

#include <lb/hash.h>
#include <lb/log.h>

#include "daemon/keeper/election_state.h"
#include "daemon/sys/clock.h"

#define DRAIN_BUDGET 4096

/* ---- what must be the same ---- */

static uint64_t mix_bytes(uint64_t h, const void *bytes, size_t len)
{
	return lb_hash_mix(h, lb_hash(bytes, len));
}

static uint64_t mix_addr(uint64_t h, const struct lb_addr *a)
{
	return mix_bytes(lb_hash_mix(h, a->family), a->bytes, lb_addr_size(a));
}

/* Of this node and everything that its peers and the kernel's tables were told. */
static uint64_t identity(const struct election *e)
{
	const struct lb_conf *conf = e->conf;
	const struct lb_conf_election *c = &conf->election;
	const uint64_t settings[] = {
	    c->vrid,	       (uint64_t)c->interval, (uint64_t)c->protocol, (uint64_t)c->transport,
	    (uint64_t)c->auth, (uint64_t)c->fence,    conf->node_count,	     conf->vip_count};
	uint64_t h = mix_bytes(0, settings, sizeof(settings));

	h = mix_addr(h, &e->own);
	for (size_t i = 0; i < conf->node_count; i++)
		h = lb_hash_mix(mix_addr(h, &conf->nodes[i].address), conf->nodes[i].priority);
	for (size_t i = 0; i < conf->vip_count; i++)
		h = mix_bytes(mix_addr(h, &conf->vips[i].address), conf->vips[i].interface,
			      strlen(conf->vips[i].interface));
	return h;
}

/* ---- keeping ---- */

void election_resume_keep(struct election *e)
{
	struct resume_record record = {
	    .identity = identity(e),
	    .active = e->fsm.state == VRRP_ACTIVE && !e->stopping,
	    .advert = e->advert_boot,
	    .since = e->fsm.since,
	    .since_wall = e->since,
	    .sequence = e->sequence,
	};

	if (!e->params.resume)
		return;
	memcpy(record.boot_id, resume_boot_id(e->params.resume), sizeof(record.boot_id));
	record.guarded = fence_guards(e->fence, &record.arp_guarded);
	resume_keep(e->params.resume, &record);
}

/* ---- going on ---- */

static enum resume_verdict judge(const struct election *e)
{
	return resume_judge(resume_former(e->params.resume), &(struct resume_facts){
								 .boot_id = resume_boot_id(e->params.resume),
								 .identity = identity(e),
								 .now = clock_boot(),
								 .lease = vrrp_lease(e->fsm.params.interval),
							     });
}

bool election_resume_open(struct election *e, struct lb_err *err)
{
	const struct resume_record *former = resume_former(e->params.resume);
	enum resume_verdict verdict = judge(e);

	/* Signed adverts must go on growing, whatever the clock does. */
	if (former)
		e->sequence = former->sequence;
	if (verdict == RESUME_ACTIVE)
		e->vrrp_fd = resume_take(e->params.resume, RESUME_VRRP);
	/* Without what arrived since the crash nobody knows who is Active now. */
	e->resuming = e->vrrp_fd >= 0;
	if (!e->resuming && resume_found(e->params.resume))
		lb_info("resume=no reason=\"%s\"", resume_verdict_text(verdict));
	return e->resuming || election_advert_open(e, err);
}

void election_resume_guard(struct election *e)
{
	const struct resume_record *former = resume_former(e->params.resume);
	struct lb_addr vips[LB_VIPS_MAX];

	for (size_t i = 0; i < vip_count(e->vips); i++)
		vips[i] = *vip_address(e->vips, i);
	if (e->resuming && former->guarded)
		fence_adopt(e->fence, vips, vip_count(e->vips), former->arp_guarded);
	else
		fence_start(e->fence, vips, vip_count(e->vips));
}

/* As if this process had listened since the last advert: what arrived says whether another node is Active by now. */
static bool take_place(struct election *e, const struct resume_record *former)
{
	lb_duration age = clock_boot() - former->advert;
	struct vrrp_actions none;

	e->released_at = clock_now() - age;
	vrrp_fsm_step(&e->fsm, &(struct vrrp_event){.kind = VRRP_EVENT_STARTUP, .now = e->released_at}, &none);
	election_advert_drain(e, DRAIN_BUDGET);
	if (judge(e) == RESUME_ACTIVE)
		election_step(e, &(struct vrrp_event){.kind = VRRP_EVENT_TAKE, .source = e->own});
	if (e->fsm.state != VRRP_ACTIVE)
		return false;
	/* The role did not change; who asks for how long is told the truth. */
	e->since = former->since_wall;
	lb_notice("resumed after_ms=%.0f: the VIP stays here", lb_duration_ms(age));
	return true;
}

bool election_resume_start(struct election *e)
{
	const struct resume_record *former = resume_former(e->params.resume);
	bool resumed = e->resuming && take_place(e, former);

	if (e->resuming && !resumed) {
		const struct vrrp_params params = e->fsm.params;

		lb_notice("resume=no reason=\"another node is active, or it took too long\"");
		vip_release(e->vips);
		fence_end(e->fence);
		vrrp_fsm_init(&e->fsm, &params);
	}
	if (!e->resuming)
		resume_put(e->params.resume, RESUME_VRRP, e->vrrp_fd);
	e->resuming = false;
	return resumed;
}
