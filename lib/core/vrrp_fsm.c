#include <lb/vrrp_fsm.h>

#define VRRP_PRIORITY_OWNER  255
#define VRRP_PRIORITY_RESIGN 0

/* ---- guards: facts about the machine and the event, nothing else ---- */

typedef bool guard_fn(const struct vrrp_fsm *fsm, const struct vrrp_event *event);

static bool owns_address(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	(void)event;
	return fsm->params.priority == VRRP_PRIORITY_OWNER;
}

static bool stale(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->received_at < fsm->since;
}

static bool resigning(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	(void)fsm;
	return event->priority == VRRP_PRIORITY_RESIGN;
}

/* Priority 0 from somebody else than the Active that is known. */
static bool foreign_resign(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->priority == VRRP_PRIORITY_RESIGN && fsm->active.family != 0 &&
	       !lb_addr_equal(&event->source, &fsm->active);
}

/* Somebody else than the former owner, who releases to us, is Active meanwhile. */
static bool another_leads(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return fsm->active.family != 0 && !lb_addr_equal(&event->source, &fsm->active);
}

/*
 * The last advert of the node that handed over to us, overtaken by its release. It cannot be Active again sooner than
 * an Active_Down_Interval later.
 */
static bool parting(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return fsm->reason == VRRP_REASON_HANDOVER && lb_addr_equal(&event->source, &fsm->predecessor) &&
	       event->received_at - fsm->since < fsm->params.interval;
}

/* Sent before the resignation, which came by the faster way; it is Active again a while later at the earliest. */
static bool word_of_resigned(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->by_word && fsm->active_resigned && lb_addr_equal(&event->source, &fsm->resigned) &&
	       event->received_at - fsm->last_advert < fsm->params.interval;
}

static bool among_others(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	(void)fsm;
	return event->others;
}

static bool from_itself(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return lb_addr_equal(&event->source, &fsm->params.address);
}

static bool acceptable(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return !fsm->params.preempt || event->priority >= fsm->params.priority;
}

static bool higher_priority(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->priority > fsm->params.priority;
}

static bool higher_address(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->priority == fsm->params.priority && lb_addr_compare(&event->source, &fsm->params.address) > 0;
}

static bool advert_due(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->now >= fsm->adver_timer;
}

static bool active_down(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return event->now >= fsm->active_down_timer;
}

/* Later than a timer of a machine that is not overloaded fires, and less than Skew_Time keeps two nodes apart. */
static lb_duration tolerance(const struct vrrp_fsm *fsm)
{
	return lb_time_max(fsm->active_adver_interval / 50, LB_MSEC(1));
}

static bool down_noticed_late(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return active_down(fsm, event) && !fsm->postponed && event->now - fsm->active_down_timer > tolerance(fsm);
}

static bool down_after_resign(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return active_down(fsm, event) && fsm->active_resigned;
}

/* The timer ran out although an Active was heard: its adverts were discarded as lower than our own. */
static bool down_by_preemption(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return active_down(fsm, event) && fsm->params.preempt && fsm->active.family != 0 &&
	       fsm->active_priority < fsm->params.priority;
}

static bool for_standby(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	(void)fsm;
	return event->reason == VRRP_REASON_STANDBY;
}

static bool for_lost_vip(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	(void)fsm;
	return event->reason == VRRP_REASON_VIP_LOST;
}

/* ---- effects: timers and what was learned; the new state is entered already ---- */

typedef void effect_fn(struct vrrp_fsm *fsm, const struct vrrp_event *event);

static lb_duration skew_time(const struct vrrp_fsm *fsm)
{
	return vrrp_skew_time(fsm->params.version, fsm->params.priority, fsm->active_adver_interval);
}

static lb_duration down_interval(const struct vrrp_fsm *fsm)
{
	return vrrp_active_down_interval(fsm->params.version, fsm->params.priority, fsm->active_adver_interval);
}

static void forget_active(struct vrrp_fsm *fsm)
{
	fsm->active = (struct lb_addr){0};
	fsm->active_priority = 0;
}

static void note_active(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	fsm->active = event->source;
	fsm->active_priority = event->priority;
	fsm->last_heard = lb_time_max(fsm->last_heard, event->received_at);
	if (!event->by_word)
		fsm->last_advert = lb_time_max(fsm->last_advert, event->received_at);
}

/* Nodes that began to listen together must not end together: Skew_Time comes after listening, too. */
static lb_time earliest_take(const struct vrrp_fsm *fsm)
{
	return fsm->listen_until + skew_time(fsm);
}

