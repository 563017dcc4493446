/* Asking a payload how it is. */
#ifndef HEALTH_H
#define HEALTH_H

#include "payload.h"
#include "pollset.h"

/* Begins, for the container of the process `pid`, started at `begun`; the state goes into `directory`. Nothing happens without a `health`
 * record, here and below. */
void health_start(const struct start *start, int directory, pid_t pid, unsigned long long begun);

void health_collect(struct pollset *set);

/* Reads what a check says, ends one that takes too long, begins the next. */
void health_dispatch(const struct pollset *set);

/* Was `pid`, which has ended with this wait status, a check? */
bool health_ended(pid_t pid, int status);

/* Ends a check that runs. */
void health_stop(void);

#endif
