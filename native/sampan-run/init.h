/* Process 1 of an own pid namespace. */
#ifndef INIT_H
#define INIT_H

#include <sys/types.h>

/* The words of the program, over which an init writes its own name: inside, nobody cares for the paths of the machine. */
void init_words(char **words);

/* Passes signals on to `payload`, buries orphans, tells the watcher through `channel` what becomes of the payload, and ends with it:
 * then the kernel ends everything else in the namespace. */
_Noreturn void init_run(pid_t payload, int channel);

#endif