static void arm_active_down(struct vrrp_fsm *fsm, lb_time at)
{
	fsm->active_down_timer = lb_time_max(at, earliest_take(fsm));
	fsm->active_resigned = false;
	fsm->postponed = false;
}

/* From nothing: an Active_Down_Interval as the RFC wants, and the configured delay on top of it. */
static void start_listening(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	forget_active(fsm);
	fsm->active_adver_interval = fsm->params.interval;
	fsm->listening_since = event->now;
	fsm->listen_until = event->now + fsm->params.startup_delay;
	arm_active_down(fsm, fsm->listen_until + down_interval(fsm));
}

/* What was known is void: nothing that was heard earlier may shorten a whole Active_Down_Interval from now. */
static void listen_again(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	forget_active(fsm);
	fsm->listening_since = event->now;
	fsm->listen_until = lb_time_max(fsm->listen_until, event->now + down_interval(fsm) - skew_time(fsm));
	arm_active_down(fsm, earliest_take(fsm));
}

/* The timer runs from the kernel's receive time: our own starvation must not look like the death of the Active. */
static void follow(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	note_active(fsm, event);
	/* RFC 3768 knows one interval for all; version 3 learns that of the Active. */
	if (fsm->params.version != 2 && event->interval > 0 && !event->by_word)
		fsm->active_adver_interval = event->interval;
	/* Two ways are read one after the other: what is read later may have come earlier. */
	arm_active_down(fsm, fsm->last_heard + down_interval(fsm));
}

/* By whole intervals: Skew_Time is less, so that a node that was in time is past, and late ones stay apart. */
static void postpone(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	lb_duration late = event->now - fsm->active_down_timer, step = fsm->active_adver_interval;

	fsm->active_down_timer += (late / step + 1) * step;
	fsm->postponed = true;
}

/*
 * Listening is for nodes that do not know yet whom the segment carries to them. Who heard an Active and then its
 * resignation, both since it began to listen, knows: nobody else leads, and there is nothing more to wait for.
 */
static bool heard_out(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	return fsm->active.family != 0 && lb_addr_equal(&event->source, &fsm->active) &&
	       fsm->last_advert >= fsm->listening_since && event->received_at >= fsm->listening_since;
}

static void await_successor(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	if (heard_out(fsm, event))
		fsm->listen_until = 0;
	forget_active(fsm);
	fsm->last_advert = lb_time_max(fsm->last_advert, event->received_at);
	arm_active_down(fsm, event->received_at + skew_time(fsm));
	fsm->active_resigned = true;
	fsm->resigned = event->source;
}

static void reset_adver_timer(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	fsm->adver_timer = event->now + fsm->params.interval;
}

/* Adverts keep their pace, so that a late wake-up does not add up; after a longer pause the pace starts anew. */
static void advance_adver_timer(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	fsm->adver_timer += fsm->params.interval;
	if (fsm->adver_timer <= event->now)
		reset_adver_timer(fsm, event);
}

static void lead(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	fsm->active = fsm->params.address;
	fsm->active_priority = fsm->params.priority;
	fsm->active_adver_interval = fsm->params.interval;
	fsm->listen_until = 0;
	reset_adver_timer(fsm, event);
}

static void succeed(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	lead(fsm, event);
	fsm->predecessor = event->source;
}

static void lead_no_more(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	(void)event;
	forget_active(fsm);
}

static void note_resign(struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	if (lb_addr_equal(&event->source, &fsm->active))
		forget_active(fsm);
}

/* ---- action lists ---- */

static const struct vrrp_actions nothing = {.count = 0};
static const struct vrrp_actions changed = {.list = {VRRP_STATE_CHANGED}, .count = 1};
static const struct vrrp_actions advertise = {.list = {VRRP_SEND_ADVERT}, .count = 1};
static const struct vrrp_actions assert_active = {
    .list = {VRRP_SEND_ADVERT, VRRP_REANNOUNCE},
	 .count = 2
};
static const struct vrrp_actions take = {
    .list = {VRRP_SEND_ADVERT, VRRP_TAKE_VIP, VRRP_ANNOUNCE, VRRP_STATE_CHANGED},
    .count = 4,
};
static const struct vrrp_actions resign = {
    .list = {VRRP_END_SESSIONS, VRRP_SEND_RESIGN, VRRP_RELEASE_VIP, VRRP_STATE_CHANGED},
    .count = 4,
};
/* The winner may answer for the VIP already, so this node stops to before it does anything else. */
static const struct vrrp_actions give_way = {
    .list = {VRRP_END_SESSIONS, VRRP_RELEASE_VIP, VRRP_SEND_ADVERT, VRRP_STATE_CHANGED},
    .count = 4,
};
static const struct vrrp_actions leave_silently = {
    .list = {VRRP_END_SESSIONS, VRRP_RELEASE_VIP, VRRP_STATE_CHANGED},
    .count = 3,
};

