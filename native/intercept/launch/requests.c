/* The requests, in their order: each becomes binds. */
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/thread.h"
#include "launch.h"

static void bind_host(const struct launch *launch, const char *host, const char *target, bool read_only)
{
    bool outer_read_only;
    struct stat status;
    char *guest = arena_take(PATH_LIMIT);
    long fd = open_host(host, launch->nested, &outer_read_only);
    if (fd < 0 || !guest || KERNEL(fstat, fd, &status))
        return; /* a machine without /dev/mqueue, say */
    settle_target(launch, target, guest, (status.mode & S_IFMT) == S_IFDIR, 0755);
    add_bind((int)fd, guest, BIND_MACHINE | (read_only || outer_read_only ? BIND_READ_ONLY : 0));
}

static void bind_scratch(int fd, const struct launch *launch, const char *target, bool directory, bool read_only)
{
    char *guest = arena_take(PATH_LIMIT);
    if (!guest)
        fail(STATUS_FAILED, "out of memory", NULL);
    settle_target(launch, target, guest, directory, 0755);
    add_bind(fd, guest, read_only ? BIND_READ_ONLY : 0);
}

static const char *below(const char *directory, const char *name)
{
    char *path = arena_take(strlen(directory) + strlen(name) + 2);
    if (!path)
        fail(STATUS_FAILED, "out of memory", NULL);
    put_text(put_text(put_text(path, directory), "/"), name);
    return path;
}

/* What one request took of the thread's memory and descriptors is not needed for the next. */
static void begin_anew(char *mark)
{
    release_held(this_thread(), 0);
    this_thread()->arena = mark;
}

/* As docs/design/launch-file.md has it: a few devices of the host, links, and a place for shared memory. */
static void small_dev(const struct launch *launch, const char *target)
{
    static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty", "pts", "ptmx", "mqueue"};
    static const char *const links[][2] = {
        {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
        {"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"},
    };
    char *mark = this_thread()->arena;
    bind_scratch(scratch_directory(launch, 0755), launch, target, true, false);
    for (size_t i = 0; i < LENGTH(devices); i++, begin_anew(mark))
        bind_host(launch, below("/dev", devices[i]), below(target, devices[i]), false);
    for (size_t i = 0; i < LENGTH(links); i++, begin_anew(mark))
        make_link(links[i][1], below(target, links[i][0]));
    bind_scratch(scratch_directory(launch, 01777), launch, below(target, "shm"), true, false);
}

static void mask(const struct launch *launch, const char *target)
{
    struct stat status;
    char *guest = arena_take(PATH_LIMIT);
    if (!guest || !find_target(target, guest, &status))
        return;
    bool directory = (status.mode & S_IFMT) == S_IFDIR;
    add_bind(directory ? scratch_directory(launch, 0) : scratch_file(launch, "", 0), guest, BIND_READ_ONLY);
}

static void make_read_only(const char *target)
{
    struct stat status;
    char *guest = arena_take(PATH_LIMIT);
    if (guest && find_target(target, guest, &status))
        for (u32 i = 0; i < making->bind_count; i++)
            if (text_equal(container_text(making->binds[i].guest), guest)) {
                making->binds[i].flags |= BIND_READ_ONLY;
                making->options |= OPTION_READ_ONLY;
                return;
            }
    fail(STATUS_FAILED, target, " cannot be made read-only: it is not the place of a bind", NULL);
}

static void add_request(const struct launch *launch, const struct bind_request *request)
{
    struct stat status;
    char *guest = arena_take(PATH_LIMIT);
    if (!guest)
        fail(STATUS_FAILED, "out of memory", NULL);
    switch (request->kind) {
    case REQUEST_BIND:
        if (request->fd < 0 || KERNEL(fstat, request->fd, &status))
            break;
        settle_target(launch, request->guest, guest, (status.mode & S_IFMT) == S_IFDIR, (status.mode & S_IFMT) == S_IFDIR ? 0755 : 0644);
        add_bind(request->fd, guest, BIND_MACHINE | (request->read_only ? BIND_READ_ONLY : 0));
        break;
    case REQUEST_TMPFS: bind_scratch(scratch_directory(launch, request->mode), launch, request->guest, true, request->read_only); break;
    case REQUEST_FILE:
        bind_scratch(scratch_file(launch, request->content, request->mode), launch, request->guest, false, request->read_only);
        break;
    case REQUEST_DIRECTORY: settle_target(launch, request->guest, guest, true, request->mode); break;
    case REQUEST_LINK: make_link(request->host, request->guest); break;
    case REQUEST_DEV: small_dev(launch, request->guest); break;
    case REQUEST_MASK: mask(launch, request->guest); break;
    default: break;
    }
}

/* The caller's directory, where nothing of its name is inside; and one that shall be made. */
static void add_directory(const struct launch *launch)
{
    struct stat status;
    char *guest = arena_take(PATH_LIMIT);
    if (!guest)
        return;
    if (launch->caller_directory && launch->bind_directory && launch->caller_path && !find_target(launch->caller_path, guest, &status)) {
        settle_target(launch, launch->caller_path, guest, true, 0755);
        add_bind(launch->caller_fd, guest, BIND_MACHINE);
    }
    if (launch->create_directory)
        settle_target(launch, launch->directory, guest, true, 0755);
}

void add_requests(struct launch *launch)
{
    char *mark = this_thread()->arena;
    for (u32 i = 0; i < launch->opened_count; i++, begin_anew(mark))
        add_request(launch, &launch->opened[i]);
    add_directory(launch);
    begin_anew(mark);
    for (u32 i = 0; i < launch->request_count; i++, begin_anew(mark))
        if (launch->requests[i].kind == REQUEST_READ_ONLY)
            make_read_only(launch->requests[i].guest);
}
