/* In the new process: the program and its dynamic loader are mapped and started as the kernel would do it. */
#include "../identity/identity.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../threads/process.h"
#include "elf.h"
#include "exec.h"
#include "state.h"

struct image {
    u64 bias, entry;
    u64 start, end;
    u64 segments;   /* where its segment table is in memory */
    u16 segment_count;
};

static u64 page_down(u64 value)
{
    return value & ~(PAGE - 1);
}

static u64 page_up(u64 value)
{
    return page_down(value + PAGE - 1);
}

static _Noreturn void cannot_load(const char *what, long error)
{
    fail(STATUS_FAILED, "the interception engine cannot load ", process.program, ": ", what, ": ", error_words(error), NULL);
}

/* The file's part of a segment. Where a file system is mounted noexec the kernel maps no code: it is read into memory. */
static void map_file_part(const struct elf_file *file, u64 address, u64 size, u64 offset, u32 protection)
{
    u64 got = (u64)KERNEL(mmap, address, size, protection, MAP_PRIVATE | MAP_FIXED, file->fd, offset);
    if (got == (u64)-EPERM && (protection & PROT_EXEC)) {
        got = (u64)KERNEL(mmap, address, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        for (u64 done = 0; got == address && done < size;) {
            long part = KERNEL(pread64, file->fd, address + done, size - done, offset + done);
            if (part <= 0)
                break;
            done += (u64)part;
        }
        if (got == address)
            KERNEL(mprotect, address, page_up(size), protection);
    }
    if (got != address)
        cannot_load("its place in memory is taken", is_error((long)got) ? (long)got : -ENOMEM);
}

static u32 protection_of(const struct elf_segment *segment)
{
    return (segment->flags & PF_R ? PROT_READ : 0) | (segment->flags & PF_W ? PROT_WRITE : 0) | (segment->flags & PF_X ? PROT_EXEC : 0);
}

static void map_segment(const struct elf_file *file, const struct elf_segment *segment, u64 bias)
{
    u64 address = bias + segment->vaddr, start = page_down(address);
    u64 file_end = address + segment->filesz, end = address + segment->memsz;
    u32 protection = protection_of(segment);
    u64 zero_from = start;
    if (segment->filesz) {
        map_file_part(file, start, file_end - start, page_down(segment->offset), protection);
        zero_from = page_up(file_end);
        /* To the end of the page, as the kernel does: dynamic loaders use the rest of it. */
        if (end > file_end && (protection & PROT_WRITE))
            memset((void *)file_end, 0, zero_from - file_end);
    }
    if (end > zero_from) {
        u64 got = (u64)KERNEL(mmap, zero_from, page_up(end) - zero_from, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (got != zero_from)
            cannot_load("no room for its data", is_error((long)got) ? (long)got : -ENOMEM);
    }
}

/* A place for a position independent image, aligned as its segments want it. */
static u64 find_room(u64 low, u64 high, u64 align, u64 hint)
{
    u64 size = page_up(high) - page_down(low), extra = align > PAGE ? align : 0;
    u64 got = (u64)KERNEL(mmap, hint & ~(align - 1), size + extra, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (is_error((long)got))
        cannot_load("no room in memory", (long)got);
    if (!extra)
        return got - page_down(low);
    u64 start = (got + align - 1) & ~(align - 1);
    if (start > got)
        KERNEL(munmap, got, start - got);
    if (start + size < got + size + extra)
        KERNEL(munmap, start + size, got + extra - start);
    return start - page_down(low);
}

/* A program for a fixed address: is it free? Kernels before 4.17 take MAP_FIXED_NOREPLACE as a hint, so the address is compared. */
static void check_room(u64 start, u64 size)
{
    u64 got = (u64)KERNEL(mmap, start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != start)
        cannot_load("its place in memory is taken", is_error((long)got) ? (long)got : -EEXIST);
    KERNEL(munmap, start, size);
}

static void map_image(const struct elf_file *file, struct image *image, u64 hint)
{
    const struct elf_header *header = &file->start.header;
    u64 low = ~0UL, high = 0, align = PAGE;
    for (u16 i = 0; i < header->phnum; i++) {
        const struct elf_segment *segment = &file->segments[i];
        if (segment->type != PT_LOAD)
            continue;
        if (segment->vaddr < low)
            low = segment->vaddr;
        if (segment->vaddr + segment->memsz > high)
            high = segment->vaddr + segment->memsz;
        if (segment->align > align && !(segment->align & (segment->align - 1)))
            align = segment->align;
    }
    if (low >= high)
        cannot_load("it has nothing to load", -ENOEXEC);
    image->bias = 0;
    if (header->type == ET_DYN)
        image->bias = find_room(low, high, align, hint);
    else
        check_room(page_down(low), page_up(high) - page_down(low));
    for (u16 i = 0; i < header->phnum; i++) {
        const struct elf_segment *segment = &file->segments[i];
        if (segment->type != PT_LOAD)
            continue;
        map_segment(file, segment, image->bias);
        if (header->phoff >= segment->offset && header->phoff < segment->offset + segment->filesz)
            image->segments = image->bias + segment->vaddr + header->phoff - segment->offset;
    }
    image->start = image->bias + page_down(low);
    image->end = image->bias + page_up(high);
    image->entry = image->bias + header->entry;
    image->segment_count = header->phnum;
}

static void read_image(struct elf_file *file, int fd)
{
    long error = elf_read(file, fd);
    if (!error)
        error = elf_check(file);
    if (error)
        cannot_load("it changed while it was started", error);
}

/* Code on the stack, for programs that ask for it. */
static void allow_code_on_stack(const struct elf_file *file, const u64 *stack)
{
    for (u16 i = 0; i < file->start.header.phnum; i++)
        if (file->segments[i].type == PT_GNU_STACK && (file->segments[i].flags & PF_X))
            KERNEL(mprotect, page_down((u64)stack), PAGE, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
}

static void set_auxiliary(u64 *entry, const struct image *program, const struct image *interpreter, const struct exec_state *state)
{
    for (; entry[0] != AT_NULL; entry += 2)
        switch (entry[0]) {
        case AT_PHDR: entry[1] = program->segments; break;
        case AT_PHENT: entry[1] = sizeof(struct elf_segment); break;
        case AT_PHNUM: entry[1] = program->segment_count; break;
        case AT_BASE: entry[1] = interpreter->bias; break;
        case AT_ENTRY: entry[1] = program->entry; break;
        case AT_EXECFN: entry[1] = (u64)state->started_by; break;
        case AT_UID: case AT_EUID: case AT_GID: case AT_EGID: entry[1] = identity_auxiliary(entry[0], entry[1]); break;
        default: break;
        }
}

static void name_process(const char *path)
{
    const char *name = path;
    for (const char *at = path; *at; at++)
        if (at[0] == '/' && at[1])
            name = at + 1;
    KERNEL(prctl, PR_SET_NAME, name);
}

static u64 random_from(const u64 *entry)
{
    for (; entry[0] != AT_NULL; entry += 2)
        if (entry[0] == AT_RANDOM)
            return *(const u64 *)entry[1];
    return 0;
}

/* What the kernel believes of the program: it knows only the engine's own. Debuggers read the auxiliary vector there (/proc/PID/auxv) to find out
 * where a program lies. Kernels without checkpoint and restore refuse it. */
static void tell_kernel(const struct image *program, const struct exec_state *state, const u64 *stack, const u64 *auxiliary, u64 words)
{
    u64 brk = (u64)KERNEL(brk, 0), argument_count = stack[0];
    const u64 *arguments = stack + 1, *variables = arguments + argument_count + 1;
    u64 end = (u64)state->jail + strlen(state->jail) + 1, first_variable = variables[0] ? variables[0] : (u64)state->word;
    struct memory_map map = {
        .start_code = program->start, .end_code = program->end, .start_data = program->end, .end_data = program->end, .start_brk = brk, .brk = brk,
        .start_stack = (u64)stack, .arg_start = arguments[0], .arg_end = first_variable, .env_start = first_variable, .env_end = end,
        .auxv = auxiliary, .auxv_size = (u32)(words * sizeof(u64)), .exe_fd = ~0u,
    };
    KERNEL(prctl, PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0);
}

/* `stack` points to argc. The state word is the last variable: everything behind it moves down by one word. */
void load_program(const struct exec_state *state, u64 *stack)
{
    struct elf_file *file = (struct elf_file *)arena_take(sizeof *file);
    struct image program = {0}, interpreter = {0};
    u64 *variables = stack + 1 + stack[0] + 1, count = 0, trap = SIGNAL_BIT(SIGTRAP);
    while (variables[count])
        count++;
    u64 *auxiliary = variables + count + 1;
    variables[count - 1] = 0;
    u64 words = 2;
    for (const u64 *entry = auxiliary; entry[0] != AT_NULL; entry += 2)
        words += 2;
    memmove(auxiliary - 1, auxiliary, words * sizeof *auxiliary);
    auxiliary--;

    process.random = random_from(auxiliary);
    u64 scatter = KERNEL(personality, 0xffffffff) & ADDR_NO_RANDOMIZE ? 0 : (process.random & PIE_RANDOM_PAGES) * PAGE;
    read_image(file, (int)state->program);
    map_image(file, &program, PIE_BASE + scatter);
    allow_code_on_stack(file, stack);
    KERNEL(close, state->program);
    u64 entry = program.entry;
    if (state->interpreter != STATE_NONE) {
        read_image(file, (int)state->interpreter);
        map_image(file, &interpreter, 0);
        KERNEL(close, state->interpreter);
        entry = interpreter.entry;
    }
    set_auxiliary(auxiliary, &program, &interpreter, state);
    tell_kernel(&program, state, stack, auxiliary, words);
    name_process(state->started_by);
    if (!state->trap_blocked)
        KERNEL(rt_sigprocmask, SIG_UNBLOCK, &trap, NULL, 8);
    enter_program(stack, entry);
}
