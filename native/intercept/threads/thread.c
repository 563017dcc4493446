#include "thread.h"

#include "../container/container.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "process.h"

static u8 first_stack[INTERNAL_STACK] __attribute__((aligned(4096)));
static char first_arena[ARENA] __attribute__((aligned(4096)));
static struct thread first_thread HOT;
struct process process HOT;

char *arena_take(size_t size)
{
    struct thread *thread = this_thread();
    char *start = thread->arena;
    size = (size + 15) & ~15UL;
    if (size > (size_t)(thread->arena_end - start))
        return NULL;
    thread->arena = start + size;
    return start;
}

static void hold(i32 what)
{
    struct thread *thread = this_thread();
    if (thread->held_count == HELD_LIMIT)
        fail(STATUS_FAILED, "the interception engine holds too many descriptors in one call", NULL);
    thread->held[thread->held_count++] = what;
}

void hold_descriptor(int fd)
{
    hold(fd);
}

void hold_slot(int slot)
{
    hold(~slot);
}

void release_held(struct thread *thread, u32 down_to)
{
    while (thread->held_count > down_to) {
        i32 what = thread->held[--thread->held_count];
        if (what >= 0)
            KERNEL(close, what);
        else
            cache_put(~what);
    }
}

void keep_descriptor(int fd)
{
    struct thread *thread = this_thread();
    for (u32 i = thread->held_count; i-- > 0;)
        if (thread->held[i] == fd) {
            thread->held[i] = thread->held[--thread->held_count];
            return;
        }
}

void thread_arm(struct thread *thread)
{
    KERNEL(arch_prctl, ARCH_SET_GS, thread);
    struct sigaltstack stack = {thread->low, 0, 0, thread->high - thread->low};
    long error = KERNEL(sigaltstack, &stack, NULL);
    if (error)
        fail(STATUS_FAILED, "the interception engine got no signal stack: ", error_words(error), NULL);
}

static void thread_prepare(struct thread *thread, u8 *stack, char *arena)
{
    thread->low = (u64)stack;
    thread->self = thread;
    thread->frame = NULL;
    thread->arena = thread->arena_base = arena;
    thread->arena_end = arena + ARENA;
    thread->held_count = thread->held_base = 0;
    thread->alternate = (struct sigaltstack){0, SS_DISABLE, 0, 0};
    thread->scope = NULL;
    thread->borrowed = thread->no_cache = thread->holds_cache_lock = thread->own_ids = thread->wants_tracer = false;
}

void first_thread_arm(void)
{
    thread_prepare(&first_thread, first_stack, first_arena);
    first_thread.high = (u64)first_stack + INTERNAL_STACK;
    first_thread.is_first = true;
    thread_arm(&first_thread);
}

/* --- threads --- */

static void lock_free_threads(u64 *mask)
{
    u64 all = ~0UL;
    KERNEL(rt_sigprocmask, SIG_SETMASK, &all, mask, 8);
    while (__atomic_exchange_n(&process.free_threads_lock, 1, __ATOMIC_ACQUIRE))
        __asm__ volatile("pause");
}

static void unlock_free_threads(void)
{
    __atomic_store_n(&process.free_threads_lock, 0, __ATOMIC_RELEASE);
}

