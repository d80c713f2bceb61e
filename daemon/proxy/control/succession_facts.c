#include "daemon/proxy/control/succession_facts.h"

#include <string.h>

#include <lb/succession.h>

#include "daemon/proxy/control/must.h"
#include "daemon/sys/clock.h"

enum fact_kind { FACT_SERVER = 1, FACT_SERVER_COUNTERS, FACT_SERVICE_COUNTERS };

/* Values of FACT_SERVER; new ones go to the end. Ages and waits in ns. */
enum {
	ADMIN,
	WEIGHT,
	WEIGHT_OVER, /* what the file says: the order holds for that */
	LIMIT,
	LIMIT_OVER,
	STATE,
	PREVIOUS,
	REASON,
	SUCCESSES,
	FAILURES,
	LAST_WAS_ANSWER,
	CONNECT_ERRORS,
	STATE_AGE,
	CHECK_WAIT,
	CHECK_AGE,
	ALIVE_WARNING,
	SINCE,
	REPORT_DURATION,
	REPORT_FAILURES,
	REPORT_AT,
	CERTIFICATE_ENDS,
	CLIENT_CERTIFICATE_ENDS,
	AGENT_ADMIN,
	AGENT_DOWN,
	AGENT_PERCENT,
	AGENT_MAXCONN,
	RETURNING,
	RAMP_AGE, /* 0: it does not ramp */
	SERVER_VALUES,
};
_Static_assert(SERVER_VALUES <= SUCCESSION_VALUES, "the values of a server fit one fact");

/* ---- tell ---- */

static void describe(const struct server *server, lb_time now, struct succession_fact *f)
{
	const struct health_fsm *h = &server->health;
	const struct server_report *r = &server->report;

	memcpy(f->text, r->result, sizeof(f->text));
	f->count = SERVER_VALUES;
	f->value[ADMIN] = server->admin;
	f->value[WEIGHT] = server->weight;
	f->value[WEIGHT_OVER] = server->conf->weight;
	f->value[LIMIT] = server->limit;
	f->value[LIMIT_OVER] = server->conf->max_connections;
	f->value[STATE] = h->state;
	f->value[PREVIOUS] = h->previous;
	f->value[REASON] = h->reason;
	f->value[SUCCESSES] = h->successes;
	f->value[FAILURES] = h->failures;
	f->value[LAST_WAS_ANSWER] = h->last_was_answer;
	f->value[CONNECT_ERRORS] = h->connect_errors;
	f->value[STATE_AGE] = (uint64_t)(now - h->since);
	f->value[CHECK_WAIT] = h->next_check > now ? (uint64_t)(h->next_check - now) : 0;
	f->value[CHECK_AGE] = (uint64_t)(now - h->checked);
	f->value[ALIVE_WARNING] = h->alive_warning;
	f->value[SINCE] = (uint64_t)server->since;
	f->value[REPORT_DURATION] = (uint64_t)r->duration;
	f->value[REPORT_FAILURES] = r->failures;
	f->value[REPORT_AT] = (uint64_t)r->at;
	f->value[CERTIFICATE_ENDS] = (uint64_t)r->certificate_ends;
	f->value[CLIENT_CERTIFICATE_ENDS] = (uint64_t)r->client_certificate_ends;
	f->value[AGENT_ADMIN] = server->agent.admin;
	f->value[AGENT_DOWN] = server->agent.down;
	f->value[AGENT_PERCENT] = server->agent.percent;
	f->value[AGENT_MAXCONN] = server->agent.maxconn;
	f->value[RETURNING] = server->returning;
	f->value[RAMP_AGE] = server->ramp_from > 0 ? (uint64_t)(now - server->ramp_from) : 0;
}

/* The counters of a slot in the order in which they are told; new ones go to the end. */
struct counters {
	_Atomic uint64_t *list[SUCCESSION_VALUES];
	uint8_t count;
};

