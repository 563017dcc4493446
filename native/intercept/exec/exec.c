/* execve: everything the kernel would refuse before it gives up the old program is refused here, in its order. Then the kernel runs this
 * engine again, with the guest's arguments and environment; so close-on-exec, signals, threads, vfork, comm and cmdline are the
 * kernel's work. The new process loads the program (loader.c) from the open descriptor it is handed. */
#include "exec.h"

#include "../kernel/text.h"
#include "../kernel/message.h"
#include "../paths/place.h"
#include "../threads/process.h"
#include "../threads/signals.h"
#include "../identity/identity.h"
#include "elf.h"
#include "script.h"
#include "state.h"

#define DEPTH_LIMIT 5
#define ARENA_ARRAY (48 * 1024)

struct exec_failure exec_failure;

struct request {
    const char *started_by;
    char *path;                /* canonical guest path of the ELF program */
    int program, interpreter;
    bool nested;
    const char *prefix[2 * DEPTH_LIMIT + 2]; /* words of `#!` lines, in place of argv[0] */
    int prefix_count;
};

/* On a file system mounted noexec the kernel would say no to everything; there the mode decides. */
static long may_execute(int fd, const struct stat *status)
{
    if (!(status->mode & 0111))
        return -EACCES;
    if (has_option(OPTION_NOEXEC) || (has_option(OPTION_SHOWN_IDS) && identity_is_root()))
        return 0;
    if (!has_option(OPTION_NO_FACCESSAT2))
        return KERNEL(faccessat2, fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS);
    char link[40];
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    return KERNEL(faccessat, AT_FDCWD, link, X_OK);
}

/* A file that shall be executed: open for reading, a regular file one may execute. Held until the end of the call. */
static long open_executable(int from, u64 path, int flags)
{
    struct place place;
    struct stat status;
    char link[40];
    if ((flags & AT_EMPTY_PATH) && !*(const char *)path) {
        if (from == AT_FDCWD)
            return -EACCES; /* a directory */
        if (is_reserved(from) || KERNEL(fcntl, from, F_GETFD) < 0)
            return -EBADF;
        put_number(put_text(link, "/proc/self/fd/"), (u64)(u32)from);
        place = (struct place){.fd = AT_FDCWD, .bind = -1, .name = link, .magic = true};
    } else {
        long error = find_object(from, path, !(flags & AT_SYMLINK_NOFOLLOW), &place);
        if (error)
            return error;
    }
    long error = KERNEL(newfstatat, place.fd, place.name, &status, place_flags(&place));
    if (error)
        return error;
    if ((status.mode & S_IFMT) != S_IFREG)
        return (status.mode & S_IFMT) == S_IFLNK ? -ELOOP : -EACCES;
    long fd = open_temporary(place.fd, place.name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (place.magic ? 0 : O_NOFOLLOW), 0);
    if (fd < 0)
        return fd;
    hold_descriptor((int)fd);
    error = may_execute((int)fd, &status);
    return error ? error : fd;
}

/* The guest's name of an open file; what has none (a memory file) keeps the kernel's. */
static char *path_of(int fd)
{
    char *host = arena_take(PATH_LIMIT), *guest = arena_take(PATH_LIMIT), link[40];
    if (!host || !guest)
        return NULL;
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    long size = KERNEL(readlinkat, AT_FDCWD, link, host, PATH_LIMIT - 1);
    host[size > 0 ? size : 0] = 0;
    return shown_path(host, guest, -1) ? guest : host;
}

/* A program for another machine: run by the one that was named for it, as binfmt_misc would do, else refused by name. */
static COLD long foreign_program(struct request *request, struct elf_file *file)
{
    u32 machine = file->start.header.machine;
    for (u32 i = 0; i < container->foreign_count; i++) {
        const char *runner = container_text(container->foreign[i].program);
        if (container->foreign[i].machine != machine)
            continue;
        request->path = path_of(request->program);
        long fd = KERNEL(openat, AT_FDCWD, runner, O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0 || !request->path)
            return fd < 0 ? fd : -ENOMEM;
        hold_descriptor((int)fd);
        script_add(request->prefix, &request->prefix_count, request->started_by, runner, NULL);
        request->program = (int)fd;
        long error = elf_read(file, (int)fd);
        return error ? error : elf_check(file);
    }
    exec_failure.machine = elf_machine_name(file);
    if (this_thread()->frame) /* not at the start, which has words of its own */
        message("the interception engine cannot run ", request->started_by, ", a program for ", exec_failure.machine, NULL);
    return -ENOEXEC;
}

