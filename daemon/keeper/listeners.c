#include "daemon/keeper/listeners.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/sys/listen_sock.h"

uint32_t listeners_workers(const struct lb_conf *conf)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t n = conf->workers ? conf->workers : (uint32_t)(online > 0 ? online : 1);

	return n > IPC_WORKERS_MAX ? IPC_WORKERS_MAX : n;
}

void listeners_init(struct listeners *l, uint32_t workers, struct resume *resume)
{
	*l = (struct listeners){.workers = workers, .resume = resume};
}

/* The socket of one endpoint and worker; the service it belongs to may change without rebinding. */
static struct listener *find(struct listeners *l, const struct lb_endpoint *endpoint, uint32_t worker)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->list[i].what.worker == worker && lb_endpoint_equal(&l->list[i].what.endpoint, endpoint))
			return &l->list[i];
	return NULL;
}

static struct listener *append(struct listeners *l)
{
	if (l->count == l->capacity) {
		size_t capacity = l->capacity ? l->capacity * 2 : 16;
		struct listener *list = realloc(l->list, capacity * sizeof(*list));

		if (!list)
			return NULL;
		l->list = list;
		l->capacity = capacity;
	}
	memset(&l->list[l->count], 0, sizeof(*l->list));
	return &l->list[l->count++];
}

static const char *kept_name(const struct lb_endpoint *endpoint, char name[RESUME_NAME_MAX])
{
	return resume_name("listen", endpoint, name);
}

/* A socket of the former process, with the connections that wait in it, or a new one. */
static int open_socket(struct listeners *l, const struct lb_endpoint *endpoint, bool *kept, struct lb_err *err)
{
	char name[RESUME_NAME_MAX];
	int fd = resume_take(l->resume, kept_name(endpoint, name));

	*kept = fd >= 0;
	return fd >= 0 ? fd : listen_sock_tcp(endpoint, err);
}

static bool want(struct listeners *l, const struct lb_conf *conf, const struct lb_conf_service *service,
		 const struct lb_endpoint *endpoint, uint32_t worker, struct lb_err *err)
{
	struct listener *item = find(l, endpoint, worker);

	if (!item) {
		struct lb_err why;
		bool kept;
		int fd = open_socket(l, endpoint, &kept, &why);

		if (fd < 0)
			return lb_err_set(err, "service %s: %s", service->name, why.text);
		item = append(l);
		if (!item) {
			close(fd);
			return lb_err_set(err, "out of memory");
		}
		item->fd = fd;
		item->fresh = true;
		item->kept = kept;
		item->what.endpoint = *endpoint;
		item->what.worker = worker;
	}
	item->wanted = true;
	item->what.on_vip = lb_conf_has_vip(conf, &endpoint->addr);
	memcpy(item->what.service, service->name, sizeof(item->what.service));
	return true;
}

bool listeners_prepare(struct listeners *l, const struct lb_conf *conf, struct lb_err *err)
{
	static struct lb_endpoint endpoints[LB_LISTEN_MAX * LB_VIPS_MAX];

	for (size_t i = 0; i < l->count; i++)
		l->list[i].wanted = l->list[i].fresh = false;
	for (size_t s = 0; s < conf->service_count; s++) {
		const struct lb_conf_service *service = &conf->services[s];
		size_t n = lb_conf_service_endpoints(conf, service, endpoints, LB_LISTEN_MAX * LB_VIPS_MAX);

		for (size_t e = 0; e < n; e++)
			for (uint32_t w = 0; w < l->workers; w++)
				if (!want(l, conf, service, &endpoints[e], w, err)) {
					listeners_rollback(l);
					return false;
				}
	}
	return true;
}

/* Close and forget every entry for which keep is false. */
static void sweep(struct listeners *l, bool (*keep)(const struct listener *))
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (keep(&l->list[i]))
			l->list[kept++] = l->list[i];
		else
			close(l->list[i].fd);
	}
	l->count = kept;
}

static bool is_wanted(const struct listener *item)
{
	return item->wanted;
}

static bool is_old(const struct listener *item)
{
	return !item->fresh;
}

static bool is_nothing(const struct listener *item)
{
	(void)item;
	return false;
}

/* All of an endpoint share a name, so they are forgotten together. */
static void forget_unwanted(struct listeners *l)
{
	char name[RESUME_NAME_MAX];

	for (size_t i = 0; i < l->count; i++)
		if (!l->list[i].wanted && l->list[i].what.worker == 0)
			resume_drop(l->resume, kept_name(&l->list[i].what.endpoint, name));
}

static void keep_new(struct listeners *l)
{
	char name[RESUME_NAME_MAX];

	/* Where there were more workers, what is left goes, and with it the name of the others. */
	for (size_t i = 0; i < l->count; i++)
		if (resume_discard(l->resume, kept_name(&l->list[i].what.endpoint, name)))
			for (size_t k = 0; k < l->count; k++)
				l->list[k].kept &=
				    !lb_endpoint_equal(&l->list[k].what.endpoint, &l->list[i].what.endpoint);
	for (size_t i = 0; i < l->count; i++)
		if (!l->list[i].kept)
			l->list[i].kept =
			    resume_put(l->resume, kept_name(&l->list[i].what.endpoint, name), l->list[i].fd);
}

void listeners_commit(struct listeners *l)
{
	forget_unwanted(l);
	sweep(l, is_wanted);
	for (size_t i = 0; i < l->count; i++)
		l->list[i].fresh = false;
	keep_new(l);
}

void listeners_rollback(struct listeners *l)
{
	sweep(l, is_old);
	for (size_t i = 0; i < l->count; i++)
		l->list[i].wanted = true;
}

bool listeners_send(const struct listeners *l, struct ipc *ipc, uint32_t generation)
{
	for (size_t i = 0; i < l->count; i++) {
		struct ipc_listener what = l->list[i].what;

		if (!l->list[i].wanted)
			continue;
		what.generation = generation;
		if (!ipc_send(ipc, IPC_LISTENER, &what, sizeof(what), &l->list[i].fd, 1))
			return false;
	}
	return true;
}

void listeners_close(struct listeners *l)
{
	sweep(l, is_nothing);
	free(l->list);
	*l = (struct listeners){0};
}
