/* The saved state of one stopped system call, and the ways back into the guest. The offsets are known to entry.S. */
#ifndef SAMPAN_FRAME_H
#define SAMPAN_FRAME_H

#include "../kernel/abi.h"

struct frame {
    u64 nr;
    u64 arg[6];
    u64 ret;                /* where the guest goes on */
    u64 sp;                 /* the guest's stack */
    u64 kept[6];            /* rbx rbp r12 r13 r14 r15: lost when a bad pointer ends a handler midway */
    char *arena;            /* what the thread held when the call began (threads/thread.h) */
    u64 held;
    struct frame *previous; /* the call that a signal handler interrupted, on the same internal stack */
};

struct thread;

/* State that outlives a vfork: the child uses the memory of this thread, its internal stack included. */
struct vfork_state {
    struct frame parent;
    struct frame child;
    u64 call[5];             /* arguments of clone */
    u64 change_stack;        /* the child must give its signal stack this new, lower end ... */
    struct sigaltstack stack;
    struct thread *saved;
};

/* In entry.S. */
void start(void);          /* entry point of the program */
void sigsys_door(void);    /* handler of SIGSYS */
void trap_door(void);      /* a stopped call goes on here, outside signal context */
void fault_door(void);     /* a bad pointer was met: the call ends with EFAULT */
void sigreturn_door(void); /* rt_sigreturn, with SIGSYS kept unblocked */
void signal_restorer(void);
long thread_spawn(const u64 *clone_arguments, struct thread *fresh, struct frame *first);
_Noreturn void vfork_call(struct vfork_state *state);
_Noreturn void thread_leave(long status, u32 *lock);
_Noreturn void enter_program(u64 *stack, u64 entry);

/* Called by entry.S. */
void sigsys_sent(int number, struct siginfo *info, struct ucontext *context);
long dispatch(struct frame *frame);
long dispatch_abandoned(struct frame *frame);
void thread_begin(struct thread *fresh);
void vfork_resume(struct vfork_state *state, long result);
_Noreturn void start_program(u64 *stack);

static inline __attribute__((always_inline)) struct thread *this_thread(void)
{
    struct thread *thread;
    __asm__("mov %%gs:16, %0" : "=r"(thread));
    return thread;
}

#endif
