/* Questions about files: stat, access, readlink, statfs. */
#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/process.h"
#include "calls.h"

/* The object of a stat-like call by a first try without following: sets *status, follows if it is a link. */
static long stat_found(struct place *place, struct stat *status, bool follow)
{
    long error = KERNEL(newfstatat, place->fd, place->name, status, AT_SYMLINK_NOFOLLOW);
    if (!error && (follow || place->must_be_directory) && (status->mode & S_IFMT) == S_IFLNK) {
        error = place_follow(place);
        if (!error)
            error = KERNEL(newfstatat, place->fd, place->name, status, place_flags(place));
    }
    if (!error && place->must_be_directory && (status->mode & S_IFMT) != S_IFDIR)
        return -ENOTDIR;
    return error;
}

/* The guest's memory is written last: a bad pointer does not hide another error. */
long do_stat(int from, u64 path, struct stat *to, int flags)
{
    struct place place;
    struct stat status;
    long error;
    if ((flags & AT_EMPTY_PATH) && (!path || !*(const char *)path)) {
        error = is_reserved(from) ? -EBADF : KERNEL(newfstatat, from, "", &status, flags);
    } else {
        error = find_unfollowed(from, path, &place);
        if (!error)
            error = stat_found(&place, &status, !(flags & AT_SYMLINK_NOFOLLOW));
    }
    if (error)
        return error;
    if (has_option(OPTION_SHOWN_IDS))
        identity_show_stat(&status);
    *to = status;
    return 0;
}

#define CLOSED_DESCRIPTOR 0x7fffffff /* never open; a negative one would be judged otherwise */
#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)

long call_newfstatat(struct frame *frame)
{
    int from = argument_fd(frame, 0), flags = (int)frame->arg[3];
    struct stat *status = (struct stat *)frame->arg[2];
    if (!(flags & ~STAT_FLAGS))
        return do_stat(from, frame->arg[1], status, flags);
    /* The kernel says which error comes first, and looks nothing up: at most it takes an empty path before it sees the flags. */
    long error = KERNEL(newfstatat, is_reserved(from) ? CLOSED_DESCRIPTOR : from, frame->arg[1], status, flags);
    if (!error && has_option(OPTION_SHOWN_IDS))
        identity_show_stat(status);
    return error;
}

long call_fstat(struct frame *frame)
{
    struct stat *status = (struct stat *)frame->arg[1];
    long error = KERNEL(fstat, frame->arg[0], status);
    if (!error)
        identity_show_stat(status);
    return error;
}

long call_statx(struct frame *frame)
{
    int from = argument_fd(frame, 0), flags = (int)frame->arg[2];
    u64 path = frame->arg[1];
    u32 mask = (u32)frame->arg[3];
    struct statx own, *status = &own;
    struct place place;
    long error;
    int rest = flags & ~AT_SYMLINK_NOFOLLOW & ~AT_EMPTY_PATH;
    if (has_option(OPTION_SHOWN_IDS))
        mask |= STATX_TYPE | STATX_MODE | STATX_UID | STATX_GID | STATX_INO;
    bool invalid = (flags & ~STAT_FLAGS) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || (mask & 0x80000000u);
    if (invalid) {
        error = KERNEL(statx, is_reserved(from) ? CLOSED_DESCRIPTOR : from, path, flags, mask, status); /* as above */
    } else if ((flags & AT_EMPTY_PATH) && (!path || !*(const char *)path)) {
        error = is_reserved(from) ? -EBADF : KERNEL(statx, from, "", flags, mask, status);
    } else {
        error = find_unfollowed(from, path, &place);
        if (error)
            return error;
        error = KERNEL(statx, place.fd, place.name, rest | AT_SYMLINK_NOFOLLOW, mask | STATX_TYPE, status);
        bool follow = !(flags & AT_SYMLINK_NOFOLLOW) || place.must_be_directory;
        if (!error && follow && (status->mode & S_IFMT) == S_IFLNK) {
            error = place_follow(&place);
            if (!error)
                error = KERNEL(statx, place.fd, place.name, rest | place_flags(&place), mask | STATX_TYPE, status);
        }
        if (!error && place.must_be_directory && (status->mode & S_IFMT) != S_IFDIR)
            return -ENOTDIR;
    }
    if (error)
        return error;
    if (has_option(OPTION_SHOWN_IDS))
        identity_show_statx(status);
    *(struct statx *)frame->arg[4] = own;
    return 0;
}

/* --- access --- */

/* faccessat2 by kernels before 5.8: through the magic link of a descriptor, with the real ids. */
static long access_place(struct place *place, int mode, int flags)
{
    if (!has_option(OPTION_NO_FACCESSAT2))
        return KERNEL(faccessat2, place->fd, place->name, mode, (flags & AT_EACCESS) | place_flags(place));
    long fd = place_open(place);
    if (fd < 0)
        return fd;
    char link[40];
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    return KERNEL(faccessat, AT_FDCWD, link, mode);
}

