/* Changes of a file's mode, owner, times and size. */
#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../paths/cache.h"
#include "../paths/place.h"
#include "calls.h"

/* The object, followed or not, whose attributes are to be changed; nonzero: the answer. */
static long find_to_change(int from, u64 path, int flags, struct place *place)
{
    if ((flags & AT_EMPTY_PATH) && !*(const char *)path) {
        *place = (struct place){.fd = from, .bind = -1, .name = ""};
        return is_reserved(from) ? -EBADF : place_writable(place);
    }
    long error = find_object(from, path, !(flags & AT_SYMLINK_NOFOLLOW), place);
    if (error || !place_writable(place))
        return error;
    struct stat status;
    error = KERNEL(newfstatat, place->fd, place->name, &status, place_flags(place));
    return error ? error : -EROFS;
}

/* The object's own descriptor as a path, for calls that know no directory or follow links. */
static long magic_path(struct place *place, char *path)
{
    long fd = place->name[0] ? place_open(place) : place->fd;
    if (fd >= 0)
        put_number(put_text(path, "/proc/self/fd/"), (u64)fd);
    return fd < 0 ? fd : 0;
}

/* Who may pass through a directory decides whether cached directories below it may be used. */
static void permissions_changed(const struct place *place, u64 mode)
{
    struct stat status;
    if ((mode & 0111) == 0111)
        return;
    int flags = place->name[0] ? place_flags(place) : AT_EMPTY_PATH;
    if (KERNEL(newfstatat, place->fd, place->name, &status, flags) || (status.mode & S_IFMT) == S_IFDIR)
        directories_changed(); /* a directory may just have closed its own `.` */
}

/* fchmodat(2) follows a link; fchmodat2, which need not, is of 6.6. */
static long change_mode(struct place *place, u64 mode)
{
    char path[40];
    if (!place->magic && !has_option(OPTION_NO_FCHMODAT2))
        return KERNEL(fchmodat2, place->fd, place->name, mode, place->name[0] ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH);
    if (!place->name[0] && place->fd == AT_FDCWD)
        return KERNEL(fchmodat, AT_FDCWD, ".", mode);
    long error = magic_path(place, path);
    return error ? error : KERNEL(fchmodat, AT_FDCWD, path, mode);
}

long do_chmod(int from, u64 path, u64 mode, int flags)
{
    struct place place;
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    long error = find_to_change(from, path, flags, &place);
    if (error)
        return error;
    error = has_option(OPTION_SHOWN_IDS) ? identity_chmod(&place, mode) : change_mode(&place, mode);
    if (!error)
        permissions_changed(&place, mode);
    return error;
}

long call_fchmodat(struct frame *frame)
{
    return do_chmod(argument_fd(frame, 0), frame->arg[1], (u32)frame->arg[2], 0);
}

long call_fchmodat2(struct frame *frame)
{
    return do_chmod(argument_fd(frame, 0), frame->arg[1], (u32)frame->arg[2], (int)frame->arg[3]);
}

/* By descriptor: the kernel does it, unless the descriptor leads into a read-only tree. */
static long writable_descriptor(int fd)
{
    struct place place = {.fd = fd, .bind = -1, .name = ""};
    long flags = has_option(OPTION_READ_ONLY) ? KERNEL(fcntl, fd, F_GETFL) : -EBADF;
    if (flags < 0 || (flags & O_PATH))
        return 0;
    return place_writable(&place);
}

long call_fchmod(struct frame *frame)
{
    u64 mode = (u32)frame->arg[1];
    struct place place = {.fd = argument_fd(frame, 0), .bind = -1, .name = ""};
    long error = writable_descriptor(place.fd);
    if (!error)
        error = has_option(OPTION_SHOWN_IDS) ? identity_chmod(&place, mode) : KERNEL(fchmod, place.fd, mode);
    if (!error)
        permissions_changed(&place, mode);
    return error;
}

