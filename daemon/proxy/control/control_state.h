/*
 * What the control thread owns; shared by control.c (life, timers, workers, servers) and control_keeper.c (what the
 * keeper says).
 */
#ifndef CONTROL_CONTROL_STATE_H
#define CONTROL_CONTROL_STATE_H

#include "daemon/proxy/control/api.h"
#include "daemon/proxy/control/channel.h"
#include "daemon/proxy/control/collect.h"
#include "daemon/proxy/control/control.h"
#include "daemon/proxy/control/keeper_link.h"
#include "daemon/proxy/control/listen_set.h"
#include "daemon/proxy/control/move.h"
#include "daemon/proxy/control/order_book.h"
#include "daemon/proxy/control/peer_door.h"
#include "daemon/proxy/control/publish.h"
#include "daemon/proxy/control/succession.h"
#include "daemon/proxy/control/transition.h"
#include "daemon/proxy/control/wake.h"

struct control {
	struct ev_loop *loop;
	struct crew *crew;
	struct mailbox *mailbox;
	struct channel *channel;
	struct keeper_link link;
	uint32_t keepers; /* how many came after the first one */
	struct roster roster;
	struct listen_set listeners;
	struct publisher *publisher;
	struct checker *checker;
	struct recorder *recorder;
	struct order_book *orders;
	struct transition transition;
	struct collect_source picture;
	struct move *move;
	struct wake *wake;
	struct peer_door *door;
	struct move_keys *keys;	     /* of the door and of wake; NULL: there are none */
	struct ipc_move_setup setup; /* they were made from */
	struct succession *succession;
	struct api *api;
	struct ipc_page *page;
	int admin_fd, metrics_fd; /* the API's once it is there; metrics -1: none */
	uint32_t own_node;
	uint32_t admin_gid;
	char conf_path[IPC_PATH_MAX];
	struct conf_set *set; /* in force */
	ev_timer tick, health, health_soon, farewell;
	lb_time ticked_at;
};

/* What is done when servers come and go. */
struct roster_hooks control_roster_hooks(struct control *c);
/* Tell the keeper now how many servers are ready. */
void control_tell_health(struct control *c);

/* Be ready to succeed another proxy, and to be succeeded. */
void control_init_succession(struct control *c);

/* What is done when the keeper speaks, and when another one comes. */
struct channel_hooks control_keeper_hooks(struct control *c);
struct keeper_link control_keeper_link(struct control *c);

#endif
