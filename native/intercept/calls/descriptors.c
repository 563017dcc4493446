/* The engine's own descriptors: for the guest they do not exist. The filter stops these calls only for numbers in that range. */
#include "../threads/process.h"
#include "calls.h"

long call_close(struct frame *frame)
{
    (void)frame;
    return -EBADF;
}

long call_dup2(struct frame *frame)
{
    /* What a number above the limit gets, which these usually are; a bad first argument says the same. */
    (void)frame;
    return -EBADF;
}

long call_dup3(struct frame *frame)
{
    (void)frame;
    return -EBADF;
}

/* F_SETFD: a program that marks everything close-on-exec may go on believing it did. */
long call_fcntl(struct frame *frame)
{
    (void)frame;
    return 0;
}

long call_close_range(struct frame *frame)
{
    u64 first = (u32)frame->arg[0], last = (u32)frame->arg[1], flags = frame->arg[2];
    u64 reserved_first = container->first_reserved, reserved_end = reserved_first + container->reserved_count;
    if (last < first)
        return -EINVAL;
    if (flags & CLOSE_RANGE_UNSHARE)
        this_thread()->no_cache = true;
    if (last < reserved_first || first >= reserved_end)
        return KERNEL(close_range, first, last, flags);
    long error = 0;
    if (first < reserved_first)
        error = KERNEL(close_range, first, reserved_first - 1, flags);
    if (!error && last >= reserved_end)
        error = KERNEL(close_range, reserved_end, last, flags);
    if (!error && first >= reserved_first && last < reserved_end)
        error = KERNEL(close_range, ~0u, ~0u, flags); /* nothing to close, but flags to judge */
    return error;
}
