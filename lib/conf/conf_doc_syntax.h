/*
 * Places and problems as libyaml tells them, in the words of this project.
 */
#ifndef CONF_DOC_SYNTAX_H
#define CONF_DOC_SYNTAX_H

#include <lb/conf.h>
#include <yaml.h>

/* libyaml counts from 0, people from 1. */
static inline struct lb_mark conf_doc_mark(const yaml_mark_t *m)
{
	return (struct lb_mark){(uint32_t)m->line + 1, (uint32_t)m->column + 1};
}

/* Add the problem at which the parser stopped. */
void conf_doc_syntax_error(const yaml_parser_t *parser, struct lb_conf_errors *errors);

#endif
