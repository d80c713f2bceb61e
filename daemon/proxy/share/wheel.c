#include "daemon/proxy/share/wheel.h"

void wheel_init(struct wheel *wheel, lb_duration tick, lb_time now)
{
	wheel->tick = tick;
	wheel->entries = 0;
	wheel->walking = false;
	wheel->started = now;
	wheel->at = 0;
	for (int i = 0; i < WHEEL_SLOTS; i++)
		lb_list_init(&wheel->slot[i]);
}

void wheel_entry_init(struct wheel_entry *e)
{
	lb_list_init(&e->node);
	e->due = INT64_MAX;
}

void wheel_remove(struct wheel *wheel, struct wheel_entry *e)
{
	if (e->due == INT64_MAX)
		return;
	wheel->entries--;
	lb_list_del(&e->node);
	e->due = INT64_MAX;
}

void wheel_need(struct wheel *wheel, struct wheel_entry *e, lb_time deadline)
{
	int64_t due, last = wheel->at + WHEEL_SLOTS - 1;

	if (deadline == LB_TIME_NEVER)
		return;
	due = (deadline - wheel->started) / wheel->tick + 1;
	if (due <= wheel->at)
		due = wheel->at + 1;
	else if (due > last)
		due = last;
	if (due >= e->due)
		return;
	wheel_remove(wheel, e);
	e->due = due;
	wheel->entries++;
	lb_list_add_tail(&wheel->slot[due % WHEEL_SLOTS], &e->node);
}

lb_time wheel_next(const struct wheel *wheel)
{
	for (int64_t i = 1; wheel->entries > 0 && i <= WHEEL_SLOTS; i++)
		if (!lb_list_empty(&wheel->slot[(wheel->at + i) % WHEEL_SLOTS]))
			return wheel->started + (wheel->at + i) * wheel->tick;
	return LB_TIME_NEVER;
}

void wheel_advance(struct wheel *wheel, lb_time now, wheel_on_due *on_due, void *ctx)
{
	int64_t until = (now - wheel->started) / wheel->tick;

	if (wheel->walking)
		return;
	wheel->walking = true;
	if (wheel->entries == 0 && wheel->at < until)
		wheel->at = until;
	while (wheel->at < until) {
		struct lb_list *slot = &wheel->slot[++wheel->at % WHEEL_SLOTS];

		/* What is added from here on goes to a later slot, so this one runs empty. */
		while (!lb_list_empty(slot)) {
			struct wheel_entry *e = lb_container_of(slot->next, struct wheel_entry, node);

			wheel_remove(wheel, e);
			on_due(ctx, e);
		}
	}
	wheel->walking = false;
}
