/*
 * Memory that is given back all at once: everything a configuration, or its document tree, points to.
 */
#ifndef CONF_ARENA_H
#define CONF_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct conf_arena; /* opaque */

/* NULL when memory is short. */
struct conf_arena *conf_arena_new(void);
/* Everything that was allocated from it goes too; NULL is fine. */
void conf_arena_free(struct conf_arena *arena);

/* size zeroed bytes, aligned for every type, valid until conf_arena_free; NULL when memory is short. */
void *conf_arena_alloc(struct conf_arena *arena, size_t size);
/* A copy of len bytes with a NUL behind; NULL when memory is short. */
char *conf_arena_text(struct conf_arena *arena, const char *bytes, size_t len);
/* True once an allocation failed: the tree has holes and must be thrown away. */
bool conf_arena_failed(const struct conf_arena *arena);

#endif