/*
 * ---- the table: the first row of a state and event whose guard holds (NULL: always) is taken ----
 *
 * Section numbers are those of RFC 9568. Every pair of state and event has an unguarded last row.
 */

struct transition {
	enum vrrp_state state;
	enum vrrp_event_kind event;
	guard_fn *guard;
	const struct vrrp_actions *actions;
	effect_fn *effect;
	enum vrrp_state next;
	enum vrrp_reason reason; /* of a change of state */
};

/* clang-format off */
#define ROW(state, event, guard, actions, effect, next, why) \
	{VRRP_##state, VRRP_EVENT_##event, guard, &(actions), effect, VRRP_##next, VRRP_REASON_##why}

static const struct transition table[] = {
	/* 6.4.1: If the Priority = 255, i.e., the router owns the IPvX address: send an ADVERTISEMENT, ... set the
	 * Adver_Timer to Advertisement_Interval, transition to the Active state. */
	ROW(INIT, STARTUP,         owns_address,       take, lead, ACTIVE, STARTUP),
	/* 6.4.1: else: set Active_Adver_Interval to Advertisement_Interval, set the Active_Down_Timer to
	 * Active_Down_Interval, transition to the Backup state. */
	ROW(INIT, STARTUP,         NULL,               changed, start_listening, BACKUP, STARTUP),
	/* Initialize waits for a Startup event and for nothing else. */
	ROW(INIT, SHUTDOWN,        NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, TIMER,           NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, ADVERT,          NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, FAULT,           NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, CLEAR,           NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, YIELD,           NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, TAKE,            NULL,               nothing, NULL, INIT, NONE),
	ROW(INIT, STALL,           NULL,               nothing, NULL, INIT, NONE),

	/* 6.4.2: If a Shutdown event is received: cancel the Active_Down_Timer, transition to the Initialize state. */
	ROW(BACKUP, SHUTDOWN,      NULL,               changed, NULL, INIT, SHUTDOWN),
	/* Another node may have taken over in the moment in which this one should have looked; its advert is on the
	 * way. Once only: a node that is always late would never take. */
	ROW(BACKUP, TIMER,         down_noticed_late,  nothing, postpone, BACKUP, NONE),
	/* 6.4.2: If the Active_Down_Timer fires: send an ADVERTISEMENT, ... set the Adver_Timer to
	 * Advertisement_Interval, transition to the Active state. The three differ in why it fired. */
	ROW(BACKUP, TIMER,         down_after_resign,  take, lead, ACTIVE, PEER_RESIGNED),
	ROW(BACKUP, TIMER,         down_by_preemption, take, lead, ACTIVE, PREEMPT),
	ROW(BACKUP, TIMER,         active_down,        take, lead, ACTIVE, ACTIVE_DOWN_TIMER),
	ROW(BACKUP, TIMER,         NULL,               nothing, NULL, BACKUP, NONE),
	/* Received before this state was entered and read only now. */
	ROW(BACKUP, ADVERT,        stale,              nothing, NULL, BACKUP, NONE),
	/* Another one leads already: the former Active's last words, overtaken, or the loser of a split that ends. Skew_Time
	 * is too short to hear the present Active again, so waiting for less than an interval would depose it. */
	ROW(BACKUP, ADVERT,        foreign_resign,     nothing, NULL, BACKUP, NONE),
	ROW(BACKUP, ADVERT,        word_of_resigned,   nothing, NULL, BACKUP, NONE),
	/* 6.4.2: If the Priority in the ADVERTISEMENT is 0: set the Active_Down_Timer to Skew_Time. */
	ROW(BACKUP, ADVERT,        resigning,          nothing, await_successor, BACKUP, NONE),
	/* 6.4.2: If Preempt_Mode is False, or if the Priority in the ADVERTISEMENT is greater than or equal to the
	 * local Priority: set Active_Adver_Interval to Max Advertise Interval contained in the ADVERTISEMENT, recompute
	 * the Skew_Time, recompute the Active_Down_Interval, set the Active_Down_Timer to Active_Down_Interval. */
	ROW(BACKUP, ADVERT,        acceptable,         nothing, follow, BACKUP, NONE),
	/* 6.4.2: else: discard the ADVERTISEMENT. The timer runs on; who spoke is kept for people to see. */
	ROW(BACKUP, ADVERT,        NULL,               nothing, note_active, BACKUP, NONE),
	/* A node that cannot serve takes no part; as a Backup it has nothing to resign from. */
	ROW(BACKUP, FAULT,         for_standby,        changed, NULL, FAULT, STANDBY),
	ROW(BACKUP, FAULT,         for_lost_vip,       changed, NULL, FAULT, VIP_LOST),
	ROW(BACKUP, FAULT,         NULL,               changed, NULL, FAULT, CANNOT_SERVE),
	/* A third node was faster than the release. */
	ROW(BACKUP, TAKE,          another_leads,      nothing, NULL, BACKUP, NONE),
	/* The owner was this node until its process ended, and is not known to anybody as dead. */
	ROW(BACKUP, TAKE,          from_itself,        take, lead, ACTIVE, RESUMED),
	/* The owner has released to us, so there is nobody to wait for. */
	ROW(BACKUP, TAKE,          NULL,               take, succeed, ACTIVE, HANDOVER),
	/* Having stood still, this node has not listened: silence proves nothing until it has for a whole interval. */
	ROW(BACKUP, STALL,         NULL,               nothing, listen_again, BACKUP, NONE),
	ROW(BACKUP, STARTUP,       NULL,               nothing, NULL, BACKUP, NONE),
	ROW(BACKUP, CLEAR,         NULL,               nothing, NULL, BACKUP, NONE),
	ROW(BACKUP, YIELD,         NULL,               nothing, NULL, BACKUP, NONE),

	/* 6.4.3: If a Shutdown event is received: cancel the Adver_Timer, send an ADVERTISEMENT with Priority = 0,
	 * transition to the Initialize state. */
	ROW(ACTIVE, SHUTDOWN,      NULL,               resign, lead_no_more, INIT, SHUTDOWN),
	/* 6.4.3: If the Adver_Timer fires: send an ADVERTISEMENT, reset the Adver_Timer to Advertisement_Interval. */
	ROW(ACTIVE, TIMER,         advert_due,         advertise, advance_adver_timer, ACTIVE, NONE),
	ROW(ACTIVE, TIMER,         NULL,               nothing, NULL, ACTIVE, NONE),
	/* Received before this node took over: the last words of the former Active, read after its release. */
	ROW(ACTIVE, ADVERT,        stale,              nothing, NULL, ACTIVE, NONE),
	/* It would depose a successor of lower priority. */
	ROW(ACTIVE, ADVERT,        parting,            nothing, NULL, ACTIVE, NONE),
	/* 6.4.3: If the Priority in the ADVERTISEMENT is 0: send an ADVERTISEMENT, reset the Adver_Timer to
	 * Advertisement_Interval. */
	ROW(ACTIVE, ADVERT,        resigning,          advertise, reset_adver_timer, ACTIVE, NONE),
	/* 6.4.3: If the Priority in the ADVERTISEMENT is greater than the local Priority, or if the Priority in the
	 * ADVERTISEMENT is equal to the local Priority and the primary IPvX address of the sender is greater than the
	 * local primary IPvX address: cancel the Adver_Timer, set Active_Adver_Interval to Max Advertise Interval
	 * contained in the ADVERTISEMENT, ... set the Active_Down_Timer to Active_Down_Interval, transition to the
	 * Backup state. One last advert tells the winner to announce itself again. */
	ROW(ACTIVE, ADVERT,        higher_priority,    give_way, follow, BACKUP, HIGHER_PRIORITY),
	ROW(ACTIVE, ADVERT,        higher_address,     give_way, follow, BACKUP, HIGHER_ADDRESS),
	/* 6.4.3: else: discard the ADVERTISEMENT; send an ADVERTISEMENT immediately to assert the Active state to the
	 * sending VRRP Router and to update any learning bridges with the correct Active VRRP Router path. */
	ROW(ACTIVE, ADVERT,        NULL,               assert_active, NULL, ACTIVE, NONE),
	/* This node cannot serve any more: leave as at a shutdown, so that a peer follows after its Skew_Time. */
	ROW(ACTIVE, FAULT,         for_standby,        resign, lead_no_more, FAULT, STANDBY),
	ROW(ACTIVE, FAULT,         for_lost_vip,       resign, lead_no_more, FAULT, VIP_LOST),
	ROW(ACTIVE, FAULT,         NULL,               resign, lead_no_more, FAULT, CANNOT_SERVE),
	/* Planned: the peer takes at once. Priority 0 would start the Skew_Time of all others, which may be shorter than
	 * the way to that peer and back; one last advert bids them wait for a whole Active_Down_Interval, as this node
	 * does, should the peer not take. */
	ROW(ACTIVE, YIELD,         among_others,       give_way, listen_again, BACKUP, HANDOVER),
	ROW(ACTIVE, YIELD,         NULL,               resign, listen_again, BACKUP, HANDOVER),
	/* The lease is over and a peer may have taken: whatever is sent now could only harm it. */
	ROW(ACTIVE, STALL,         NULL,               leave_silently, listen_again, BACKUP, STALL),
	ROW(ACTIVE, STARTUP,       NULL,               nothing, NULL, ACTIVE, NONE),
	ROW(ACTIVE, CLEAR,         NULL,               nothing, NULL, ACTIVE, NONE),
	ROW(ACTIVE, TAKE,          NULL,               nothing, NULL, ACTIVE, NONE),

	ROW(FAULT, SHUTDOWN,       NULL,               changed, NULL, INIT, SHUTDOWN),
	/* It can serve again and listens like a node that has just started. */
	ROW(FAULT, CLEAR,          NULL,               changed, start_listening, BACKUP, CAN_SERVE),
	/* Who is Active is kept for people to see. */
	ROW(FAULT, ADVERT,         resigning,          nothing, note_resign, FAULT, NONE),
	ROW(FAULT, ADVERT,         NULL,               nothing, note_active, FAULT, NONE),
	ROW(FAULT, STARTUP,        NULL,               nothing, NULL, FAULT, NONE),
	ROW(FAULT, TIMER,          NULL,               nothing, NULL, FAULT, NONE),
	ROW(FAULT, FAULT,          NULL,               nothing, NULL, FAULT, NONE),
	ROW(FAULT, YIELD,          NULL,               nothing, NULL, FAULT, NONE),
	ROW(FAULT, TAKE,           NULL,               nothing, NULL, FAULT, NONE),
	ROW(FAULT, STALL,          NULL,               nothing, NULL, FAULT, NONE),
};
/* clang-format on */

static const struct transition *find(const struct vrrp_fsm *fsm, const struct vrrp_event *event)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct transition *row = &table[i];
		if (row->state != fsm->state || row->event != event->kind)
			continue;
		if (!row->guard || row->guard(fsm, event))
			return row;
	}
	return NULL; /* only for an event kind that does not exist */
}

