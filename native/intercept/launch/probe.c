/* --probe: does this machine let the engine work? Each thing it needs is tried out in a child, never by a version number. Prints `name ok` or
 * `name ERRNO WORDS` a line, as `sampan-run --probe` does. */
#include "../filter/filter.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "launch.h"

#define LEAST_DESCRIPTORS 96 /* the engine's, a few binds' and what any program needs */

static void report(const char *name, long result)
{
    char line[256], *at = put_text(put_text(line, name), " ");
    if (result >= 0) {
        at = put_text(at, "ok\n");
    } else {
        at = put_text(put_number(at, (u64)-result), " ");
        at = put_text(put_text(at, error_words(result)), "\n");
    }
    KERNEL(write, 1, line, at - line);
}

static long memory_file(void)
{
    long fd = KERNEL(memfd_create, CONTAINER_FILE_NAME, MFD_CLOEXEC);
    if (fd >= 0)
        KERNEL(close, fd);
    return fd;
}

/* In a child, because a filter stays for ever: the real one. */
static long try_filter(void)
{
    i32 status = 0;
    long child = KERNEL(clone, 17, 0, 0, 0, 0);
    if (child == 0) {
        /* Inside a container the description of that one is there. */
        KERNEL(mmap, ENGINE_BASE, PAGE + CONTAINER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        making->first_reserved = 1024;
        making->reserved_count = RESERVED_BINDS;
        long error = filter_install();
        for (;;)
            KERNEL(exit_group, error < 0 && error > -256 ? -error : error ? 1 : 0);
    }
    if (child < 0)
        return child;
    while (KERNEL(wait4, child, &status, 0, NULL) == -EINTR)
        ;
    return status & 0x7f ? -EINTR : -(long)((status >> 8) & 0xff);
}

/* Starting programs means executing this file again. */
static long try_exec(void)
{
    static char name[] = "sampan-intercept", version[] = "--version";
    char *const argv[] = {name, version, NULL}, *const envp[] = {NULL};
    i32 status = 0;
    long child = KERNEL(clone, 17, 0, 0, 0, 0);
    if (child == 0) {
        long null = KERNEL(openat, AT_FDCWD, "/dev/null", O_WRONLY, 0);
        if (null >= 0)
            KERNEL(dup3, null, 1, 0);
        long error = KERNEL(execve, "/proc/self/exe", argv, envp);
        for (;;)
            KERNEL(exit_group, error < 0 && error > -256 ? -error : 1);
    }
    if (child < 0)
        return child;
    while (KERNEL(wait4, child, &status, 0, NULL) == -EINTR)
        ;
    return status & 0x7f ? -EINTR : -(long)((status >> 8) & 0xff);
}

static long try_landlock(void)
{
    long version = KERNEL(landlock_create_ruleset, NULL, 0, 1);
    /* Version 1 refuses renaming from one directory into another. */
    return version < 0 ? version : version < 2 ? -ENOSYS : 0;
}

/* A launch file of the greatest size, and what a start needs besides. */
static long try_memory(void)
{
    long got = KERNEL(mmap, 0, FILE_LIMIT + (4 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return is_error(got) ? got : 0;
}

static long try_descriptors(void)
{
    struct rlimit limit;
    long error = KERNEL(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit);
    return error ? error : limit.hard < RESERVED_BINDS + LEAST_DESCRIPTORS ? -EMFILE : 0;
}

static long try_openat2(void)
{
    struct open_how how = {O_PATH | O_CLOEXEC, 0, 0};
    return KERNEL(openat2, AT_FDCWD, "/", &how, sizeof how);
}

void probe_failed(const char *name, long error)
{
    report(name, error);
    for (;;)
        KERNEL(exit_group, 0);
}

void probe(void)
{
    char link[8];
    long filter = try_filter(), proc = KERNEL(readlinkat, AT_FDCWD, "/proc/self/fd/0", link, sizeof link);
    report("address", 0);
    report("memory", try_memory());
    report("descriptors", try_descriptors());
    report("filter", filter);
    report("memory-file", memory_file());
    report("proc", proc == -ENOENT && !KERNEL(faccessat, AT_FDCWD, "/proc/self/fd", 0) ? 0 : proc);
    report("exec", try_exec());
    report("openat2", try_openat2());
    report("landlock", try_landlock());
    for (;;)
        KERNEL(exit_group, 0);
}
