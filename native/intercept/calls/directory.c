/* The current directory, the root, and watches on names. */
#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/process.h"
#include "calls.h"

static void directory_changed(int bind)
{
    process.directory_changes++;
    if (!this_thread()->borrowed)
        process.directory_bind = bind;
}

static long open_last_directory(const struct place *place)
{
    if (has_option(OPTION_NO_OPENAT2))
        return open_last(place->fd, place->name, OPEN_DIRECTORY, 0);
    return open_temporary(place->fd, place->name, OPEN_DIRECTORY, RESOLVE_NO_SYMLINKS);
}

/* A directory by its path, as a descriptor; `place` tells its bind. */
static long open_found_directory(u64 path, struct place *place)
{
    long error = find_unfollowed(AT_FDCWD, path, place);
    if (error)
        return error;
    long fd = open_last_directory(place);
    if (fd == -ELOOP) {
        error = place_follow(place);
        if (error)
            return error;
        fd = place->magic ? open_temporary(place->fd, place->name, OPEN_DIRECTORY, 0) : open_last_directory(place);
    }
    if (fd >= 0)
        hold_descriptor((int)fd);
    return fd;
}

long call_chdir(struct frame *frame)
{
    struct place place;
    long fd = open_found_directory(frame->arg[0], &place);
    if (fd < 0)
        return fd;
    long error = KERNEL(fchdir, fd);
    if (!error)
        directory_changed(place.magic ? -1 : place.bind);
    return error;
}

long call_fchdir(struct frame *frame)
{
    long error = KERNEL(fchdir, frame->arg[0]);
    if (!error)
        directory_changed(-1);
    return error;
}

long call_getcwd(struct frame *frame)
{
    char *host = arena_take(PATH_LIMIT), *guest = arena_take(PATH_LIMIT);
    if (!host || !guest)
        return -ENOMEM;
    long error = host_path_of(AT_FDCWD, host);
    if (error < 0)
        return error;
    if (!shown_path(host, guest, process.directory_bind))
        return -ENOENT;
    u64 size = strlen(guest) + 1;
    if (size > frame->arg[1])
        return -ERANGE;
    memcpy((char *)frame->arg[0], guest, size);
    return (long)size;
}

/* Only an imitated root may; its new root is a prefix to all absolute paths and an end to `..`. */
long call_chroot(struct frame *frame)
{
    struct place place;
    long fd = open_found_directory(frame->arg[0], &place);
    if (fd < 0)
        return fd;
    if (!has_option(OPTION_SHOWN_IDS) || !identity_is_root() || this_thread()->borrowed)
        return -EPERM;
    char *host = arena_take(PATH_LIMIT), *guest = arena_take(PATH_LIMIT);
    if (!host || !guest)
        return -ENOMEM;
    long error = host_path_of((int)fd, host);
    if (error < 0)
        return error;
    if (!guest_of_host(host, guest, place.bind))
        return -ENOENT;
    if (text_equal(guest, process.jail))
        return 0;
    /* Kept until the process ends: threads may be reading the old one. */
    char *kept = (char *)KERNEL(mmap, 0, PATH_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (is_error((long)kept))
        return -ENOMEM;
    put_text(kept, guest);
    process.jail = kept;
    directories_changed();
    return 0;
}

long call_inotify_add_watch(struct frame *frame)
{
    struct place place;
    char link[40];
    u32 mask = (u32)frame->arg[2];
    if (KERNEL(fcntl, frame->arg[0], F_GETFD) < 0)
        return -EBADF;
    long error = find_object(AT_FDCWD, frame->arg[1], !(mask & IN_DONT_FOLLOW), &place);
    if (error)
        return error;
    long fd = place_open(&place);
    if (fd < 0)
        return fd;
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    return KERNEL(inotify_add_watch, frame->arg[0], link, mask & ~IN_DONT_FOLLOW);
}

#define FAN_MARK_DONT_FOLLOW 4u

long call_fanotify_mark(struct frame *frame)
{
    struct place place;
    char link[40];
    u32 flags = (u32)frame->arg[1];
    long error = find_object(argument_fd(frame, 3), frame->arg[4], !(flags & FAN_MARK_DONT_FOLLOW), &place);
    if (error)
        return error;
    long fd = place_open(&place);
    if (fd < 0)
        return fd;
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    return KERNEL(fanotify_mark, frame->arg[0], flags & ~FAN_MARK_DONT_FOLLOW, frame->arg[2], AT_FDCWD, link);
}

/* quotactl(2) names a device by its path, if at all. */
long call_quotactl(struct frame *frame)
{
    struct place place;
    char link[40];
    long error = find_object(AT_FDCWD, frame->arg[1], true, &place);
    if (error)
        return error;
    long fd = place_open(&place);
    if (fd < 0)
        return fd;
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    return KERNEL(quotactl, frame->arg[0], link, frame->arg[2], frame->arg[3]);
}
