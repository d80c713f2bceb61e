/*
 * Intrusive doubly linked list: the node lives in the object. A head that was initialised and a node that is not
 * linked both point to themselves, so lb_list_del on an unlinked node is harmless.
 */
#ifndef LB_LIST_H
#define LB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct lb_list {
	struct lb_list *next, *prev;
};

#define lb_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Visit each node; the current one may be removed from the list inside the body. */
#define lb_list_foreach(node, head)                                                          \
	for (struct lb_list *node = (head)->next, *node##_next = node->next; node != (head); \
	     node = node##_next, node##_next = node->next)

static inline void lb_list_init(struct lb_list *head)
{
	head->next = head->prev = head;
}

static inline bool lb_list_empty(const struct lb_list *head)
{
	return head->next == head;
}

static inline void lb_list_add_tail(struct lb_list *head, struct lb_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void lb_list_del(struct lb_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	lb_list_init(node);
}

#endif