static struct counters server_counters(struct server_block *b, uint32_t worker)
{
	struct server_slot *s = &b->slot[worker];

	return (struct counters){
	    .list = {&s->sessions_total, &s->bytes_in, &s->bytes_out, &s->connect_errors, &s->hedged},
	       .count = 5
	 };
}

/* queue_dropped is the socket's own, which stays. */
static struct counters service_counters(struct service_block *b, uint32_t worker)
{
	struct service_slot *s = &b->slot[worker];

	return (struct counters){
	    .list = {&s->sessions_total, &s->bytes_in, &s->bytes_out, &s->refused, &s->failed, &s->hedge_won,
		     &s->hedge_lost, &s->hedge_denied},
	    .count = 8
	      };
}

struct facts {
	uint8_t *bytes;
	size_t size, room;
	uint32_t count;
};

static void add(struct facts *all, const struct succession_fact *fact)
{
	if (all->room - all->size < SUCCESSION_FACT_MAX) {
		all->room = 2 * all->room + 64 * (size_t)SUCCESSION_FACT_MAX;
		all->bytes = must(realloc(all->bytes, all->room));
	}
	all->size += succession_fact_encode(fact, all->bytes + all->size);
	all->count++;
}

static void add_counters(struct facts *all, struct succession_fact *fact, const struct counters *counters)
{
	fact->count = counters->count;
	for (uint8_t i = 0; i < counters->count; i++)
		fact->value[i] = counter_get(counters->list[i]);
	add(all, fact);
}

static void add_server(struct facts *all, const struct server *server, uint32_t workers, lb_time now)
{
	struct succession_fact fact = {.kind = FACT_SERVER};

	memcpy(fact.service, server->block->service, sizeof(fact.service));
	memcpy(fact.server, server->block->name, sizeof(fact.server));
	describe(server, now, &fact);
	add(all, &fact);
	fact.kind = FACT_SERVER_COUNTERS;
	fact.text[0] = '\0';
	for (fact.worker = 0; fact.worker < workers; fact.worker++) {
		struct counters counters = server_counters(server->block, fact.worker);

		add_counters(all, &fact, &counters);
	}
}

static void add_service(struct facts *all, const struct service *service, uint32_t workers)
{
	struct succession_fact fact = {.kind = FACT_SERVICE_COUNTERS};

	memcpy(fact.service, service->block->name, sizeof(fact.service));
	for (fact.worker = 0; fact.worker < workers; fact.worker++) {
		struct counters counters = service_counters(service->block, fact.worker);

		add_counters(all, &fact, &counters);
	}
}

uint8_t *succession_facts_tell(const struct roster *roster, uint32_t *count, size_t *size)
{
	struct facts all = {0};
	lb_time now = clock_now();

	for (size_t s = 0; s < roster->service_count; s++) {
		const struct service *service = roster->services[s];

		add_service(&all, service, roster->workers);
		for (size_t i = 0; i < service->server_count; i++)
			add_server(&all, service->servers[i], roster->workers, now);
	}
	*count = all.count;
	*size = all.size;
	return all.bytes;
}

/* ---- take ---- */

/* Within what the field can hold; what another program means by more is not known here. */
static uint64_t upto(const struct succession_fact *f, int value, uint64_t max)
{
	return f->value[value] <= max ? f->value[value] : max;
}

static lb_duration span(const struct succession_fact *f, int value)
{
	return (lb_duration)upto(f, value, INT64_MAX / 4);
}