/* The only place where the state is written. Timers belong to a state, so both are off until an effect arms one. */
static void enter(struct vrrp_fsm *fsm, const struct transition *row, lb_time now)
{
	fsm->previous = fsm->state;
	fsm->state = row->next;
	fsm->reason = row->reason;
	fsm->since = now;
	fsm->adver_timer = LB_TIME_NEVER;
	fsm->active_down_timer = LB_TIME_NEVER;
}

void vrrp_fsm_step(struct vrrp_fsm *fsm, const struct vrrp_event *event, struct vrrp_actions *actions)
{
	const struct transition *row = find(fsm, event);

	*actions = row ? *row->actions : nothing;
	if (!row)
		return;
	if (row->next != row->state)
		enter(fsm, row, event->now);
	if (row->effect)
		row->effect(fsm, event);
}

void vrrp_fsm_init(struct vrrp_fsm *fsm, const struct vrrp_params *params)
{
	*fsm = (struct vrrp_fsm){
	    .params = *params,
	    .active_adver_interval = params->interval,
	    .adver_timer = LB_TIME_NEVER,
	    .active_down_timer = LB_TIME_NEVER,
	};
}

void vrrp_fsm_set_params(struct vrrp_fsm *fsm, const struct vrrp_params *params, lb_time now)
{
	bool learned = fsm->params.version != 2 && params->version != 2 && fsm->active.family != 0;

	fsm->params = *params;
	if (!learned || fsm->state == VRRP_ACTIVE)
		fsm->active_adver_interval = params->interval;

	if (fsm->state == VRRP_ACTIVE) {
		fsm->active = params->address;
		fsm->active_priority = params->priority;
		fsm->adver_timer = lb_time_min(fsm->adver_timer, now + params->interval);
	}
	if (fsm->state == VRRP_BACKUP) {
		lb_time at = lb_time_max(now + down_interval(fsm), earliest_take(fsm));
		fsm->active_down_timer = lb_time_min(fsm->active_down_timer, at);
	}
}

lb_time vrrp_fsm_deadline(const struct vrrp_fsm *fsm)
{
	return lb_time_min(fsm->adver_timer, fsm->active_down_timer);
}
