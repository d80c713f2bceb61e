/*
 * What administrators ordered of servers, kept in a file so that it outlives the proxy. The roster is the truth; the
 * book only writes it down and, at the start, knows what the former proxy wrote. Control thread only.
 */
#ifndef CONTROL_ORDER_BOOK_H
#define CONTROL_ORDER_BOOK_H

#include <lb/state_file.h>

#include "daemon/proxy/control/roster.h"

struct order_book;

/* roster is borrowed. Nothing is kept before order_book_keep. */
struct order_book *order_book_new(const struct roster *roster);
/* Read the file and write to it from now on (fd is taken). One that cannot be used is told and begun anew. */
void order_book_keep(struct order_book *b, int fd);

/* A server that is new here: what the former proxy knew of it holds again, unless the file says otherwise now. */
void order_book_apply(const struct order_book *b, struct server *server);
/* All servers of a configuration are there: forget what the former proxy knew, write what holds. */
void order_book_settle(struct order_book *b);
/* An order was given. Fails soft: once a failure is told, then the first success again. */
void order_book_write(struct order_book *b);

/* Is the server other than the configuration has it? */
bool order_book_order(const struct server *server, struct lb_order *out);

void order_book_free(struct order_book *b);

#endif
