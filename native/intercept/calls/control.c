/* Calls that could take the engine its footing: filters, the thread register, and the like. */
#include "../identity/identity.h"
#include "calls.h"

/* A guest's own filter would see the engine's calls and could end the process for them. Programs that install one to protect
 * themselves (file, sshd, apt) go on as if it were there. */
long call_seccomp(struct frame *frame)
{
    u64 operation = frame->arg[0], flags = frame->arg[1];
    if (operation == SECCOMP_SET_MODE_STRICT)
        return flags || frame->arg[2] ? -EINVAL : 0;
    if (operation != SECCOMP_SET_MODE_FILTER)
        return KERNEL(seccomp, operation, flags, frame->arg[2]);
    if (!frame->arg[2])
        return -EFAULT;
    return flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? -EINVAL : 0;
}

long call_prctl(struct frame *frame)
{
    const u64 *a = frame->arg;
    switch (a[0]) {
    case PR_SET_SECCOMP:
        return a[1] == 1 || (a[1] == SECCOMP_MODE_FILTER && a[2]) ? 0 : a[1] == SECCOMP_MODE_FILTER ? -EFAULT : -EINVAL;
    case PR_GET_SECCOMP:
        return 0;
    case PR_SET_KEEPCAPS:
        return has_option(OPTION_SHOWN_IDS) ? identity_keep_capabilities(a[1]) : KERNEL(prctl, a[0], a[1], a[2], a[3], a[4]);
    default: /* PR_SET_SYSCALL_USER_DISPATCH: would take calls away from the engine */
        return -EINVAL;
    }
}

/* Once a process is traced, each of its stopped calls stops it for its tracer as well. A vfork child's parent sleeps until the child
 * executes a program: it would never see that. So such a child is traced only then (exec/exec.c). */
long call_ptrace(struct frame *frame)
{
    struct thread *thread = this_thread();
    if (!thread->borrowed)
        return KERNEL(ptrace, frame->arg[0], frame->arg[1], frame->arg[2], frame->arg[3]);
    thread->wants_tracer = true;
    return 0;
}

/* The thread register finds the engine's data (threads/thread.h). A shadow stack would notice that the handler of SIGSYS does not return. */
long call_arch_prctl(struct frame *frame)
{
    (void)frame;
    return -EPERM;
}

/* Pinned objects are named by paths of the host. */
long call_bpf(struct frame *frame)
{
    (void)frame;
    return -EPERM;
}
