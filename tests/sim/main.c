/* sim --stories DIR [--update] | --random N [--seed S] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

static int usage(void)
{
	fputs("usage: sim --stories DIR [--update] | --random N [--seed S]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *stories = NULL, *random = NULL, *seed = "1";
	bool update = false;

	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--stories") == 0 && more)
			stories = argv[++i];
		else if (strcmp(argv[i], "--random") == 0 && more)
			random = argv[++i];
		else if (strcmp(argv[i], "--seed") == 0 && more)
			seed = argv[++i];
		else if (strcmp(argv[i], "--update") == 0)
			update = true;
		else
			return usage();
	}
	if (stories)
		return sim_stories(stories, update);
	if (random)
		return sim_random(strtoull(random, NULL, 10), strtoull(seed, NULL, 10));
	return usage();
}
