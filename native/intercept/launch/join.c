/* A second program in a container that runs: the description of that one is taken over, with all that its processes share.
 *
 * Its descriptors are opened again through /proc/PID/fd: the description, so that binds, ids and the generation of the directory cache are the
 * same ones; the binds' directories; the table of owners; and the scratch directory, whose lock then is held by this process too. All of it is
 * looked up below one descriptor of /proc/PID, so that a process that has ended is never taken for another of the same number. */
#include "../identity/identity.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/binds.h"
#include "../threads/process.h"
#include "launch.h"

#define START_FIELD 20 /* blanks behind the command's name in /proc/PID/stat */
#define LOCK_SHARED 1

static _Noreturn void not_running(const char *pid)
{
    fail(STATUS_FAILED, "the container that process ", pid, " stood for is not running any more", NULL);
}

static bool started_at(int of, u64 start)
{
    char text[1024], *at = text;
    long fd = KERNEL(openat, of, "stat", O_RDONLY | O_CLOEXEC, 0);
    long size = fd < 0 ? fd : KERNEL(read, fd, text, sizeof text - 1);
    u64 value = 0;
    if (fd >= 0)
        KERNEL(close, fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    for (char *c = text; *c; c++)
        if (*c == ')')
            at = c;
    for (u32 blanks = 0; *at && blanks < START_FIELD; at++)
        blanks += *at == ' ';
    return read_number(at, &value, (const char **)&at) && value == start;
}

/* /proc/PID of the process that "PID START" names. */
static int open_process(const char *words)
{
    u64 pid, start;
    char path[40];
    const char *rest;
    if (!read_number(words, &pid, &rest) || *rest != ' ' || !read_number(rest + 1, &start, NULL))
        fail(STATUS_FAILED, "the container to enter is named by a pid and its start time, not by \"", words, "\"", NULL);
    put_number(put_text(path, "/proc/"), pid);
    long fd = KERNEL(openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0 || !started_at((int)fd, start))
        not_running(number_text(pid));
    return (int)fd;
}

static char *fd_path(char *path, u64 number)
{
    put_number(put_text(path, "fd/"), number);
    return path;
}

/* The description is at the number that it calls the first reserved one itself. */
static bool take_description(int of, const char *name)
{
    char path[40], target[300];
    u64 number;
    put_text(put_text(path, "fd/"), name);
    long size = KERNEL(readlinkat, of, path, target, sizeof target - 1);
    if (size <= 0 || !read_number(name, &number, NULL))
        return false;
    target[size] = 0;
    if (!text_begins(target, "/memfd:" CONTAINER_FILE_NAME))
        return false;
    long fd = KERNEL(openat, of, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool found = container_map((int)fd) && container->first_reserved == number;
    KERNEL(close, fd);
    return found;
}

static void find_description(int of)
{
    char buffer[2048];
    bool found = false;
    long fd = KERNEL(openat, of, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        fail(STATUS_FAILED, "the running container may not be looked into: ", error_words(fd), NULL);
    for (long size; !found && (size = KERNEL(getdents64, fd, buffer, sizeof buffer)) > 0;)
        for (long at = 0; at < size && !found;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            at += entry->reclen;
            found = take_description(of, entry->name);
        }
    KERNEL(close, fd);
    if (!found)
        fail(STATUS_FAILED, "the process to join is in no container of this interception engine", NULL);
}

static bool is_scratch(int of, u64 number)
{
    char path[40], target[PATH_LIMIT];
    long size = KERNEL(readlinkat, of, fd_path(path, number), target, sizeof target - 1);
    target[size > 0 ? size : 0] = 0;
    return text_begins(target + base_offset(target, strlen(target)), SCRATCH_PREFIX);
}

static u32 flags_of(int of, u32 role)
{
    if (role == RESERVED_CONTAINER || (role == RESERVED_OWNERS && container->owners_size))
        return O_RDWR;
    if (role == RESERVED_SCRATCH && is_scratch(of, container->first_reserved + role))
        return O_RDONLY | O_DIRECTORY;
    return O_PATH;
}

/* What the guest may never be given: the same numbers as in every process of the container. */
static void take_descriptors(int of)
{
    char path[40];
    for (u32 role = 0; role < container->reserved_count; role++) {
        int number = reserved_descriptor(role);
        bool cached = role >= RESERVED_CACHE && role < RESERVED_BINDS; /* of that process alone */
        u32 flags = flags_of(of, role);
        long fd = KERNEL(openat, of, fd_path(path, cached ? (u64)root_bind()->descriptor : (u64)number), flags | O_CLOEXEC, 0);
        if (fd < 0)
            fail(STATUS_FAILED, "cannot use what the running container uses: ", error_words(fd), NULL);
        if (flags & O_DIRECTORY)
            KERNEL(flock, fd, LOCK_SHARED);
        long error = reserve_descriptor((int)fd, number);
        if (error < 0)
            fail(STATUS_FAILED, "the limit of open files (ulimit -n) is too low to enter the running container", NULL);
        KERNEL(close, fd);
    }
}

/* Each program is started by the loader that the container has, which must understand what this launcher tells it. */
static void check_loader(void)
{
    struct stat own, its;
    long fd = KERNEL(openat, AT_FDCWD, "/proc/self/exe", O_PATH | O_CLOEXEC, 0);
    bool same = fd >= 0 && !KERNEL(fstat, fd, &own) && !KERNEL(fstat, reserved_descriptor(RESERVED_LOADER), &its) && own.dev == its.dev &&
                own.ino == its.ino;
    if (fd >= 0)
        KERNEL(close, fd);
    if (same)
        return;
    message_hint("start the container again, or use the sampan that it was started by");
    fail(STATUS_FAILED, "the running container was started by another copy of the interception engine", NULL);
}

void launch_join(const struct launch *launch)
{
    if (launch->nested)
        fail(STATUS_FAILED, "a running container cannot be entered from inside of another one of this engine", NULL);
    int process_fd = open_process(launch->join);
    find_description(process_fd);
    take_descriptors(process_fd);
    KERNEL(close, process_fd);
    check_loader();
    process.jail = "";
    process.directory_bind = -1;
    if (has_option(OPTION_SHOWN_IDS))
        identity_begin(container->shown_uid, container->shown_gid);
}
