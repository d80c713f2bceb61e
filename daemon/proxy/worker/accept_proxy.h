/*
 * The PROXY header with which a trusted client begins: who it speaks for. It is peeked at until it is whole, then
 * exactly its bytes are taken from the socket.
 */
#ifndef WORKER_ACCEPT_PROXY_H
#define WORKER_ACCEPT_PROXY_H

struct session;

/* Begin to wait; ends in session_admitted or session_end, possibly before it returns. */
void accept_proxy_start(struct session *s);
/* The client has sent more, or has gone. */
void accept_proxy_continue(struct session *s);

#endif
