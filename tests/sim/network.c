#include <stdlib.h>
#include <string.h>

#include <lb/hash.h>
#include <lb/vrrp_packet.h>

#include "tests/sim/sim.h"

#define VRID 51

struct lb_addr sim_address(size_t node)
{
	return (struct lb_addr){
	    AF_INET, {10, 196, 35, (uint8_t)(25 + node)}
	};
}

uint8_t sim_priority(size_t node)
{
	return (uint8_t)(250 - 10 * node);
}

struct sim_packet *sim_packet_new(void)
{
	struct sim_packet *packet = malloc(sizeof(*packet));

	if (!packet)
		abort();
	return packet;
}

static bool lost(struct sim *sim, const struct sim_packet *packet)
{
	if (sim->group[packet->from] != sim->group[packet->to] || sim->one_way[packet->from][packet->to])
		return true;
	if (packet->advert && lb_random_below(&sim->random, 100) < sim->adverts_lost_percent)
		return true;
	return sim->loss_percent > 0 && lb_random_below(&sim->random, 100) < sim->loss_percent;
}

/* Takes the packet. */
void sim_send(struct sim *sim, struct sim_packet *packet)
{
	if (lost(sim, packet)) {
		free(packet);
		return;
	}
	lb_time at = sim->now + sim->delay_min;
	if (sim->delay_max > sim->delay_min)
		at += lb_random_below(&sim->random, (uint32_t)(sim->delay_max - sim->delay_min));
	lb_time *last = &sim->last_arrival[packet->advert][packet->from][packet->to];
	if (sim->in_order || sim->flows_in_order)
		at = lb_time_max(at, *last);
	if (sim->in_order)
		at = lb_time_max(at, sim->last_arrival[!packet->advert][packet->from][packet->to]);
	*last = at;
	sim_push(sim, at, SIM_DELIVER, packet->to, packet);
}

size_t sim_advert_encode(const struct sim *sim, size_t from, size_t to, uint8_t priority, uint8_t *out, size_t cap)
{
	const struct vrrp_advert advert = {
	    .version = 3,
	    .vrid = VRID,
	    .priority = priority,
	    .address_count = 1,
	    .addresses = {{AF_INET, {10, 196, 35, 30}}},
	    .interval = sim->params.interval,
	    .source = sim_address(from),
	    .destination = sim_address(to),
	};

	return vrrp_encode(&advert, VRRP_CHECKSUM_PSEUDO, out, cap);
}

bool sim_advert_decode(const struct sim *sim, const struct sim_packet *packet, struct vrrp_event *event)
{
	struct lb_addr own = sim_address(packet->to), peers[SIM_NODES_MAX];
	struct vrrp_advert advert = {.source = sim_address(packet->from), .destination = own};
	enum vrrp_checksum_form form;

	for (size_t i = 0; i < sim->params.node_count; i++)
		peers[i] = sim_address(i);
	const struct vrrp_policy policy = {.version = 3,
					   .vrid = VRID,
					   .own = &own,
					   .peers = peers,
					   .peer_count = sim->params.node_count,
					   .pseudo_checksum = true};
	if (vrrp_decode(packet->bytes, packet->len, 0, &advert, &form) != VRRP_OK ||
	    vrrp_accept(&policy, &advert, VRRP_TTL, form) != VRRP_OK)
		return false;
	*event = (struct vrrp_event){.kind = VRRP_EVENT_ADVERT,
				     .now = sim->now,
				     .priority = advert.priority,
				     .interval = advert.interval,
				     .source = advert.source,
				     .received_at = packet->received_at};
	return true;
}
