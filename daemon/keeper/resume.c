#include "daemon/keeper/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lb/log.h>

#include "daemon/sys/fdstore.h"

#define STATE	"state"
#define PROGRAM "program"

struct resume {
	struct fdstore_item *items; /* fd -1: taken */
	size_t count;
	struct fdstore_item *kept; /* copies of our own, the same as with the service manager */
	size_t kept_count, kept_capacity;
	uint8_t *area; /* NULL: nothing can be kept */
	uint64_t generation;
	uint8_t boot_id[RESUME_BOOT_ID_BYTES];
	struct resume_record former;
	bool has_former, found, in_place;
	bool incomplete; /* something is not kept that another process would need */
	int way_back;	 /* the program before this one; -1: none */
};

/* ---- our own copies ---- */

static bool try_copy(struct resume *r, const char *name, int fd)
{
	struct fdstore_item *item;

	if (r->kept_count == r->kept_capacity) {
		size_t capacity = r->kept_capacity ? r->kept_capacity * 2 : 64;
		struct fdstore_item *kept = realloc(r->kept, capacity * sizeof(*kept));

		if (!kept)
			return false;
		r->kept = kept;
		r->kept_capacity = capacity;
	}
	item = &r->kept[r->kept_count];
	snprintf(item->name, sizeof(item->name), "%s", name);
	item->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (item->fd < 0)
		return false;
	r->kept_count++;
	return true;
}

static bool copy(struct resume *r, const char *name, int fd)
{
	bool ok = try_copy(r, name, fd);

	r->incomplete = r->incomplete || !ok;
	return ok;
}

/* name NULL: all. */
static void forget_copies(struct resume *r, const char *name)
{
	size_t left = 0;

	for (size_t i = 0; i < r->kept_count; i++) {
		if (name && strcmp(r->kept[i].name, name) != 0)
			r->kept[left++] = r->kept[i];
		else
			close(r->kept[i].fd);
	}
	r->kept_count = left;
}

/* ---- the record ---- */

static bool is_area(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == RESUME_AREA_BYTES;
}

static uint8_t *map(int fd)
{
	void *area = mmap(NULL, RESUME_AREA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return area == MAP_FAILED ? NULL : area;
}

/* The area of the former process, or a new one that is kept from now on. */
static void open_area(struct resume *r)
{
	int fd = resume_take(r, STATE);

	if (fd >= 0 && is_area(fd)) {
		r->area = map(fd);
	} else {
		if (fd >= 0) {
			close(fd);
			resume_drop(r, STATE);
		}
		fd = memfd_create("lbd-state", MFD_CLOEXEC);
		if (fd >= 0 && ftruncate(fd, RESUME_AREA_BYTES) == 0 && resume_put(r, STATE, fd))
			r->area = map(fd);
	}
	if (fd >= 0)
		close(fd);
	if (r->area)
		r->has_former = resume_record_read(r->area, RESUME_AREA_BYTES, &r->generation, &r->former);
}

/* "1b4e28ba-2fa1-11d2-883f-b9a761bde3fb\n"; of a kernel that does not tell, every boot is the same. */
static void read_boot_id(uint8_t out[RESUME_BOOT_ID_BYTES])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	size_t at = 0;
	unsigned byte;

	if (fd >= 0)
		close(fd);
	memset(out, 0, RESUME_BOOT_ID_BYTES);
	for (const char *p = text; n > 0 && at < RESUME_BOOT_ID_BYTES && *p; p += *p == '-' ? 1 : 2)
		if (*p != '-' && sscanf(p, "%2x", &byte) == 1)
			out[at++] = (uint8_t)byte;
}

struct resume *resume_new(void)
{
	struct resume *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->in_place = fdstore_in_place();
	r->items = fdstore_take(&r->count);
	r->way_back = resume_take(r, PROGRAM);
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].fd >= 0)
			copy(r, r->items[i].name, r->items[i].fd);
	r->found = r->count > 0;
	read_boot_id(r->boot_id);
	open_area(r);
	return r;
}

void resume_free(struct resume *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].fd >= 0)
			close(r->items[i].fd);
	forget_copies(r, NULL);
	resume_stay(r);
	if (r->area)
		munmap(r->area, RESUME_AREA_BYTES);
	free(r->kept);
	free(r->items);
	free(r);
}

const struct resume_record *resume_former(const struct resume *r)
{
	return r->has_former ? &r->former : NULL;
}

bool resume_found(const struct resume *r)
{
	return r->found;
}

const uint8_t *resume_boot_id(const struct resume *r)
{
	return r->boot_id;
}

void resume_keep(struct resume *r, const struct resume_record *record)
{
	if (r->area)
		resume_record_write(r->area, &r->generation, record);
}

/* ---- descriptors ---- */

const char *resume_name(const char *kind, const struct lb_endpoint *endpoint, char out[RESUME_NAME_MAX])
{
	size_t n = (size_t)snprintf(out, RESUME_NAME_MAX, "%.16s-%u-", kind, endpoint->port);

	/* Not as text: systemd allows no colon. */
	for (size_t i = 0; i < lb_addr_size(&endpoint->addr); i++)
		n += (size_t)snprintf(out + n, RESUME_NAME_MAX - n, "%02x", endpoint->addr.bytes[i]);
	return out;
}

static struct fdstore_item *find(const struct resume *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].fd >= 0 && strcmp(r->items[i].name, name) == 0)
			return &r->items[i];
	return NULL;
}

int resume_take(struct resume *r, const char *name)
{
	struct fdstore_item *item = find(r, name);
	int fd = item ? item->fd : -1;

	if (item)
		item->fd = -1;
	return fd;
}

bool resume_put(struct resume *r, const char *name, int fd)
{
	if (!fdstore_offered() || fdstore_put(name, fd))
		return copy(r, name, fd);
	r->incomplete = true;
	return false;
}

void resume_drop(struct resume *r, const char *name)
{
	forget_copies(r, name);
	fdstore_remove(name);
}

bool resume_discard(struct resume *r, const char *name)
{
	bool any = false;
	int fd;

	while ((fd = resume_take(r, name)) >= 0) {
		close(fd);
		any = true;
	}
	if (any)
		resume_drop(r, name);
	return any;
}

void resume_settle(struct resume *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->items[i].fd >= 0)
			resume_discard(r, r->items[i].name);
}

/* ---- the next program of this process ---- */

bool resume_in_place(const struct resume *r)
{
	return r->in_place;
}

/* This program, whatever becomes of its file; without it the next one goes on, too. */
static void offer_way_back(struct resume *r)
{
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	if (fd < 0 || !try_copy(r, PROGRAM, fd))
		lb_warning("the next program will have no way back to this one: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

bool resume_pass_on(struct resume *r, bool way_back)
{
	if (way_back)
		offer_way_back(r);
	if (!r->incomplete && fdstore_pass_on(r->kept, r->kept_count))
		return true;
	forget_copies(r, PROGRAM);
	return false;
}

void resume_keep_back(struct resume *r)
{
	fdstore_keep_back(r->kept, r->kept_count);
	forget_copies(r, PROGRAM);
}

bool resume_way_back(const struct resume *r, char path[static RESUME_WAY_MAX])
{
	snprintf(path, RESUME_WAY_MAX, "/proc/self/fd/%d", r->way_back);
	return r->way_back >= 0;
}

void resume_stay(struct resume *r)
{
	if (r->way_back >= 0)
		close(r->way_back);
	r->way_back = -1;
}