/* The text given, to the byte: $0 of a script and AT_EXECFN. */
static char *given_name(int from, u64 path, bool by_descriptor)
{
    size_t size = by_descriptor ? 32 : strlen((const char *)path) + 1;
    char *name = size <= PATH_LIMIT ? arena_take(size) : NULL;
    if (!name)
        return NULL;
    if (by_descriptor)
        put_number(put_text(name, "/dev/fd/"), (u64)(u32)from);
    else
        put_text(name, (const char *)path);
    return name;
}

/* The `#!` line at the beginning of `file`: its words are kept; the name of the interpreter. */
static const char *follow_script(struct request *request, struct elf_file *file, long *error)
{
    const char *interpreter, *argument;
    *error = script_parse((char *)file->start.bytes, &interpreter, &argument);
    if (*error)
        return NULL;
    size_t length = strlen(interpreter) + 1, argument_length = argument ? strlen(argument) + 1 : 0;
    char *kept = arena_take(length + argument_length);
    if (!kept) {
        *error = -ENOMEM;
        return NULL;
    }
    put_text(kept, interpreter);
    if (argument)
        put_text(kept + length, argument);
    script_add(request->prefix, &request->prefix_count, request->started_by, kept, argument ? kept + length : NULL);
    exec_failure.what = "the interpreter";
    exec_failure.name = kept;
    return kept;
}

/* From the file named to the ELF program, over `#!` lines. */
static long find_program(struct request *request, struct elf_file *file, int from, u64 path, int flags)
{
    bool by_descriptor = (flags & AT_EMPTY_PATH) && !*(const char *)path;
    request->started_by = given_name(from, path, by_descriptor);
    if (!request->started_by)
        return -ENAMETOOLONG;
    if (!*request->started_by)
        return -ENOENT;
    if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return -EINVAL;
    for (int depth = 0;; depth++) {
        long fd = open_executable(depth ? AT_FDCWD : from, path, depth ? 0 : flags);
        if (fd < 0)
            return fd;
        long error = elf_read(file, (int)fd);
        if (error)
            return error;
        if (!script_has_line(file->start.bytes)) {
            request->program = (int)fd;
            return 0;
        }
        if (depth >= DEPTH_LIMIT)
            return -ELOOP;
        if (by_descriptor && !depth && (KERNEL(fcntl, from, F_GETFD) & FD_CLOEXEC))
            return -ENOENT; /* the script would be gone when its interpreter looks for it */
        path = (u64)follow_script(request, file, &error);
        if (!path)
            return error;
    }
}

/* The dynamic loader, opened by the guest's path, and judged as the kernel does. */
static long find_interpreter(struct request *request, const struct elf_file *file)
{
    char *path = arena_take(PATH_LIMIT);
    struct elf_header header;
    request->interpreter = -1;
    if (!path)
        return -ENOMEM;
    long has = elf_interpreter(file, path);
    if (has <= 0)
        return has;
    exec_failure.what = "the ELF loader";
    exec_failure.name = path;
    long fd = open_executable(AT_FDCWD, (u64)path, 0);
    if (fd < 0)
        return fd;
    if (KERNEL(pread64, fd, &header, sizeof header, 0) != sizeof header)
        return -EIO;
    if (memcmp(header.ident, "\177ELF", 4) || header.machine != ELF_MACHINE)
        return -ELIBBAD;
    request->interpreter = (int)fd;
    return 0;
}

struct arrays {
    char **argv, **envp;
    u64 mapped; /* bytes, if it did not fit the arena */
};

