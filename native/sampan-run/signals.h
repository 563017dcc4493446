/* The signals of the watcher. */
#ifndef SIGNALS_H
#define SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <sys/types.h>

/* Blocks all, and keeps what the caller had. */
void signals_block(void);

/* Gives this process, about to become the payload, what the caller had. */
void signals_restore(void);

/* A descriptor from which they are read as struct signalfd_siginfo. */
int signals_open(void);

/* Was this one sent to the watcher alone, so that the payload has to be told? Not if the kernel sent it to the whole group, nor if
 * it comes from a process below the watcher. `has_init`: the payload is in an own pid namespace. */
bool signal_is_for_payload(const struct signalfd_siginfo *info, bool has_init);

/* Does this signal end a start that is under way? */
bool signal_ends_start(int number);

/* Stops this process as signal `number` stopped the payload; returns when it is continued. */
void signals_stop(int number);

#endif
