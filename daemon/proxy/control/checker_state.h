/*
 * The inside of the checker, shared by its parts: checker.c knows when whom, checker_ask.c asks and takes the answers.
 */
#ifndef CONTROL_CHECKER_STATE_H
#define CONTROL_CHECKER_STATE_H

#include "daemon/proxy/control/checker.h"
#include "daemon/proxy/control/probe.h"
#include "daemon/proxy/share/wheel.h"

struct checker {
	struct checker_params params;
	struct conf_set *set;
	uint64_t generation;	    /* of the set */
	lb_duration initial_spread; /* of the first checks of this set's servers */
	struct knock_set *knocks;
	uint32_t resting, resting_max; /* connections that are left open between checks */
	struct wheel due;	       /* of struct server_check */
	ev_timer tick;
	lb_time next_tick; /* NEVER: nobody is waited for */
	uint64_t visits;   /* of the wheel to checks */
	struct checker_stats stats;
	bool asleep;
};

/* Checks of one server that may be under way at the same time while it does not answer; the usual `fall`. */
#define QUESTIONS 3

/* One check that is under way. */
struct question {
	struct server_check *check;
	struct probe *probe;	/* NULL: none under way */
	struct conf_set *asked; /* the set that the probe points into */
	lb_time began;
	bool kept; /* asked over a connection that was open already */
};

struct server_check {
	struct checker *checker;
	struct server *server;
	struct wheel_entry due;
	struct question questions[QUESTIONS];
	struct probe *resting;	 /* its connection is for the next question; NULL: none */
	lb_time youngest;	 /* when the last of the questions began */
	struct check_plan *plan; /* of the generation below */
	uint64_t generation;	 /* 0: the plan was not looked up yet */
};

/* A check that was `due` begins. */
void checker_ask(struct server_check *check, lb_time due, lb_time now);
/* When the server is asked next: as its machine wants it, or beside the questions that it has not answered. */
lb_time checker_ask_next(const struct server_check *check);
/* No answer is waited for any more, no connection stays open. */
void checker_ask_stop(struct server_check *check);

/* Forget what was planned before and plan anew. */
void checker_schedule(struct server_check *check);
/* The state has just changed. */
void checker_tell_transition(struct server_check *check);

#endif
