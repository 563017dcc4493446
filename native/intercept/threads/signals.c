#include "signals.h"

#include "../kernel/message.h"
#include "process.h"

/* Theory of operation.
 *
 * SIGSYS brings the stopped calls. Its handler does no work: it leaves its frame and goes on at a door (entry.S), with the guest's own signal
 * mask. The work runs as if the guest had called a function: EINTR, SA_RESTART, masks and longjmp out of a blocking call
 * come out right by themselves. SIGSYS must never be blocked (the kernel would end the process), so it is taken out of every mask
 * that the guest hands to the kernel, also of the one that a handler returns with (sigreturn_door).
 *
 * SIGSEGV and SIGBUS are taken because handlers read and write the guest's memory directly: a fault inside the engine is the guest's bad
 * pointer and ends the call with EFAULT. All other faults go to the guest's handler, with its flags and mask, or to the default action.
 *
 * The guest sees none of this: it gets its own actions back for the three. */

static const u8 taken[ACTION_COUNT] = {SIGSYS, SIGSEGV, SIGBUS};

extern char engine_text_end[] __asm__("etext") __attribute__((visibility("hidden")));

typedef void handler_type(int, struct siginfo *, struct ucontext *);

static struct sigaction *action_of(long number)
{
    for (int i = 0; i < ACTION_COUNT; i++)
        if (taken[i] == number)
            return &process.actions[i];
    return NULL;
}

/* A SIGSYS that no filter caused. */
void sigsys_sent(int number, struct siginfo *info, struct ucontext *context)
{
    u64 handler = process.actions[ACTION_SYS].handler;
    if (handler > SIG_IGN)
        ((handler_type *)handler)(number, info, context);
    else if (handler == SIG_DFL)
        KERNEL(exit_group, 128 + SIGSYS);
}

static void arm_fault(int number);

static void on_fault(int number, struct siginfo *info, struct ucontext *context)
{
    bool real = info->code > 0;
    struct thread *thread = this_thread();
    if (real && context->rip >= ENGINE_TEXT && context->rip < (u64)engine_text_end) {
        if (thread->frame) {
            context->rsp = (u64)thread->frame;
            context->rip = (u64)fault_door;
            return;
        }
        if (context->rip < (u64)sigreturn_door || context->rip > (u64)thread_spawn)
            fail(STATUS_FAILED, "the interception engine failed in ", process.program ? process.program : "its start", NULL);
    }
    struct sigaction *action = action_of(number);
    u64 handler = action->handler;
    if (handler > SIG_IGN) {
        if ((action->flags & SA_RESETHAND) && !thread->borrowed)
            action->handler = SIG_DFL;
        ((handler_type *)handler)(number, info, context);
        return;
    }
    if (handler == SIG_IGN && !real)
        return;
    struct sigaction standard = {SIG_DFL, SA_RESTORER, (u64)signal_restorer, 0};
    KERNEL(rt_sigaction, number, &standard, NULL, 8);
    if (!real) {
        long process_id = KERNEL(getpid), thread_id = KERNEL(gettid);
        KERNEL(tgkill, process_id, thread_id, number);
    }
}

static void arm_fault(int number)
{
    const struct sigaction *guest = action_of(number);
    bool handled = guest->handler > SIG_IGN;
    u64 flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER | (handled ? guest->flags & (SA_RESTART | SA_NODEFER) : SA_NODEFER);
    struct sigaction action = {(u64)on_fault, flags, (u64)signal_restorer, handled ? guest->mask & ~SIGNAL_BIT(SIGSYS) : 0};
    struct sigaction old;
    KERNEL(rt_sigaction, number, &action, &old, 8);
}

void signals_arm(u64 ignored)
{
    struct sigaction action = {
        (u64)sigsys_door, SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESTORER, (u64)signal_restorer, 0,
    };
    for (int i = 0; i < ACTION_COUNT; i++) {
        struct sigaction old;
        if (i == ACTION_SYS)
            KERNEL(rt_sigaction, SIGSYS, &action, &old, 8);
        else
            arm_fault(taken[i]);
        if (ignored & SIGNAL_BIT(taken[i]))
            process.actions[i].handler = SIG_IGN;
    }
}

u64 signals_ignored(void)
{
    u64 bits = 0;
    for (int i = 0; i < ACTION_COUNT; i++)
        if (process.actions[i].handler == SIG_IGN)
            bits |= SIGNAL_BIT(taken[i]);
    return bits;
}

