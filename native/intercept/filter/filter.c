/* Theory of operation. The program looks at the call's number by a binary search, then, for calls that matter only with certain
 * arguments, at these, and at last at the instruction pointer: calls from the engine's own addresses pass. In this order, so that
 * the kernel (5.11 and later) finds out that every other number is always allowed and does not run the program for it at all. */
#include "filter.h"

#include "../calls/calls.h"
#include "../container/container.h"

#define PROGRAM_LIMIT 2048

struct program {
    struct sock_filter code[PROGRAM_LIMIT];
    u32 length;
    u16 stopped[CALL_LIMIT]; /* numbers in ascending order */
    u32 stopped_count;
};

static u32 emit(struct program *program, u16 code, u8 jump_true, u8 jump_false, u32 k)
{
    if (program->length < PROGRAM_LIMIT)
        program->code[program->length] = (struct sock_filter){code, jump_true, jump_false, k};
    return program->length++;
}

static void load(struct program *program, u32 offset)
{
    emit(program, BPF_LD_W_ABS, 0, 0, offset);
}

static void answer(struct program *program, u32 value)
{
    emit(program, BPF_RET_K, 0, 0, value);
}

/* Compares the loaded word: both jumps skip so many instructions. */
static void jump(struct program *program, u16 code, u32 k, u8 if_true, u8 if_false)
{
    emit(program, code, if_true, if_false, k);
}

#define LOW(index) ((u32)(offsetof(struct seccomp_data, args) + 8 * (index)))
#define HIGH(index) (LOW(index) + 4)
#define ADDRESS ((u32)offsetof(struct seccomp_data, instruction_pointer))

extern char engine_text_end[] __asm__("etext") __attribute__((visibility("hidden")));

/* Stop, unless the engine calls: its addresses share their upper half, and the heap may begin right behind them. */
static void stop(struct program *program)
{
    load(program, ADDRESS + 4);
    jump(program, BPF_JMP_JEQ_K, (u32)(ENGINE_BASE >> 32), 0, 2);
    load(program, ADDRESS);
    jump(program, BPF_JMP_JGE_K, (u32)(u64)engine_text_end, 0, 1);
    answer(program, SECCOMP_RET_TRAP);
    answer(program, SECCOMP_RET_ALLOW);
}

static void stop_if_not_zero(struct program *program, int index)
{
    load(program, LOW(index));
    jump(program, BPF_JMP_JEQ_K, 0, 0, 3);
    load(program, HIGH(index));
    jump(program, BPF_JMP_JEQ_K, 0, 0, 1);
    answer(program, SECCOMP_RET_ALLOW);
    stop(program);
}

static void stop_if_reserved(struct program *program, int index)
{
    u32 first = container->first_reserved;
    load(program, LOW(index));
    jump(program, BPF_JMP_JGE_K, first, 0, 1);
    jump(program, BPF_JMP_JGE_K, first + container->reserved_count, 0, 1);
    answer(program, SECCOMP_RET_ALLOW);
    stop(program);
}

/* Stop if the low word of an argument is one of these. */
static void stop_if_one_of(struct program *program, int index, const u32 *values, u8 count)
{
    load(program, LOW(index));
    for (u8 i = 0; i < count; i++)
        jump(program, BPF_JMP_JEQ_K, values[i], (u8)(count - i), 0);
    answer(program, SECCOMP_RET_ALLOW);
    stop(program);
}

/* rt_sigprocmask: without a set nothing changes, and unblocking never harms. */
static void stop_if_mask_changes(struct program *program)
{
    load(program, LOW(0));
    jump(program, BPF_JMP_JEQ_K, 1, 0, 1); /* SIG_UNBLOCK */
    answer(program, SECCOMP_RET_ALLOW);
    stop_if_not_zero(program, 1);
}

static void stop_if_signal_matters(struct program *program)
{
    load(program, LOW(0));
    jump(program, BPF_JMP_JEQ_K, SIGSYS, 7, 0);
    jump(program, BPF_JMP_JEQ_K, SIGSEGV, 6, 0);
    jump(program, BPF_JMP_JEQ_K, SIGBUS, 5, 0);
    stop_if_not_zero(program, 1);
}

static void stop_if_sets_flags(struct program *program)
{
    load(program, LOW(1));
    jump(program, BPF_JMP_JEQ_K, F_SETFD, 1, 0);
    answer(program, SECCOMP_RET_ALLOW);
    stop_if_reserved(program, 0);
}

/* mmap: executable, of a file. */
static void stop_if_executable_file(struct program *program)
{
    load(program, LOW(2));
    jump(program, BPF_JMP_JSET_K, PROT_EXEC, 0, 2);
    load(program, LOW(4));
    jump(program, BPF_JMP_JEQ_K, 0xffffffff, 0, 1);
    answer(program, SECCOMP_RET_ALLOW);
    stop(program);
}

