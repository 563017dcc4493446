/* Extended attributes. Calls by path follow links; those whose names begin with l do not.
 *
 * getxattrat and its kin (kernel 6.13) take a directory and a name. Before them there are only paths: "/proc/self/fd/N/name" with the
 * directory's descriptor, and for what is to be followed by the kernel the magic link of the object's own descriptor. */
#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../paths/cache.h"
#include "../paths/place.h"
#include "calls.h"

struct xattr_args {
    u64 value;
    u32 size, flags;
};

static bool has_xattrat(void)
{
    return !has_option(OPTION_NO_XATTRAT) && !shared->no_xattrat;
}

/* A path that leads the kernel to the place without following it. */
static long xattr_path(struct place *place, char *path, size_t size)
{
    if (place->magic) {
        long fd = place_open(place);
        if (fd >= 0)
            put_number(put_text(path, "/proc/self/fd/"), (u64)fd);
        return fd < 0 ? fd : 1; /* 1: to be followed */
    }
    size_t length = strlen(place->name);
    if (length + 40 > size)
        return -ENAMETOOLONG;
    char *end = path;
    *end = 0;
    if (place->fd != AT_FDCWD)
        end = put_text(put_number(put_text(path, "/proc/self/fd/"), (u64)place->fd), "/");
    put_text(end, place->name);
    return 0;
}

/* `l_number` is the call that does not follow; the one that does has the number before it on every architecture. */
static long by_path(struct place *place, long l_number, const u64 *rest)
{
    char *path = arena_take(PATH_LIMIT);
    if (!path)
        return -ENOMEM;
    long way = xattr_path(place, path, PATH_LIMIT);
    if (way < 0)
        return way;
    return kernel_call(l_number - way, (long)path, (long)rest[0], (long)rest[1], (long)rest[2], (long)rest[3], 0);
}

/* The attribute's name comes before the path. */
static long name_fault(u64 pointer)
{
    const volatile char *name = (const volatile char *)pointer;
    size_t size = 0;
    while (size <= XATTR_NAME_MAX && name[size])
        size++;
    return size && size <= XATTR_NAME_MAX ? 0 : -ERANGE;
}

static long get(struct frame *frame, bool follow)
{
    struct place place;
    long error = name_fault(frame->arg[1]);
    if (!error)
        error = find_object(AT_FDCWD, frame->arg[0], follow, &place);
    if (error)
        return error;
    if (has_xattrat()) {
        struct xattr_args args = {frame->arg[2], (u32)frame->arg[3], 0};
        long result = KERNEL(getxattrat, place.fd, place.name, place_flags(&place), frame->arg[1], &args, sizeof args);
        if (result != -ENOSYS)
            return result;
        shared->no_xattrat = 1;
    }
    return by_path(&place, NR_lgetxattr, frame->arg + 1);
}

static long list(struct frame *frame, bool follow)
{
    struct place place;
    long error = find_object(AT_FDCWD, frame->arg[0], follow, &place);
    if (error)
        return error;
    if (has_xattrat()) {
        long result = KERNEL(listxattrat, place.fd, place.name, place_flags(&place), frame->arg[1], frame->arg[2]);
        if (result != -ENOSYS)
            return result;
        shared->no_xattrat = 1;
    }
    return by_path(&place, NR_llistxattr, frame->arg + 1);
}

/* Access control lists (system.posix_acl_access) say who may pass through a directory. */
static long changed(long error, u64 name)
{
    if (error && identity_accepts_xattr(name, error))
        return 0;
    if (!error && text_begins((const char *)name, "system."))
        directories_changed();
    return error;
}

/* In a read-only tree the object must exist before that is said. */
static long refuse_change(struct place *place)
{
    struct stat status;
    if (place_writable(place) == 0)
        return 0;
    long error = KERNEL(newfstatat, place->fd, place->name, &status, place_flags(place));
    return error ? error : -EROFS;
}

static long change(struct frame *frame, long l_number, bool follow)
{
    struct place place;
    long error = name_fault(frame->arg[1]);
    if (!error)
        error = find_object(AT_FDCWD, frame->arg[0], follow, &place);
    if (!error)
        error = refuse_change(&place);
    return error ? error : changed(by_path(&place, l_number, frame->arg + 1), frame->arg[1]);
}

long call_getxattr(struct frame *frame)
{
    return get(frame, true);
}

long call_lgetxattr(struct frame *frame)
{
    return get(frame, false);
}

long call_listxattr(struct frame *frame)
{
    return list(frame, true);
}

long call_llistxattr(struct frame *frame)
{
    return list(frame, false);
}

long call_setxattr(struct frame *frame)
{
    return change(frame, NR_lsetxattr, true);
}

long call_lsetxattr(struct frame *frame)
{
    return change(frame, NR_lsetxattr, false);
}

long call_removexattr(struct frame *frame)
{
    return change(frame, NR_lremovexattr, true);
}

long call_lremovexattr(struct frame *frame)
{
    return change(frame, NR_lremovexattr, false);
}

static long change_descriptor(struct frame *frame)
{
    struct place place = {.fd = argument_fd(frame, 0), .bind = -1, .name = ""};
    const u64 *a = frame->arg;
    long status = has_option(OPTION_READ_ONLY) ? KERNEL(fcntl, place.fd, F_GETFL) : -EBADF;
    long error = status >= 0 && !(status & O_PATH) ? place_writable(&place) : 0;
    return error ? error : changed(kernel_call((long)frame->nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], 0), a[1]);
}

long call_fsetxattr(struct frame *frame)
{
    return change_descriptor(frame);
}

long call_fremovexattr(struct frame *frame)
{
    return change_descriptor(frame);
}

/* The new calls with directory and flags: the place takes the part of the first three arguments. */
static long at_call(struct frame *frame, u64 flags, int flags_index, bool changes)
{
    struct place place;
    const u64 *a = frame->arg;
    u64 arg[6] = {a[0], a[1], a[2], a[3], a[4], a[5]};
    if ((flags & AT_EMPTY_PATH) && (!a[1] || !*(const char *)a[1])) {
        place = (struct place){.fd = argument_fd(frame, 0), .bind = -1, .name = ""};
        long error = changes ? place_writable(&place) : 0;
        if (error)
            return error;
    } else {
        long error = find_object(argument_fd(frame, 0), a[1], !(flags & AT_SYMLINK_NOFOLLOW), &place);
        if (!error && changes)
            error = refuse_change(&place);
        if (error)
            return error;
        arg[0] = (u64)place.fd;
        arg[1] = (u64)place.name;
        arg[flags_index] = (flags & ~(u64)AT_SYMLINK_NOFOLLOW) | (u64)place_flags(&place);
    }
    long result = kernel_call((long)frame->nr, (long)arg[0], (long)arg[1], (long)arg[2], (long)arg[3], (long)arg[4], (long)arg[5]);
    return changes && flags_index == 2 ? changed(result, a[3]) : result;
}

long call_getxattrat(struct frame *frame)
{
    return at_call(frame, frame->arg[2], 2, false);
}

long call_listxattrat(struct frame *frame)
{
    return at_call(frame, frame->arg[2], 2, false);
}

long call_setxattrat(struct frame *frame)
{
    return at_call(frame, frame->arg[2], 2, true);
}

long call_removexattrat(struct frame *frame)
{
    return at_call(frame, frame->arg[2], 2, true);
}

long call_file_getattr(struct frame *frame)
{
    return at_call(frame, frame->arg[4], 4, false);
}

long call_file_setattr(struct frame *frame)
{
    return at_call(frame, frame->arg[4], 4, true);
}
