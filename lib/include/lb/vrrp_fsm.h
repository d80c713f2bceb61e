/*
 * The VRRP state machine of RFC 9568 section 6.4 as a pure function: an event with its time goes in, ordered actions
 * come out. It never sends, arms a timer or asks the time. Preempt_Mode is false by default; Fault is our name for
 * "this node cannot serve": silent, no address, until it can serve again.
 *
 * Initialize hears nothing but STARTUP, so a node that cannot serve at start is fed STARTUP first and FAULT after it.
 * An advert that the kernel received before the present state was entered is ignored: it says nothing about now. So is,
 * in Backup, priority 0 from another node than the Active that is known: the RFC would arm Skew_Time and depose it.
 *
 * RFC 9568 knows of an Active by its adverts alone. Where nodes tell one another their role by a second way, that word
 * counts as an advert does: an Active whose adverts are lost is not dead, and of two the lower yields to whichever of
 * advert and word comes first. Silence of both ways for Active_Down_Interval is its death as ever.
 */
#ifndef LB_VRRP_FSM_H
#define LB_VRRP_FSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lb/addr.h>
#include <lb/time.h>

enum vrrp_state { VRRP_INIT, VRRP_BACKUP, VRRP_ACTIVE, VRRP_FAULT };

/* Why a state was entered or kept; reaches log, counters, `lbctl why`. */
enum vrrp_reason {
	VRRP_REASON_NONE,
	VRRP_REASON_STARTUP,
	VRRP_REASON_SHUTDOWN,
	VRRP_REASON_ACTIVE_DOWN_TIMER, /* nobody was heard for Active_Down_Interval */
	VRRP_REASON_PEER_RESIGNED,     /* priority 0 heard, then skew passed */
	VRRP_REASON_HIGHER_PRIORITY,   /* a better advert arrived while Active */
	VRRP_REASON_HIGHER_ADDRESS,    /* same priority, numerically greater address */
	VRRP_REASON_CANNOT_SERVE,
	VRRP_REASON_CAN_SERVE,
	VRRP_REASON_HANDOVER, /* planned: released to, or taken from, a peer */
	VRRP_REASON_PREEMPT,  /* failback: took over from a lower priority */
	VRRP_REASON_STALL,    /* this process stood still too long to still be the owner */
	VRRP_REASON_STANDBY,
	VRRP_REASON_VIP_LOST, /* the address keeps being removed by somebody else */
	VRRP_REASON_RESUMED,  /* the former process on this node owned the VIP until just now */
	VRRP_REASON_COUNT_,
};

const char *vrrp_state_name(enum vrrp_state state);    /* "init", "backup", "active", "fault" */
const char *vrrp_reason_name(enum vrrp_reason reason); /* kebab-case */

enum vrrp_event_kind {
	VRRP_EVENT_STARTUP,
	VRRP_EVENT_SHUTDOWN,
	VRRP_EVENT_TIMER,  /* the deadline has passed; early calls do nothing */
	VRRP_EVENT_ADVERT, /* an accepted advert, or the word of a peer that it is Active */
	VRRP_EVENT_FAULT,  /* this node cannot serve; reason says why (cannot-serve, standby, vip-lost) */
	VRRP_EVENT_CLEAR,  /* it can serve again */
	VRRP_EVENT_YIELD,  /* planned: release now, a peer is ready to take; stay Backup. Ignored unless Active */
	/*
	 * Planned: the owner (source) released to us; become Active at once. Ignored unless Backup, and when another
	 * node than source was heard as Active last: feed what has arrived before it. With the own address as source it
	 * is the former process on this node whose place is taken.
	 */
	VRRP_EVENT_TAKE,
	VRRP_EVENT_STALL, /* the loop stood still for longer than an owner may (judged by the adapter) */
	VRRP_EVENT_COUNT_,
};

struct vrrp_event {
	enum vrrp_event_kind kind;
	lb_time now;
	enum vrrp_reason reason; /* FAULT */
	bool others;		 /* YIELD: nodes besides the successor may listen */
	/*
	 * ADVERT: not an advert but the authenticated word of a node that owns the VIP, come by another way than
	 * adverts do. It counts as one whose priority is not 0 and whose interval is the one known already (interval is
	 * ignored).
	 */
	bool by_word;
	/* ADVERT, of which TAKE has the source only; received_at is the kernel's receive time on the same clock as now,
	 * <= now. */
	uint8_t priority;
	lb_duration interval;
	struct lb_addr source;
	lb_time received_at;
};

