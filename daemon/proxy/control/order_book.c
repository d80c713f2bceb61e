#include "daemon/proxy/control/order_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/proxy/control/must.h"

struct order_book {
	const struct roster *roster;
	int fd; /* -1: nothing is kept */
	uint64_t generation;
	struct lb_order *known; /* by the former proxy; NULL once settled */
	size_t known_count;
	bool failing;
};

/* ---- what the former proxy knew ---- */

/* Of two whole slots the newer one holds. */
static void read_slot(struct order_book *b, unsigned slot)
{
	uint8_t *bytes = must(malloc(STATE_ORDERS_SLOT));
	ssize_t n = pread(b->fd, bytes, STATE_ORDERS_SLOT, (off_t)slot * STATE_ORDERS_SLOT);
	struct lb_order *orders;
	uint64_t generation;
	struct lb_err err;
	size_t count;

	if (n < 0) {
		lb_warning("orders of administrators cannot be read: %s", strerror(errno));
	} else if (state_orders_decode(bytes, (size_t)n, &generation, &orders, &count, &err)) {
		if (generation >= b->generation) {
			free(b->known);
			b->known = orders;
			b->known_count = count;
			b->generation = generation;
		} else {
			free(orders);
		}
	} else if (err.text[0] != '\0') {
		lb_warning("orders of administrators: part %u of the file is ignored, %s", slot, err.text);
	}
	free(bytes);
}

void order_book_keep(struct order_book *b, int fd)
{
	b->fd = fd;
	read_slot(b, 0);
	read_slot(b, 1);
}

void order_book_apply(const struct order_book *b, struct server *server)
{
	for (size_t i = 0; i < b->known_count; i++) {
		const struct lb_order *o = &b->known[i];
		char subject[SERVER_SUBJECT];

		if (strcmp(o->service, server->block->service) != 0 || strcmp(o->server, server->block->name) != 0)
			continue;
		server->admin = o->admin;
		if (o->has_weight && o->weight_over == server->conf->weight)
			server->weight = o->weight;
		if (o->has_limit && o->limit_over == server->conf->max_connections)
			server->limit = o->limit;
		lb_notice("order kept server=%s admin=%s weight=%u limit=%u", server_subject(server, subject),
			  lb_admin_name(server->admin), (unsigned)server->weight, (unsigned)server->limit);
	}
}

void order_book_settle(struct order_book *b)
{
	free(b->known);
	b->known = NULL;
	b->known_count = 0;
	order_book_write(b);
}

/* ---- what holds now ---- */

bool order_book_order(const struct server *server, struct lb_order *out)
{
	*out = (struct lb_order){.admin = server->admin,
				 .has_weight = server->weight != server->conf->weight,
				 .has_limit = server->limit != server->conf->max_connections,
				 .weight = server->weight,
				 .weight_over = server->conf->weight,
				 .limit = server->limit,
				 .limit_over = server->conf->max_connections};
	memcpy(out->service, server->block->service, sizeof(out->service));
	memcpy(out->server, server->block->name, sizeof(out->server));
	return out->admin != LB_ADMIN_READY || out->has_weight || out->has_limit;
}

static struct lb_order *gather(const struct roster *r, size_t *count)
{
	struct lb_order *list, one;
	size_t n = 0;

	for (size_t s = 0; s < r->service_count; s++)
		for (size_t i = 0; i < r->services[s]->server_count; i++)
			n += order_book_order(r->services[s]->servers[i], &one);
	list = must(calloc(n + 1, sizeof(*list)));
	*count = 0;
	for (size_t s = 0; s < r->service_count; s++)
		for (size_t i = 0; i < r->services[s]->server_count; i++)
			if (order_book_order(r->services[s]->servers[i], &one))
				list[(*count)++] = one;
	return list;
}

static void tell(struct order_book *b, const char *why)
{
	if (why && !b->failing)
		lb_warning("orders of administrators are not kept: %s; they end with the proxy", why);
	else if (!why && b->failing)
		lb_notice("orders of administrators are kept again");
	b->failing = why != NULL;
}

void order_book_write(struct order_book *b)
{
	struct lb_text text = {0};
	struct lb_order *list;
	size_t count;
	ssize_t n;

	if (b->fd < 0)
		return;
	list = gather(b->roster, &count);
	if (!state_orders_encode(list, count, b->generation + 1, &text)) {
		tell(b, "there are too many");
	} else {
		/* The other slot keeps the former orders until this one is whole. */
		n = pwrite(b->fd, text.data, text.len, (off_t)((b->generation + 1) % 2) * STATE_ORDERS_SLOT);
		b->generation += n == (ssize_t)text.len;
		tell(b, n == (ssize_t)text.len ? NULL : strerror(n < 0 ? errno : ENOSPC));
	}
	lb_text_free(&text);
	free(list);
}

/* ---- life ---- */

struct order_book *order_book_new(const struct roster *roster)
{
	struct order_book *b = must(calloc(1, sizeof(*b)));

	b->roster = roster;
	b->fd = -1;
	return b;
}

void order_book_free(struct order_book *b)
{
	if (!b)
		return;
	if (b->fd >= 0)
		close(b->fd);
	free(b->known);
	free(b);
}
