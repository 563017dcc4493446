#include "../kernel/message.h"
#include "../paths/cache.h"
#include "../threads/process.h"
#include "calls.h"
#include "trace.h"

static long run(struct frame *frame)
{
    const struct call *call = frame->nr < CALL_LIMIT ? &calls[frame->nr] : NULL;
    const u64 *a = frame->arg;
    if (call && call->handler)
        return call->handler(frame);
    return kernel_call((long)frame->nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
}

/* Entered at the top of the stack with things still noted: the guest left a call by a longjmp out of a signal handler. */
static void forget_abandoned(struct thread *thread)
{
    if (thread->holds_cache_lock)
        cache_unlock(thread);
    release_held(thread, thread->held_base);
    thread->arena = thread->arena_base;
    thread->scope = NULL;
}

static void give_back(struct thread *thread, const struct frame *frame)
{
    release_held(thread, (u32)frame->held);
    thread->arena = frame->arena;
}

long dispatch(struct frame *frame)
{
    struct thread *thread = this_thread();
    if (!frame->previous)
        forget_abandoned(thread);
    frame->held = thread->held_count;
    frame->arena = thread->arena;
    const char *scope = thread->scope;
    thread->scope = NULL;
    if (!has_option(OPTION_TRACE)) {
        long result = run(frame);
        give_back(thread, frame);
        thread->scope = scope;
        return result;
    }
    u64 nr = frame->nr;
    trace_call(frame);
    long result = run(frame);
    trace_result(nr, result);
    give_back(thread, frame);
    thread->scope = scope;
    return result;
}

/* A handler met a bad pointer of the guest. No handler looks at the guest's memory while it holds a lock. */
long dispatch_abandoned(struct frame *frame)
{
    give_back(this_thread(), frame);
    if (has_option(OPTION_TRACE))
        trace_result(frame->nr, -EFAULT);
    return -EFAULT;
}
