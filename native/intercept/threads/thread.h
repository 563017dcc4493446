/* What the engine keeps for each thread of the guest.
 *
 * Theory of operation. The thread register (gs on x86_64) points to a `struct thread`. Its internal stack is the kernel's signal stack
 * of that thread as well, so that a SIGSYS frame and the work that follows it live in the same place. Calls nest on it: a guest
 * signal handler that interrupts a call runs below it, and its own calls further below.
 *
 * Nothing is undone by hand. What a call takes on its way (descriptors, cache slots, scratch memory) is noted in the thread and given
 * back by `dispatch` when the call ends, or when the thread enters anew at the top of its stack: that means that whatever was
 * going on has been left by a longjmp. So handlers have no clean-up code and no error path of their own.
 *
 * A vfork child uses its parent's memory, so also its `struct thread`: the parent's copy is saved before and put back after.
 * Meanwhile `borrowed` is set: the child has its own descriptors, directory and signal actions, so state of the process must not
 * be written by it. */
#ifndef SAMPAN_THREAD_H
#define SAMPAN_THREAD_H

#include "../kernel/calls.h"
#include "../x86_64/frame.h"

#define INTERNAL_STACK (192 * 1024)
#define ARENA (384 * 1024)
#define HELD_LIMIT 32

/* Ids as the guest sees them (identity/). */
#define GROUP_LIMIT 32
struct ids {
    u32 ruid, euid, suid, fsuid, rgid, egid, sgid, fsgid;
    u32 effective, permitted, keep; /* root's capabilities, all or none; whether they outlive setuid (PR_SET_KEEPCAPS) */
    u32 group_count;
    u32 groups[GROUP_LIMIT];
};

struct thread {
    u64 low, high;                /* of the internal stack; entry.S knows these four */
    struct thread *self;
    struct frame *frame;          /* the innermost call in progress */
    char *arena, *arena_base, *arena_end;
    u32 held_count, held_base;
    i32 held[HELD_LIMIT];         /* descriptors to close; cache slots as ~slot */
    struct sigaltstack alternate; /* what the guest believes */
    u32 links_met, magic_met;     /* counted by paths/, for openat2 */
    const char *scope;            /* the directory that counts as root for this call, by the guest's wish (RESOLVE_IN_ROOT); NULL without */
    u32 scope_left;               /* how often the way would have led out of it */
    bool borrowed;                /* a vfork child runs with it */
    bool no_cache;                /* its descriptors or directory are not the process's */
    bool holds_cache_lock;
    bool own_ids;                 /* `ids` counts, not the process's: a vfork child changed them */
    bool is_first;                /* lies in the program, is never freed */
    bool wants_tracer;            /* a vfork child asked to be traced: calls/control.c */
    u32 cache_limit;              /* of a vfork child: see paths/cache.h */
    struct thread *next_free;
    u64 start_mask;               /* signal mask with which a new thread begins */
    struct ids ids;
};

/* Scratch memory until the end of the call; NULL if it is used up. */
char *arena_take(size_t size);

/* Something to give back at the end of the call. */
void hold_descriptor(int fd);
void hold_slot(int slot);
void release_held(struct thread *thread, u32 down_to);
/* Takes a descriptor off the list again; the caller has it now. */
void keep_descriptor(int fd);

void thread_arm(struct thread *thread);
void first_thread_arm(void);
long thread_fork_like(struct frame *frame, u64 flags, u64 stack);

/* Handlers of calls. */
long call_clone(struct frame *frame);
long call_fork(struct frame *frame);
long call_vfork(struct frame *frame);
long call_exit(struct frame *frame);
long call_unshare(struct frame *frame);

#endif
