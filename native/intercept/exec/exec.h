#ifndef SAMPAN_EXEC_H
#define SAMPAN_EXEC_H

#include "../kernel/types.h"

/* Replaces this process by the guest's program at `path` (guest's or the launcher's memory); returns a negative error. */
long exec_program(int from, u64 path, char *const *argv, char *const *envp, int flags);

/* Which part the last exec failed for, for the launcher's words. */
struct exec_failure {
    const char *what, *name; /* "the interpreter" and its name; NULL: the program itself */
    const char *machine;     /* it is a program for this other machine */
};
extern struct exec_failure exec_failure;

struct exec_state;
/* Loads the program of `state` into this process and starts it; `stack` is the one the kernel prepared. */
_Noreturn void load_program(const struct exec_state *state, u64 *stack);

#endif