/* From low to high addresses: arena, internal stack, with the structure at its very top. */
static struct thread *thread_allocate(void)
{
    u64 area = (u64)KERNEL(mmap, 0, ARENA + INTERNAL_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (is_error((long)area))
        return NULL;
    struct thread *thread = (struct thread *)((area + ARENA + INTERNAL_STACK - sizeof(struct thread)) & ~63UL);
    thread_prepare(thread, (u8 *)(area + ARENA), (char *)area);
    thread->high = (u64)thread;
    return thread;
}

void thread_begin(struct thread *fresh)
{
    thread_arm(fresh);
    KERNEL(rt_sigprocmask, SIG_SETMASK, &fresh->start_mask, NULL, 8);
}

/* A new thread, or a process that shares the memory for good. All signals are blocked around it: a handler of the guest that ran
 * before `thread_arm` would work with the parent's thread structure. */
static long spawn(struct frame *frame, u64 flags, u64 stack)
{
    u64 mask;
    lock_free_threads(&mask);
    struct thread *fresh = process.free_threads;
    if (fresh)
        process.free_threads = fresh->next_free;
    unlock_free_threads();
    if (fresh)
        thread_prepare(fresh, (u8 *)fresh->low, (char *)fresh->low - ARENA);
    else
        fresh = thread_allocate();
    if (!fresh) {
        KERNEL(rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
        return -EAGAIN;
    }
    fresh->start_mask = mask;
    fresh->borrowed = !(flags & CLONE_SIGHAND);
    fresh->no_cache = !(flags & CLONE_FILES) || !(flags & CLONE_FS) || this_thread()->no_cache;
    struct frame *first = (struct frame *)((fresh->high - sizeof *first) & ~15UL);
    *first = *frame;
    first->sp = stack ? stack : frame->sp;
    first->previous = NULL;
    u64 arguments[5] = {flags, 0, frame->arg[2], frame->arg[3], frame->arg[4]};
    long result = thread_spawn(arguments, fresh, first);
    if (is_error(result)) {
        while (__atomic_exchange_n(&process.free_threads_lock, 1, __ATOMIC_ACQUIRE))
            __asm__ volatile("pause");
        fresh->next_free = process.free_threads;
        process.free_threads = fresh;
        unlock_free_threads();
    }
    KERNEL(rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
    return result;
}

/* The end of a thread gives its internal stack back without touching it afterwards: from the unlock on another thread may own it. A process
 * that borrowed its memory leaves it to the owner. */
long call_exit(struct frame *frame)
{
    struct thread *thread = this_thread();
    release_held(thread, 0);
    if (thread->is_first || thread->borrowed)
        return KERNEL(exit, frame->arg[0]);
    u64 mask;
    lock_free_threads(&mask);
    struct sigaltstack none = {0, SS_DISABLE, 0, 0};
    KERNEL(sigaltstack, &none, NULL);
    thread->next_free = process.free_threads;
    process.free_threads = thread;
    thread_leave((long)frame->arg[0], &process.free_threads_lock);
}

/* --- processes --- */

static void after_fork(struct thread *thread)
{
    process.free_threads = NULL;
    process.free_threads_lock = 0;
    thread->borrowed = false;
    cache_after_fork(thread);
}

long thread_fork_like(struct frame *frame, u64 flags, u64 stack)
{
    long result = KERNEL(clone, flags, 0, frame->arg[2], frame->arg[3], frame->arg[4]);
    if (result == 0) {
        after_fork(this_thread());
        if (stack)
            frame->sp = stack;
    }
    return result;
}

/* A child that borrows the memory while its parent waits. If the guest stands on the internal stack itself (it is in a signal
 * handler), frames above it are alive: then the child, if it has another stack, must begin below them. */
static long vfork_like(struct frame *frame, u64 flags, u64 stack)
{
    struct thread *thread = this_thread();
    struct vfork_state *state = (struct vfork_state *)arena_take(sizeof *state);
    struct thread *saved = (struct thread *)arena_take(sizeof *saved);
    if (!state || !saved)
        return -ENOMEM;
    *saved = *thread;
    state->parent = state->child = *frame;
    if (stack)
        state->child.sp = stack;
    state->call[0] = flags;
    for (int i = 2; i < 5; i++)
        state->call[i] = frame->arg[i];
    state->saved = saved;
    bool inside = frame->sp > thread->low && frame->sp <= thread->high;
    state->change_stack = inside && stack;
    thread->arena_base = thread->arena;
    thread->held_base = thread->held_count;
    thread->borrowed = true;
    thread->cache_limit = process.cache.clock;
    thread->frame = NULL;
    if (inside)
        thread->high = (frame->sp - 256) & ~15UL;
    state->stack = (struct sigaltstack){thread->low, 0, 0, thread->high - thread->low};
    vfork_call(state);
}

void vfork_resume(struct vfork_state *state, long result)
{
    struct thread *thread = this_thread();
    (void)result;
    *thread = *state->saved;
    thread->frame = state->parent.previous;
    release_held(thread, (u32)state->parent.held);
    thread->arena = state->parent.arena;
}

long call_clone(struct frame *frame)
{
    u64 flags = frame->arg[0], stack = frame->arg[1];
    if (flags & CLONE_NEW_ANY)
        return -EPERM;
    if (!(flags & CLONE_VM))
        return thread_fork_like(frame, flags, stack);
    if (flags & CLONE_VFORK)
        return vfork_like(frame, flags, stack);
    return spawn(frame, flags, stack);
}

#define SIGCHLD 17

long call_fork(struct frame *frame)
{
    (void)frame;
    return thread_fork_like(frame, SIGCHLD, 0);
}

long call_vfork(struct frame *frame)
{
    return vfork_like(frame, CLONE_VM | CLONE_VFORK | SIGCHLD, 0);
}

/* New namespaces would let the guest mount and change its root, of which the engine would know nothing. */
long call_unshare(struct frame *frame)
{
    u64 flags = frame->arg[0];
    if (flags & CLONE_NEW_ANY)
        return -EPERM;
    long result = KERNEL(unshare, flags);
    if (!result && (flags & (CLONE_FS | CLONE_FILES)))
        this_thread()->no_cache = true;
    return result;
}
