/* Joining a running container. */
#ifndef ENTER_H
#define ENTER_H

#include "launch.h"

#include <sys/types.h>

/* Field 22 of /proc/PID/stat, read below the open /proc/PID `process`; 0 if it cannot be read. */
unsigned long long enter_start_time(int process);

/* Joins the namespaces `names` of the process `pid`, which must have been started at `start`, and with `mount` its root; stands in
 * the root directory then. A joined pid namespace is for children only. Ends the program if anything of it cannot be. */
void enter_join_process(pid_t pid, unsigned long long start, const char *names);

/* The same as the `enter` record says. */
void enter_join(const struct launch *launch);

#endif