/* The guest's arrays with the words of `#!` lines, and the state word behind the environment. */
static long build_arrays(struct arrays *arrays, const struct request *request, char *const *argv, char *const *envp, char *state)
{
    size_t argument_count = 0, variable_count = 0;
    while (argv && argv[argument_count])
        argument_count++;
    while (envp && envp[variable_count])
        variable_count++;
    u64 size = (argument_count + variable_count + (u64)request->prefix_count + 6) * sizeof(char *);
    char **at = NULL;
    if (size <= ARENA_ARRAY)
        at = (char **)arena_take(size);
    if (!at) {
        at = (char **)KERNEL(mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (is_error((long)at))
            return -ENOMEM;
        arrays->mapped = size;
    }
    arrays->argv = at;
    for (int i = 0; i < request->prefix_count; i++)
        *at++ = (char *)request->prefix[i];
    for (size_t i = request->prefix_count ? 1 : 0; i < argument_count; i++)
        *at++ = argv[i];
    if (at == arrays->argv)
        *at++ = (char *)"";
    *at++ = NULL;
    arrays->envp = at;
    for (size_t i = 0; i < variable_count; i++)
        if (!text_begins(envp[i], STATE_NAME))
            *at++ = envp[i];
    *at++ = state;
    *at = NULL;
    return 0;
}

static long replace_process(const struct request *request, const struct arrays *arrays)
{
    KERNEL(fcntl, request->program, F_SETFD, 0);
    if (request->interpreter >= 0)
        KERNEL(fcntl, request->interpreter, F_SETFD, 0);
    if (this_thread()->wants_tracer)
        KERNEL(ptrace, 0);
    int loader = reserved_descriptor(RESERVED_LOADER);
    long error = has_option(OPTION_NO_EXECVEAT) ? -ENOSYS : KERNEL(execveat, loader, "", arrays->argv, arrays->envp, AT_EMPTY_PATH);
    if (error == -ENOSYS) {
        char link[40];
        put_number(put_text(link, "/proc/self/fd/"), (u64)loader);
        error = KERNEL(execve, link, arrays->argv, arrays->envp);
    }
    if (arrays->mapped)
        KERNEL(munmap, arrays->argv, arrays->mapped);
    return error;
}

/* Where the kernel could not map the engine itself it would kill the process without a word. */
static long check_limits(const struct request *request)
{
    static const struct {
        u32 name, kilobytes;
        const char *words;
    } least[] = {{RLIMIT_AS, 1536, "address space (ulimit -v)"}, {RLIMIT_DATA, 1024, "data (ulimit -d)"}};
    for (size_t i = 0; i < LENGTH(least); i++) {
        struct rlimit limit;
        if (KERNEL(prlimit64, 0, least[i].name, NULL, &limit) || limit.soft >= (u64)least[i].kilobytes << 10)
            continue;
        message("the interception engine cannot start ", request->path, ": the limit of ", least[i].words, " is below ",
                number_text(least[i].kilobytes), " kB", NULL);
        return -ENOMEM;
    }
    return 0;
}

/* A process that is traced gets a SIGTRAP from the kernel when it executes a program. It stays blocked until the program is loaded (loader.c): a
 * debugger takes it for the moment to look where the program lies. */
static long run(const struct request *request, char *const *argv, char *const *envp)
{
    u64 mask, trap = SIGNAL_BIT(SIGTRAP);
    long error = check_limits(request);
    if (error)
        return error;
    struct exec_state state = {
        .program = (u32)request->program, .interpreter = (u32)request->interpreter, .first_reserved = container->first_reserved,
        .directory_bind = (u32)process.directory_bind, .ignored = signals_ignored(), .nested = request->nested,
        .path = request->path, .started_by = request->started_by, .jail = process.jail,
    };
    identity_for_exec(&state, request->program);
    struct arrays arrays = {0};
    char *word = arena_take(state_size(&state));
    error = word ? build_arrays(&arrays, request, argv, envp, word) : -ENOMEM; /* reads the guest's memory: nothing to undo yet */
    if (error)
        return error;
    KERNEL(rt_sigprocmask, SIG_BLOCK, &trap, &mask, 8);
    state.trap_blocked = mask & trap;
    state_write(&state, word);
    error = replace_process(request, &arrays);
    KERNEL(rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8);
    return error;
}

NOINLINE long exec_program(int from, u64 path, char *const *argv, char *const *envp, int flags)
{
    struct request request = {.interpreter = -1};
    struct elf_file *file = (struct elf_file *)arena_take(sizeof *file);
    if (!file)
        return -ENOMEM;
    exec_failure = (struct exec_failure){0};
    long error = find_program(&request, file, from, path, flags);
    if (error)
        return error;
    error = elf_check(file);
    if (error && elf_is_elf(file) && (file->start.header.machine != ELF_MACHINE || file->start.header.ident[4] == 1))
        error = foreign_program(&request, file);
    if (error)
        return error;
    request.nested = elf_is_engine(file);
    error = request.nested ? 0 : find_interpreter(&request, file);
    if (error)
        return error;
    exec_failure.what = NULL;
    if (!request.path)
        request.path = path_of(request.program);
    return request.path ? run(&request, argv, envp) : -ENOMEM;
}

long call_execve(struct frame *frame)
{
    return exec_program(AT_FDCWD, frame->arg[0], (char *const *)frame->arg[1], (char *const *)frame->arg[2], 0);
}

long call_execveat(struct frame *frame)
{
    return exec_program(argument_fd(frame, 0), frame->arg[1], (char *const *)frame->arg[2], (char *const *)frame->arg[3], (int)frame->arg[4]);
}
