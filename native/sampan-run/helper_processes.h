/* Processes of this machine that a payload needs. */
#ifndef HELPER_PROCESSES_H
#define HELPER_PROCESSES_H

#include "pollset.h"

#include "payload.h"

/* Starts all of them. Ends the program if that fails. */
void helpers_start(const struct start *start);

/* Are all ready? One that says otherwise ends the program. */
bool helpers_are_ready(void);

void helpers_collect(struct pollset *set);

/* Reads what they say: `say` gets their output. */
void helpers_dispatch(const struct pollset *set, void (*say)(const char *bytes, size_t length));

/* Is this a helper that runs? */
bool helpers_has(pid_t pid);

/* Was `pid`, which has ended with this wait status, one of them? */
bool helpers_ended(pid_t pid, int status);

/* Ends them: SIGTERM, and SIGKILL for those that do not. */
void helpers_end(void);

#endif
