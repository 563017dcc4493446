/* What the engine knows of this process of the guest. Everything here is private memory, copied by fork and gone with exec; what
 * must outlive exec travels in the state word (exec/state.h), what all processes share is in the container's pages. */
#ifndef SAMPAN_PROCESS_H
#define SAMPAN_PROCESS_H

#include "../paths/cache.h"
#include "thread.h"

/* Signals that belong to the engine; the guest's actions for them are kept here. */
enum { ACTION_SYS, ACTION_SEGV, ACTION_BUS, ACTION_COUNT };

struct process {
    struct cache cache;
    struct sigaction actions[ACTION_COUNT];
    const char *program;       /* path of the running program as the guest sees it: /proc/self/exe */
    const char *jail;          /* what chroot made of the root: a canonical path, "" without */
    u32 directory_changes;     /* how often the current directory changed */
    i32 directory_bind;        /* bind through which the current directory was entered, -1 unknown */
    struct thread *free_threads;
    u32 free_threads_lock;
    struct ids ids;
    u64 random;                /* from the kernel, for addresses */
};

extern struct process process;

/* What absolute paths begin at and `..` ends at: canonical, "" for the root. */
static inline const char *jail_of_call(void)
{
    const char *scope = this_thread()->scope;
    return scope ? scope : process.jail;
}

#endif
