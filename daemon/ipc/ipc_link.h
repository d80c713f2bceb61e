/*
 * The link: a second SOCK_SEQPACKET pair, over which a keeper that comes after one that is gone gives the running proxy
 * its end of a new channel. The proxy has one end all its life; the other is with whoever may become the keeper: the
 * present one, and the service manager that keeps descriptors. Nobody holds it any more: nobody will come.
 */
#ifndef IPC_IPC_LINK_H
#define IPC_IPC_LINK_H

#include <stdbool.h>

enum ipc_link_news {
	IPC_LINK_NOTHING, /* nothing arrived */
	IPC_LINK_CHANNEL, /* a keeper is here */
	IPC_LINK_FOREIGN, /* one that speaks another version of the channel */
	IPC_LINK_CLOSED,  /* nobody will come */
};

/* Both CLOEXEC and non-blocking; false with errno. */
bool ipc_link_pair(int pair[2]);
/* Keeper: give the proxy at the other end its end of a new channel, which stays the caller's. False: it is gone. */
bool ipc_link_offer(int link, int channel);
/* Proxy: never waits. The channel is the caller's with IPC_LINK_CHANNEL and -1 otherwise. */
enum ipc_link_news ipc_link_receive(int link, int *channel);

#endif