/* On a read-only tree nothing is writable but devices and the like, which are no part of the file system. */
static COLD long access_read_only(struct place *place)
{
    struct stat status;
    long error = KERNEL(newfstatat, place->fd, place->name, &status, place_flags(place) | (place->name[0] ? 0 : AT_EMPTY_PATH));
    if (error)
        return error;
    u32 type = status.mode & S_IFMT;
    return type == S_IFREG || type == S_IFDIR || type == S_IFLNK ? place_writable(place) : 0;
}

long do_access(int from, u64 path, int mode, int flags)
{
    struct place place;
    if ((mode & ~7) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    if ((flags & AT_EMPTY_PATH) && !*(const char *)path) {
        place = (struct place){.fd = from, .bind = -1, .name = ""};
        long error = is_reserved(from) ? -EBADF : KERNEL(faccessat2, from, "", mode, flags);
        return error || !(mode & W_OK) || !has_option(OPTION_READ_ONLY) ? error : access_read_only(&place);
    }
    long error = find_object(from, path, !(flags & AT_SYMLINK_NOFOLLOW), &place);
    if (error)
        return error;
    if (has_option(OPTION_SHOWN_IDS) && identity_is_root())
        error = identity_root_access(&place, mode);
    else
        error = access_place(&place, mode, flags);
    if (!error && (mode & W_OK) && has_option(OPTION_READ_ONLY))
        error = access_read_only(&place);
    return error;
}

long call_faccessat(struct frame *frame)
{
    return do_access(argument_fd(frame, 0), frame->arg[1], (int)frame->arg[2], 0);
}

long call_faccessat2(struct frame *frame)
{
    return do_access(argument_fd(frame, 0), frame->arg[1], (int)frame->arg[2], (int)frame->arg[3]);
}

/* --- readlink --- */

static long copy_out(char *to, u64 size, const char *text)
{
    u64 length = strlen(text);
    if (length > size)
        length = size;
    memcpy(to, text, length);
    return (long)length;
}

static NOINLINE long read_proc_link(struct place *place, char *to, u64 size)
{
    char *text = arena_take(PATH_LIMIT), *shown = arena_take(PATH_LIMIT);
    if (!text || !shown)
        return -ENOMEM;
    long length = KERNEL(readlinkat, place->fd, place->name, text, PATH_LIMIT - 1);
    if (length < 0)
        return length;
    text[length] = 0;
    long kind = proc_link(place->fd, place->name, text);
    if (kind < 0)
        return kind;
    if (kind == LINK_MAGIC && text[0] == '/' && shown_path(text, shown, -1))
        text = shown;
    return copy_out(to, size, text);
}

/* A link of procfs opened with O_PATH. */
static NOINLINE long read_own_link(int fd, char *to, u64 size)
{
    char *host = arena_take(PATH_LIMIT);
    long length = host ? KERNEL(readlinkat, fd, "", host, PATH_LIMIT - 1) : -ENOMEM;
    if (length >= 0)
        length = host_path_of(fd, host);
    if (length < 0)
        return length;
    size_t base = base_offset(host, (size_t)length);
    if (base < 2)
        return -EACCES;
    host[base - 1] = 0;
    struct place place = {.fd = (int)open_temporary(AT_FDCWD, host, OPEN_DIRECTORY, 0), .name = host + base, .bind = -1};
    if (place.fd < 0)
        return place.fd;
    hold_descriptor(place.fd);
    return read_proc_link(&place, to, size);
}

long do_readlink(int from, u64 path, char *text, u64 size)
{
    struct place place;
    if ((i32)size <= 0)
        return -EINVAL;
    if (!*(const char *)path) /* a link opened with O_PATH */
        return is_reserved(from) ? -EBADF : in_procfs(from) ? read_own_link(from, text, size) : KERNEL(readlinkat, from, "", text, size);
    long error = find_object(from, path, false, &place);
    if (error)
        return error;
    if (place.must_be_directory)
        return -EINVAL;
    if (may_be_proc_link(place.name) && in_procfs(place.fd))
        return read_proc_link(&place, text, size);
    return KERNEL(readlinkat, place.fd, place.name, text, size);
}

long call_readlinkat(struct frame *frame)
{
    return do_readlink(argument_fd(frame, 0), frame->arg[1], (char *)frame->arg[2], frame->arg[3]);
}

/* --- statfs --- */

long call_statfs(struct frame *frame)
{
    struct place place;
    struct statfs *status = (struct statfs *)frame->arg[1];
    long error = find_object(AT_FDCWD, frame->arg[0], true, &place);
    if (error)
        return error;
    long fd = place_open(&place);
    if (fd < 0)
        return fd;
    error = KERNEL(fstatfs, fd, status);
    if (!error && place_writable(&place))
        status->flags |= ST_RDONLY;
    return error;
}

long call_fstatfs(struct frame *frame)
{
    struct place place = {.fd = argument_fd(frame, 0), .bind = -1};
    struct statfs *status = (struct statfs *)frame->arg[1];
    long error = KERNEL(fstatfs, place.fd, status);
    if (!error && place_writable(&place))
        status->flags |= ST_RDONLY;
    return error;
}
