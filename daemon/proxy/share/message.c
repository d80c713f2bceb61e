#include "daemon/proxy/share/message.h"

#include <stdlib.h>

#include "daemon/proxy/share/reserve.h"

struct message *message_new(enum message_kind kind)
{
	struct message *m = calloc(1, sizeof(*m));

	if (m == NULL && reserve_spend_own())
		m = calloc(1, sizeof(*m));
	if (m == NULL)
		abort();
	m->kind = kind;
	return m;
}

void message_free(struct message *m)
{
	free(m->news);
	free(m);
}