/* Attributes of files that are set by ioctl: FS_IOC_SETFLAGS, SETVERSION, FSSETXATTR, SETFSLABEL, encryption and verity, their 32-bit forms. */
static const u32 changing_ioctls[] = {0x40086602, 0x40046602, 0x40087602, 0x40047602, 0x401c5820, 0x41009432, 0x400c6613, 0x40806685};
static const u32 handled_prctls[] = {PR_SET_KEEPCAPS, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_SET_SYSCALL_USER_DISPATCH};
static const u32 refused_arch_prctls[] = {ARCH_SET_GS, ARCH_GET_GS, ARCH_SHSTK_ENABLE};
static const u32 refused_bpf[] = {6, 7}; /* BPF_OBJ_PIN, BPF_OBJ_GET */
static const u32 tracer_requests[] = {0}; /* PTRACE_TRACEME */
static const u32 credential_options[] = {SO_PEERCRED};

static void leaf(struct program *program, u8 when)
{
    switch (when) {
    case ALWAYS: stop(program); break;
    case ANSWER_EPERM: answer(program, SECCOMP_RET_ERRNO | EPERM); break;
    case ANSWER_ENOSYS: answer(program, SECCOMP_RET_ERRNO | ENOSYS); break;
    case IF_RESERVED_0: stop_if_reserved(program, 0); break;
    case IF_RESERVED_1: stop_if_reserved(program, 1); break;
    case IF_1: stop_if_not_zero(program, 1); break;
    case IF_3: stop_if_not_zero(program, 3); break;
    case IF_4: stop_if_not_zero(program, 4); break;
    case IF_5: stop_if_not_zero(program, 5); break;
    case IF_SETS_FLAGS: stop_if_sets_flags(program); break;
    case IF_CHANGES_MASK: stop_if_mask_changes(program); break;
    case IF_SIGNAL_MATTERS: stop_if_signal_matters(program); break;
    case IF_ASKS_TRACER: stop_if_one_of(program, 0, tracer_requests, LENGTH(tracer_requests)); break;
    case IF_PRCTL: stop_if_one_of(program, 0, handled_prctls, LENGTH(handled_prctls)); break;
    case IF_ARCH_PRCTL: stop_if_one_of(program, 0, refused_arch_prctls, LENGTH(refused_arch_prctls)); break;
    case IF_BPF: stop_if_one_of(program, 0, refused_bpf, LENGTH(refused_bpf)); break;
    case IF_IOCTL: stop_if_one_of(program, 1, changing_ioctls, LENGTH(changing_ioctls)); break;
    case IF_EXECUTABLE_FILE: stop_if_executable_file(program); break;
    case IF_ASKS_CREDENTIALS: stop_if_one_of(program, 2, credential_options, LENGTH(credential_options)); break;
    default: answer(program, SECCOMP_RET_ALLOW); break;
    }
}

/* Binary search over stopped[from..to); the number is loaded at every entrance. */
static void search(struct program *program, u32 from, u32 to)
{
    if (to - from == 1) {
        u16 number = program->stopped[from];
        jump(program, BPF_JMP_JEQ_K, number, 1, 0);
        answer(program, SECCOMP_RET_ALLOW);
        leaf(program, calls[number].when);
        return;
    }
    u32 middle = (from + to) / 2;
    jump(program, BPF_JMP_JGE_K, program->stopped[middle], 0, 1);
    u32 far = emit(program, BPF_JMP_JA, 0, 0, 0);
    search(program, from, middle);
    if (far < PROGRAM_LIMIT)
        program->code[far].k = program->length - far - 1;
    search(program, middle, to);
}

static void build(struct program *program)
{
    for (u16 number = 0; number < CALL_LIMIT; number++) {
        const struct call *call = &calls[number];
        if (call->when != NEVER && (!call->options || has_option(call->options)))
            program->stopped[program->stopped_count++] = number;
    }
    load(program, offsetof(struct seccomp_data, arch));
    jump(program, BPF_JMP_JEQ_K, AUDIT_ARCH_NATIVE, 1, 0);
    answer(program, SECCOMP_RET_ERRNO | ENOSYS);
    load(program, offsetof(struct seccomp_data, nr));
    jump(program, BPF_JMP_JGT_K, NR_LAST, 0, 1); /* x32 calls have a high bit, so they are in here */
    answer(program, SECCOMP_RET_ERRNO | ENOSYS);
    search(program, 0, program->stopped_count);
}

/* The three ways to install a filter, newest first. */
static long install(const struct sock_fprog *code)
{
    long error = KERNEL(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, code);
    if (error)
        error = KERNEL(seccomp, SECCOMP_SET_MODE_FILTER, 0, code);
    if (error)
        error = KERNEL(prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, code, 0, 0);
    return error;
}

long filter_install(void)
{
    struct program *program = (struct program *)KERNEL(mmap, 0, sizeof *program, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (is_error((long)program))
        return (long)program;
    build(program);
    if (program->length > PROGRAM_LIMIT)
        return -E2BIG;
    long error = KERNEL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    struct sock_fprog code = {(u16)program->length, program->code};
    if (!error)
        error = install(&code);
    KERNEL(munmap, program, sizeof *program);
    return error;
}
