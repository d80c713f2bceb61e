/* The formulas and the words of <lb/vrrp_fsm.h>. */
#include <lb/vrrp_fsm.h>

static const char *const state_names[] = {
    [VRRP_INIT] = "init",
    [VRRP_BACKUP] = "backup",
    [VRRP_ACTIVE] = "active",
    [VRRP_FAULT] = "fault",
};

static const char *const reason_names[VRRP_REASON_COUNT_] = {
    [VRRP_REASON_NONE] = "none",
    [VRRP_REASON_STARTUP] = "startup",
    [VRRP_REASON_SHUTDOWN] = "shutdown",
    [VRRP_REASON_ACTIVE_DOWN_TIMER] = "active-down-timer",
    [VRRP_REASON_PEER_RESIGNED] = "peer-resigned",
    [VRRP_REASON_HIGHER_PRIORITY] = "higher-priority",
    [VRRP_REASON_HIGHER_ADDRESS] = "higher-address",
    [VRRP_REASON_CANNOT_SERVE] = "cannot-serve",
    [VRRP_REASON_CAN_SERVE] = "can-serve",
    [VRRP_REASON_HANDOVER] = "handover",
    [VRRP_REASON_PREEMPT] = "preempt",
    [VRRP_REASON_STALL] = "stall",
    [VRRP_REASON_STANDBY] = "standby",
    [VRRP_REASON_VIP_LOST] = "vip-lost",
    [VRRP_REASON_RESUMED] = "resumed",
};

const char *vrrp_state_name(enum vrrp_state state)
{
	return (unsigned)state <= VRRP_FAULT ? state_names[state] : "unknown";
}

const char *vrrp_reason_name(enum vrrp_reason reason)
{
	return (unsigned)reason < VRRP_REASON_COUNT_ ? reason_names[reason] : "unknown";
}

lb_duration vrrp_skew_time(uint8_t version, uint8_t priority, lb_duration active_interval)
{
	/* RFC 3768 section 6.1: Skew_Time = (256 - Priority) / 256 seconds, whatever the interval is. */
	lb_duration unit = version == 2 ? LB_SEC(1) : active_interval;

	/* RFC 9568 section 6.1: Skew_Time = ((256 - Priority) * Active_Adver_Interval) / 256. */
	return (256 - priority) * unit / 256;
}

lb_duration vrrp_active_down_interval(uint8_t version, uint8_t priority, lb_duration active_interval)
{
	/* RFC 9568 section 6.1: Active_Down_Interval = 3 * Active_Adver_Interval + Skew_Time. */
	return 3 * active_interval + vrrp_skew_time(version, priority, active_interval);
}

lb_duration vrrp_lease(lb_duration interval)
{
	lb_duration tenth = interval / 10;

	return 3 * interval - (tenth > LB_MSEC(10) ? tenth : LB_MSEC(10));
}