static void believe_health(struct health_fsm *h, const struct succession_fact *f, lb_time now)
{
	h->state = (enum health_state)upto(f, STATE, HEALTH_DOWN);
	h->previous = (enum health_state)upto(f, PREVIOUS, HEALTH_DOWN);
	h->reason = (enum health_reason)upto(f, REASON, HEALTH_REASON_COUNT_ - 1);
	h->successes = (uint16_t)upto(f, SUCCESSES, UINT16_MAX);
	h->failures = (uint16_t)upto(f, FAILURES, UINT16_MAX);
	h->last_was_answer = f->value[LAST_WAS_ANSWER] != 0;
	h->connect_errors = (uint16_t)upto(f, CONNECT_ERRORS, UINT16_MAX);
	h->since = now - span(f, STATE_AGE);
	h->next_check = now + span(f, CHECK_WAIT);
	h->checked = now - span(f, CHECK_AGE);
	h->alive_warning = f->value[ALIVE_WARNING] != 0;
}

static void believe_agent(struct agent_orders *agent, const struct succession_fact *f)
{
	agent->admin = (enum agent_admin)upto(f, AGENT_ADMIN, AGENT_MAINT);
	agent->down = f->value[AGENT_DOWN] != 0;
	agent->percent = (uint16_t)upto(f, AGENT_PERCENT, AGENT_PERCENT_MAX);
	agent->maxconn = (uint32_t)upto(f, AGENT_MAXCONN, UINT32_MAX);
}

static void believe(struct server *server, const struct succession_fact *f)
{
	struct server_report *r = &server->report;
	lb_time now = clock_now();

	server->admin = (enum lb_admin_state)upto(f, ADMIN, LB_ADMIN_MAINT);
	if (f->value[WEIGHT_OVER] == server->conf->weight && f->value[WEIGHT] > 0)
		server->weight = (uint16_t)upto(f, WEIGHT, 256);
	if (f->value[LIMIT_OVER] == server->conf->max_connections)
		server->limit = (uint32_t)upto(f, LIMIT, UINT32_MAX);
	believe_health(&server->health, f, now);
	believe_agent(&server->agent, f);
	server->since = (lb_wall)upto(f, SINCE, INT64_MAX);
	server->returning = f->value[RETURNING] != 0;
	server->ramp_from = f->value[RAMP_AGE] > 0 ? now - span(f, RAMP_AGE) : 0;
	memcpy(r->result, f->text, sizeof(r->result));
	r->duration = span(f, REPORT_DURATION);
	r->failures = (uint32_t)upto(f, REPORT_FAILURES, UINT32_MAX);
	r->at = (lb_wall)upto(f, REPORT_AT, INT64_MAX);
	r->certificate_ends = (lb_wall)upto(f, CERTIFICATE_ENDS, INT64_MAX);
	r->client_certificate_ends = (lb_wall)upto(f, CLIENT_CERTIFICATE_ENDS, INT64_MAX);
}

static void take_counters(const struct counters *counters, const struct succession_fact *f)
{
	for (uint8_t i = 0; i < counters->count && i < f->count; i++)
		atomic_store_explicit(counters->list[i], f->value[i], memory_order_relaxed);
}

static void take(const struct roster *roster, const struct succession_fact *f)
{
	struct service *service = roster_service(roster, f->service);
	struct server *server = roster_server(roster, f->service, f->server);
	struct counters counters;

	if (f->kind == FACT_SERVER && server && f->count > RAMP_AGE) {
		believe(server, f);
	} else if (f->kind == FACT_SERVER_COUNTERS && server && f->worker < roster->workers) {
		counters = server_counters(server->block, f->worker);
		take_counters(&counters, f);
	} else if (f->kind == FACT_SERVICE_COUNTERS && service && f->worker < roster->workers) {
		counters = service_counters(service->block, f->worker);
		take_counters(&counters, f);
	}
}

bool succession_facts_take(const struct roster *roster, const uint8_t *bytes, size_t size, uint32_t count)
{
	struct succession_fact fact;
	size_t at = 0;

	for (uint32_t i = 0; i < count; i++) {
		size_t used = succession_fact_decode(bytes + at, size - at, &fact);

		if (used == 0)
			return false;
		take(roster, &fact);
		at += used;
	}
	return at == size;
}
