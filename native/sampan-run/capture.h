/* The payload's output, where the watcher takes it. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "pollset.h"
#include "spawn.h"

/* Makes the pipes that `streams` then names for the payload; with `input` also one for its stdin, whose other end is returned, else
 * -1. */
int capture_make(struct streams *streams, bool input);

/* In the watcher, once the payload has its ends: closes them here. */
void capture_close_ends(const struct streams *streams);

/* The master of the payload's terminal, instead of pipes. */
void capture_terminal(int master);

/* The payload has ended: a terminal that nobody has open any more is over then. */
void capture_payload_ended(void);

void capture_collect(struct pollset *set);
void capture_dispatch(const struct pollset *set);

/* Has everything been read? */
bool capture_is_over(void);

/* No more is read. */
void capture_stop(void);

#endif
