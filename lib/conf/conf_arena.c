#include "lib/conf/conf_arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

struct chunk {
	struct chunk *next;
	alignas(max_align_t) unsigned char bytes[];
};

struct conf_arena {
	struct chunk *chunks;
	size_t used, cap; /* of the newest chunk */
	bool failed;
};

struct conf_arena *conf_arena_new(void)
{
	return calloc(1, sizeof(struct conf_arena));
}

void conf_arena_free(struct conf_arena *arena)
{
	struct chunk *chunk = arena ? arena->chunks : NULL;

	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	free(arena);
}

static bool add_chunk(struct conf_arena *arena, size_t cap)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk) + cap);

	if (!chunk) {
		arena->failed = true;
		return false;
	}
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	arena->used = 0;
	arena->cap = cap;
	return true;
}

void *conf_arena_alloc(struct conf_arena *arena, size_t size)
{
	size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	void *result;

	if (need > arena->cap - arena->used && !add_chunk(arena, need > CHUNK_BYTES ? need : CHUNK_BYTES))
		return NULL;
	result = arena->chunks->bytes + arena->used;
	arena->used += need;
	return result;
}

char *conf_arena_text(struct conf_arena *arena, const char *bytes, size_t len)
{
	char *text = conf_arena_alloc(arena, len + 1);

	if (text)
		memcpy(text, bytes, len);
	return text;
}

bool conf_arena_failed(const struct conf_arena *arena)
{
	return arena->failed;
}
