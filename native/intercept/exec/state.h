/* What one process tells the next through exec: a word at the end of the environment, taken away before the guest's program sees it.
 *
 *     SAMPAN_INTERCEPT=NUMBERS:PATH:STARTED_BY:JAIL
 *
 * NUMBERS are hexadecimal, with a comma behind each, and begin with the lengths of the three texts; the order is that of state_write. In a
 * running process the colons between the texts are NULs, so that they can be used in place. Other processes read it in /proc/PID/environ. */
#ifndef SAMPAN_STATE_H
#define SAMPAN_STATE_H

#include "../threads/thread.h"

#define STATE_NAME "SAMPAN_INTERCEPT="
#define STATE_NUMBERS 768
#define STATE_NONE 0xffffffffu /* no descriptor, no bind */

struct exec_state {
    u32 program, interpreter; /* open descriptors of the ELF files */
    u32 first_reserved;
    u32 directory_bind;
    u64 ignored;              /* signals: threads/signals.h */
    bool trap_blocked;        /* SIGTRAP, by the guest itself: exec/exec.c */
    bool nested;              /* the program is an engine itself: run its command line with this one */
    bool has_ids;
    struct ids ids;
    const char *path;         /* of the program: /proc/self/exe */
    const char *started_by;   /* the name given to execve: AT_EXECFN */
    const char *jail;         /* process.jail */
    const char *word;         /* where state_read found it */
};

/* Room that state_write needs. */
size_t state_size(const struct exec_state *state);
void state_write(const struct exec_state *state, char *to);
/* Reads a word in place (it is changed); false: not one. */
bool state_read(char *word, struct exec_state *state);
/* /proc/PID/exe of another process of the container, into `path` (PATH_LIMIT). */
bool state_program_of(u64 pid, char *path);

#endif