enum vrrp_action {
	VRRP_SEND_ADVERT,   /* with own priority and interval */
	VRRP_SEND_RESIGN,   /* priority 0 */
	VRRP_TAKE_VIP,	    /* address, then lease */
	VRRP_END_SESSIONS,  /* reset client sessions; the VIP is still here, so that the resets can leave */
	VRRP_RELEASE_VIP,   /* delete the address, then end the lease */
	VRRP_ANNOUNCE,	    /* gratuitous ARP / unsolicited NA burst */
	VRRP_REANNOUNCE,    /* one announcement, rate-limited by the adapter: a losing advert was heard */
	VRRP_STATE_CHANGED, /* log, count, publish; fsm->state, ->reason, ->since hold the new values */
};

/*
 * Taking is SEND_ADVERT, TAKE_VIP, ANNOUNCE. Leaving is END_SESSIONS, SEND_RESIGN, RELEASE_VIP; when a better advert
 * was heard, END_SESSIONS, RELEASE_VIP, SEND_ADVERT (the last, losing one, so that the winner announces again); the
 * same when handing over among others, whom the last advert keeps waiting; after a stall nothing is sent. STATE_CHANGED
 * comes last, exactly when the state differs from before the step.
 */
#define VRRP_ACTIONS_MAX 6
struct vrrp_actions {
	enum vrrp_action list[VRRP_ACTIONS_MAX];
	size_t count;
};

struct vrrp_params {
	uint8_t version;  /* 2 or 3: how skew is computed */
	uint8_t priority; /* 1..254 (255 = address owner) */
	lb_duration interval;
	struct lb_addr address;	   /* own primary address, for the tie-break */
	bool preempt;		   /* Preempt_Mode */
	lb_duration startup_delay; /* listened in Backup at least this long after STARTUP or CLEAR, on top of the RFC */
};

/* Plain data: a test may write it as a literal; only vrrp_fsm_* write it at run time. */
struct vrrp_fsm {
	struct vrrp_params params;
	enum vrrp_state state, previous;
	enum vrrp_reason reason;
	lb_time since;			   /* when the state was entered */
	lb_duration active_adver_interval; /* learned from the Active (v3) */
	lb_time adver_timer;		   /* Active: next advert; else LB_TIME_NEVER */
	lb_time active_down_timer;	   /* Backup: when the Active is declared dead; else LB_TIME_NEVER */
	struct lb_addr active;		   /* last Active heard (self while Active); family 0 unknown */
	uint8_t active_priority;
	struct lb_addr predecessor; /* Active by HANDOVER: who released to us */
	lb_time last_advert;	    /* receive time of the last accepted advert; 0 none */
	lb_time last_heard;	    /* the same, or of the last word of an Active */
	lb_time listening_since;    /* Backup: when listening began anew; what was received before proves nothing */
	lb_time listen_until;	    /* Backup: active_down_timer fires Skew_Time after this at the earliest */
	bool active_resigned;	    /* Backup: active_down_timer was armed by a priority 0 advert ... */
	struct lb_addr resigned;    /* ... of this node */
	bool postponed;		    /* Backup: active_down_timer was noticed late and moved on */
};

void vrrp_fsm_init(struct vrrp_fsm *fsm, const struct vrrp_params *params);
/* Change interval, priority or preempt at run time (reload); running timers are kept, rearmed where they would shrink.
 */
void vrrp_fsm_set_params(struct vrrp_fsm *fsm, const struct vrrp_params *params, lb_time now);
/* Feed one event; *actions is overwritten and must be executed in order before the next step. */
void vrrp_fsm_step(struct vrrp_fsm *fsm, const struct vrrp_event *event, struct vrrp_actions *actions);
/* When a TIMER event is due; LB_TIME_NEVER if none. */
lb_time vrrp_fsm_deadline(const struct vrrp_fsm *fsm);

/* Skew_Time and Active_Down_Interval of section 6.1 (v3) and of RFC 3768 (v2). */
lb_duration vrrp_skew_time(uint8_t version, uint8_t priority, lb_duration active_interval);
lb_duration vrrp_active_down_interval(uint8_t version, uint8_t priority, lb_duration active_interval);

/* How long a lease given with one advert may last: 3A - max(10 ms, A/10) (faults.md R2). */
lb_duration vrrp_lease(lb_duration interval);

#endif
