/*
 * `lbd --resign` as systemd's ExecStopPost: after a crash that systemd mends by another start, the VIP waits for the
 * next process; after every other end it goes.
 */
#ifndef KEEPER_AFTERLIFE_H
#define KEEPER_AFTERLIFE_H

#include <stdbool.h>

/*
 * Is everything left as it is, because another process goes on with it at once? False when run by hand. Asks systemd,
 * for a few tens of milliseconds at most.
 */
bool afterlife_expected(void);

/*
 * Where nobody goes on with it: end the proxy that a keeper left in the service, and see it gone, so that its clients
 * hear of it while the VIP is still here. It would end by itself a moment later, unless it hangs. Does nothing when run
 * by hand.
 */
void afterlife_end_proxy(void);

/*
 * Before the end of --resign: where each start fails at once, the next one is made to wait. Does nothing otherwise, and
 * not when lbd was stopped.
 */
void afterlife_pace(void);

#endif