/* A vfork child has its own table of actions in the kernel, but ours is its parent's: it sets the kernel's. */
static long borrowed_sigaction(long number, const struct sigaction *new)
{
    if (!new || number == SIGSYS)
        return 0;
    struct sigaction action = *new;
    action.mask &= ~SIGNAL_BIT(SIGSYS);
    return KERNEL(rt_sigaction, number, &action, NULL, 8);
}

long call_rt_sigaction(struct frame *frame)
{
    long number = (i32)frame->arg[0];
    const struct sigaction *new = (const struct sigaction *)frame->arg[1];
    struct sigaction *old = (struct sigaction *)frame->arg[2], *guest = action_of(number);
    if (frame->arg[3] != 8)
        return -EINVAL;
    if (!guest) {
        if (!new)
            return KERNEL(rt_sigaction, number, NULL, old, 8);
        struct sigaction action = *new;
        action.mask &= ~SIGNAL_BIT(SIGSYS);
        return KERNEL(rt_sigaction, number, &action, old, 8);
    }
    struct sigaction before = *guest;
    if (this_thread()->borrowed) {
        long error = borrowed_sigaction(number, new);
        if (error)
            return error;
    } else if (new) {
        *guest = *new;
        guest->mask &= ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
        if (number != SIGSYS)
            arm_fault((int)number);
    }
    if (old)
        *old = before;
    return 0;
}

/* A copy of the guest's set without SIGSYS. */
static u64 *without_sigsys(u64 set, u64 *copy)
{
    if (!set)
        return NULL;
    *copy = *(const u64 *)set & ~SIGNAL_BIT(SIGSYS);
    return copy;
}

long call_rt_sigprocmask(struct frame *frame)
{
    u64 copy;
    i32 how = (i32)frame->arg[0];
    /* A wrong `how` is passed on unread: some programs use it to ask whether memory is there. */
    if (how < SIG_BLOCK || how > SIG_SETMASK || frame->arg[3] != 8)
        return KERNEL(rt_sigprocmask, how, frame->arg[1], frame->arg[2], frame->arg[3]);
    return KERNEL(rt_sigprocmask, how, without_sigsys(frame->arg[1], &copy), frame->arg[2], 8);
}

long call_rt_sigsuspend(struct frame *frame)
{
    u64 copy;
    if (frame->arg[1] != 8)
        return -EINVAL;
    return KERNEL(rt_sigsuspend, without_sigsys(frame->arg[0], &copy), 8);
}

long call_ppoll(struct frame *frame)
{
    u64 copy;
    if (frame->arg[4] != 8)
        return KERNEL(ppoll, frame->arg[0], frame->arg[1], frame->arg[2], frame->arg[3], frame->arg[4]);
    return KERNEL(ppoll, frame->arg[0], frame->arg[1], frame->arg[2], without_sigsys(frame->arg[3], &copy), 8);
}

long call_epoll_pwait(struct frame *frame)
{
    u64 copy;
    const u64 *a = frame->arg;
    u64 *set = a[5] == 8 ? without_sigsys(a[4], &copy) : (u64 *)a[4];
    return kernel_call((long)frame->nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)set, (long)a[5]);
}

long call_pselect6(struct frame *frame)
{
    const u64 *a = frame->arg, *pair = (const u64 *)a[5];
    u64 copy, own[2];
    if (pair) {
        own[0] = pair[1] == 8 ? (u64)without_sigsys(pair[0], &copy) : pair[0];
        own[1] = pair[1];
    }
    return KERNEL(pselect6, a[0], a[1], a[2], a[3], a[4], pair ? own : NULL);
}

/* The kernel's signal stack is the engine's; the guest gets an account of its own. A handler that asks where it stands is told the truth: on ours
 * (Go's needs that). It may change its account from there, because natively it might stand elsewhere. */
long call_sigaltstack(struct frame *frame)
{
    struct thread *thread = this_thread();
    const struct sigaltstack *new = (const struct sigaltstack *)frame->arg[0];
    struct sigaltstack *old = (struct sigaltstack *)frame->arg[1], before = thread->alternate;
    bool inside = frame->sp > thread->low && frame->sp <= thread->high;
    if (inside)
        before = (struct sigaltstack){thread->low, SS_ONSTACK, 0, thread->high - thread->low};
    if (new) {
        struct sigaltstack wanted = *new;
        u32 mode = wanted.flags & ~SS_AUTODISARM;
        if (mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK)
            return -EINVAL;
        if (mode == SS_DISABLE) {
            wanted.sp = wanted.size = 0;
        } else {
            if (wanted.size < MINSIGSTKSZ)
                return -ENOMEM;
            wanted.flags &= SS_AUTODISARM;
        }
        thread->alternate = wanted;
    }
    if (old)
        *old = before;
    return 0;
}
