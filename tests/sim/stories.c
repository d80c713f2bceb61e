/* Stories: one course of events each, and the transcript that is expected of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

#define RUN_MAX (64 * 1024)

struct story {
	const char *name;
	size_t nodes;
	lb_duration failback;
	void (*tell)(struct sim *sim);
};

/* Where most stories begin: all nodes up, lb-1 owns the VIP for a while already. */
static void boot_all(struct sim *sim)
{
	for (size_t i = 0; i < sim->params.node_count; i++)
		sim_boot(sim, i);
	sim_for(sim, LB_SEC(2));
	sim_say(sim, "--------  everything is quiet");
}

/* All nodes start at once: the preferred one waits the shortest time and takes. */
static void cold_start(struct sim *sim)
{
	for (size_t i = 0; i < sim->params.node_count; i++)
		sim_boot(sim, i);
	sim_for(sim, LB_SEC(3));
}

/* The owner dies: its lease ends before the next one takes. */
static void owner_death(struct sim *sim)
{
	boot_all(sim);
	sim_for(sim, LB_MSEC(30));
	sim_kill(sim, 0);
	sim_for(sim, LB_SEC(3));
}

/* The owner is stopped in an orderly way: the next one takes after its Skew_Time. */
static void resign(struct sim *sim)
{
	boot_all(sim);
	sim_shutdown(sim, 0);
	sim_for(sim, LB_SEC(3));
}

/* The preferred node comes back and leaves the VIP where it is. */
static void rejoin(struct sim *sim)
{
	owner_death(sim);
	sim_boot(sim, 0);
	sim_for(sim, LB_SEC(5));
}

/* The preferred node comes back and asks for the VIP after it has been well for two seconds. */
static void failback(struct sim *sim)
{
	rejoin(sim);
}

/* Each side of a split serves its side; when it heals, the preferred owner stays and announces itself again. */
static void partition(struct sim *sim)
{
	static const uint8_t apart[SIM_NODES_MAX] = {0, 1, 1};

	boot_all(sim);
	sim_partition(sim, apart);
	sim_for(sim, LB_SEC(2));
	sim_heal(sim);
	sim_for(sim, LB_SEC(2));
}

/* The owner asks, the peer is ready, the owner releases, the peer takes: nobody waits for a timer. */
static void handover(struct sim *sim)
{
	boot_all(sim);
	sim_failover(sim, 0, 2);
	sim_for(sim, LB_SEC(2));
	sim_say(sim, "--------  the other way: lb-3 goes into standby");
	sim->nodes[2].facts.standby = true;
	sim_facts_changed(sim, 2);
	sim_for(sim, LB_SEC(3));
}

/* The owner's proxy dies and stays away: it is borne for a second, then a peer takes; recovery is no reason to return.
 */
static void fault(struct sim *sim)
{
	boot_all(sim);
	sim_say(sim, "lb-1  loses its proxy");
	sim->nodes[0].facts.proxy_connected = false;
	sim_facts_changed(sim, 0);
	sim_for(sim, LB_SEC(3));
	sim_say(sim, "lb-1  has its proxy again");
	sim->nodes[0].facts.proxy_connected = true;
	sim_facts_changed(sim, 0);
	sim_for(sim, LB_SEC(3));
}

/* A hung owner: the kernel ends its lease, a peer takes, and when it runs again it says nothing and steps back. */
static void freeze(struct sim *sim)
{
	boot_all(sim);
	sim_freeze(sim, 0, LB_SEC(5));
	sim_for(sim, LB_SEC(7));
	sim_say(sim, "--------  a hang of one and a half intervals is nothing");
	sim_freeze(sim, 1, LB_MSEC(150));
	sim_for(sim, LB_SEC(2));
}

/* The owner reaches no server while a peer does: the VIP moves. Nobody reaches any: it stays. */
static void servers(struct sim *sim)
{
	boot_all(sim);
	sim_say(sim, "lb-1  reaches no server");
	sim->nodes[0].facts.ready_servers = 0;
	sim_facts_changed(sim, 0);
	sim_for(sim, LB_SEC(6));
	sim_say(sim, "--------  nobody reaches a server");
	for (size_t i = 1; i < 3; i++) {
		sim->nodes[i].facts.ready_servers = 0;
		sim_facts_changed(sim, i);
	}
	sim_for(sim, LB_SEC(10));
}

/* lb-1 no longer hears the owner: it takes the VIP, and the owner, who does hear it, gives way, once. */
static void deaf(struct sim *sim)
{
	boot_all(sim);
	sim_failover(sim, 0, 1);
	sim_for(sim, LB_SEC(1));
	sim_cut(sim, 1, 0);
	sim_for(sim, LB_SEC(1));
	sim_heal(sim);
	sim_for(sim, LB_SEC(1));
}

static const struct story stories[] = {
    {"cold-start",  3, 0,	 cold_start },
    {"owner-death", 3, 0,	  owner_death},
    {"resign",      3, 0,	     resign	   },
    {"rejoin",      3, 0,	     rejoin	   },
    {"failback",	 3, LB_SEC(2), failback   },
    {"partition",	  3, 0,		partition	 },
    {"handover",	 3, 0,	       handover   },
    {"fault",	      2, 0,	    fault	 },
    {"freeze",      2, 0,	     freeze	   },
    {"servers",	3, 0,	      servers    },
    {"deaf",	     2, 0,	   deaf       },
};
#define STORY_COUNT (sizeof(stories) / sizeof(stories[0]))

static bool read_file(const char *path, char *out, size_t cap)
{
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	size_t n = fread(out, 1, cap - 1, f);
	fclose(f);
	out[n] = '\0';
	return true;
}

static bool write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return false;
	bool ok = fputs(text, f) >= 0;
	return fclose(f) == 0 && ok;
}

/* The first line in which two texts differ, for people. */
static void show_difference(const char *want, const char *got)
{
	for (int line = 1; *want != '\0' || *got != '\0'; line++) {
		size_t w = strcspn(want, "\n"), g = strcspn(got, "\n");
		if (w != g || memcmp(want, got, w) != 0) {
			printf("line %d\n  expected: %.*s\n  happened: %.*s\n", line, (int)w, want, (int)g, got);
			return;
		}
		want += w + (want[w] == '\n');
		got += g + (got[g] == '\n');
	}
}

static bool run_story(const struct story *story, const char *dir, bool update)
{
	static char expected[RUN_MAX];
	struct lb_text transcript = {0};
	struct sim sim;
	char path[512];

	sim_init(&sim, &(struct sim_params){.seed = 1,
					    .node_count = story->nodes,
					    .interval = LB_MSEC(100),
					    .failback = story->failback,
					    .transcript = &transcript});
	story->tell(&sim);
	const char *got = lb_text_str(&transcript);
	snprintf(path, sizeof(path), "%s/%s.txt", dir, story->name);

	bool ok = sim.violation[0] == '\0';
	if (update)
		ok = write_file(path, got) && ok;
	else if (!read_file(path, expected, sizeof(expected)))
		ok = false;
	else if (strcmp(expected, got) != 0) {
		show_difference(expected, got);
		ok = false;
	}
	if (!ok)
		printf("story %s failed (%s)%s%s\n", story->name, path, sim.violation[0] ? ": " : "", sim.violation);
	sim_free(&sim);
	lb_text_free(&transcript);
	return ok;
}

int sim_stories(const char *dir, bool update)
{
	size_t failed = 0;

	for (size_t i = 0; i < STORY_COUNT; i++)
		failed += !run_story(&stories[i], dir, update);
	printf("%zu passed, %zu failed\n", STORY_COUNT - failed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
