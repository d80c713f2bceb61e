/* The record of <lb/resume.h> as bytes: two slots, written in turn, each with a checksum of its own. */
#include <string.h>

#include <lb/bytes.h>
#include <lb/hash.h>
#include <lb/resume.h>

#define MAGIC	   0x6c62647265730000ull /* "lbdres", and behind it the version */
#define SLOT_BYTES (RESUME_AREA_BYTES / 2)

/* magic 8, generation 8, boot id 16, identity 8, flags 8, advert 8, since 8, since_wall 8, sequence 8, checksum 8 */
#define CHECKED_BYTES 80
#define FLAG_ACTIVE   1u
#define FLAG_GUARDED  2u
#define FLAG_ARP      4u

static void encode(uint8_t slot[SLOT_BYTES], uint64_t generation, const struct resume_record *r)
{
	uint64_t flags =
	    (r->active ? FLAG_ACTIVE : 0) | (r->guarded ? FLAG_GUARDED : 0) | (r->arp_guarded ? FLAG_ARP : 0);

	memset(slot, 0, SLOT_BYTES);
	lb_put64(slot, MAGIC | RESUME_VERSION);
	lb_put64(slot + 8, generation);
	memcpy(slot + 16, r->boot_id, sizeof(r->boot_id));
	lb_put64(slot + 32, r->identity);
	lb_put64(slot + 40, flags);
	lb_put64(slot + 48, (uint64_t)r->advert);
	lb_put64(slot + 56, (uint64_t)r->since);
	lb_put64(slot + 64, (uint64_t)r->since_wall);
	lb_put64(slot + 72, r->sequence);
	lb_put64(slot + CHECKED_BYTES, lb_hash(slot, CHECKED_BYTES));
}

/* The generation of a whole slot, or 0. */
static uint64_t decode(const uint8_t slot[SLOT_BYTES], struct resume_record *r)
{
	uint64_t flags = lb_get64(slot + 40);
	uint64_t magic = lb_get64(slot);

	if (magic < (MAGIC | RESUME_OLDEST) || magic > (MAGIC | RESUME_VERSION) ||
	    lb_get64(slot + CHECKED_BYTES) != lb_hash(slot, CHECKED_BYTES))
		return 0;
	*r = (struct resume_record){
	    .identity = lb_get64(slot + 32),
	    .active = flags & FLAG_ACTIVE,
	    .guarded = flags & FLAG_GUARDED,
	    .arp_guarded = flags & FLAG_ARP,
	    .advert = (lb_time)lb_get64(slot + 48),
	    .since = (lb_time)lb_get64(slot + 56),
	    .since_wall = (int64_t)lb_get64(slot + 64),
	    .sequence = lb_get64(slot + 72),
	};
	memcpy(r->boot_id, slot + 16, sizeof(r->boot_id));
	return lb_get64(slot + 8);
}

void resume_record_write(uint8_t area[RESUME_AREA_BYTES], uint64_t *generation, const struct resume_record *record)
{
	uint8_t slot[SLOT_BYTES];

	++*generation;
	encode(slot, *generation, record);
	memcpy(area + (*generation & 1) * SLOT_BYTES, slot, SLOT_BYTES);
}

bool resume_record_read(const uint8_t *area, size_t len, uint64_t *generation, struct resume_record *record)
{
	struct resume_record slots[2];
	uint64_t generations[2] = {0};

	*generation = 0;
	if (len < RESUME_AREA_BYTES)
		return false;
	for (size_t i = 0; i < 2; i++)
		generations[i] = decode(area + i * SLOT_BYTES, &slots[i]);
	size_t latest = generations[1] > generations[0];
	if (generations[latest] == 0)
		return false;
	*generation = generations[latest];
	*record = slots[latest];
	return true;
}