long do_chown(int from, u64 path, u32 uid, u32 gid, int flags)
{
    struct place place;
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    long error = find_to_change(from, path, flags, &place);
    if (error)
        return error;
    if (has_option(OPTION_SHOWN_IDS))
        return identity_chown(&place, uid, gid);
    return KERNEL(fchownat, place.fd, place.name, uid, gid, place_flags(&place) | (place.name[0] ? 0 : AT_EMPTY_PATH));
}

long call_fchownat(struct frame *frame)
{
    return do_chown(argument_fd(frame, 0), frame->arg[1], (u32)frame->arg[2], (u32)frame->arg[3], (int)frame->arg[4]);
}

long call_fchown(struct frame *frame)
{
    long error = writable_descriptor(argument_fd(frame, 0));
    if (error)
        return error;
    if (!has_option(OPTION_SHOWN_IDS))
        return KERNEL(fchown, frame->arg[0], frame->arg[1], frame->arg[2]);
    struct place place = {.fd = argument_fd(frame, 0), .bind = -1, .name = ""};
    return identity_chown(&place, (u32)frame->arg[1], (u32)frame->arg[2]);
}

long call_truncate(struct frame *frame)
{
    struct place place;
    struct stat status;
    char path[40];
    if ((long)frame->arg[1] < 0)
        return -EINVAL;
    long error = find_object(AT_FDCWD, frame->arg[0], true, &place);
    if (error)
        return error;
    if (has_option(OPTION_READ_ONLY)) {
        error = KERNEL(newfstatat, place.fd, place.name, &status, place_flags(&place));
        if (error)
            return error;
        u32 type = status.mode & S_IFMT;
        error = type == S_IFREG ? place_writable(&place) : 0;
        if (error && !has_option(OPTION_NO_FACCESSAT2) && KERNEL(faccessat2, place.fd, place.name, W_OK, AT_EACCESS | place_flags(&place)) == -EACCES)
            return -EACCES;
        if (error)
            return error;
    }
    error = magic_path(&place, path);
    return error ? error : KERNEL(truncate, path, frame->arg[1]);
}

static bool is_valid_nanoseconds(long value)
{
    return (value >= 0 && value < 1000000000) || value == UTIME_OMIT || value == UTIME_NOW;
}

/* `times`: two timespec, or with `microseconds` two timeval, or NULL. */
long do_utimens(int from, u64 path, const void *times, int flags, bool microseconds)
{
    struct place place;
    long converted[4];
    if (times) { /* before the path is looked at, as the kernel does */
        memcpy(converted, times, sizeof converted);
        times = converted;
    }
    if (times && microseconds) {
        if (converted[1] < 0 || converted[1] >= 1000000 || converted[3] < 0 || converted[3] >= 1000000)
            return -EINVAL;
        converted[1] *= 1000;
        converted[3] *= 1000;
    }
    bool invalid = times && (!is_valid_nanoseconds(converted[1]) || !is_valid_nanoseconds(converted[3]));
    if (times && converted[1] == UTIME_OMIT && converted[3] == UTIME_OMIT)
        return 0;
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (!path && from == AT_FDCWD)
        return -EFAULT;
    if (!path) {
        if (flags)
            return -EINVAL;
        long error = invalid ? 0 : writable_descriptor(from);
        return error ? error : KERNEL(utimensat, from, NULL, times, 0);
    }
    long error = find_to_change(from, path, flags, &place);
    if (error && !(error == -EROFS && invalid))
        return error;
    if (!place.name[0])
        return KERNEL(utimensat, place.fd, "", times, flags);
    return KERNEL(utimensat, place.fd, place.name, times, place_flags(&place));
}

long call_utimensat(struct frame *frame)
{
    return do_utimens(argument_fd(frame, 0), frame->arg[1], (const void *)frame->arg[2], (int)frame->arg[3], false);
}

/* Flags and attributes that file systems keep by ioctl: refused in a read-only tree like all other changes. */
long call_ioctl(struct frame *frame)
{
    long error = writable_descriptor(argument_fd(frame, 0));
    return error ? error : KERNEL(ioctl, frame->arg[0], frame->arg[1], frame->arg[2]);
}
