/* What is known of a run and written down about it, and what has to be tidied up after it. */
#ifndef ENDING_H
#define ENDING_H

#include "payload.h"
#include "state.h"

/* Opens the directory of the `watch` record; it, or -1 if there is none. */
int ending_keep(const struct start *start);
int ending_directory(void);

/* Is the launch file still needed at the end? */
bool ending_needs_launch(void);

/* Writes `payload`. Ends the program if that cannot be. */
void ending_payload_is(pid_t pid);

void ending_started(void);

/* The payload has ended with this wait status; `timed_out`: because its time was up. */
void ending_ended(int status, bool timed_out);

/* The content of `exit`. */
const struct text *ending_exit(void);

/* Socket, helpers, control group. */
void ending_tidy(void);

/* Writes `exit` or removes the directory; the status to end with. */
int ending_finish(void);

/* All of this for a start that failed. */
void ending_not_started(int status, const char *text);

#endif
