/* Each call is tried and its absence remembered; what to do without it is the caller's business. */
#include "kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture but alpha. */
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static bool lacking[CALLS];

bool kernel_without(const char *list)
{
    static const char *const NAMES[CALLS] = {"overlay", "mount_setattr", "openat2", "pivot_root", "close_range", "binfmt"};
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        bool known = false;
        for (int i = 0; i < CALLS; i++) {
            if (strlen(NAMES[i]) == length && memcmp(NAMES[i], list, length) == 0)
                lacking[i] = known = true;
        }
        if (!known)
            return false;
        list += length;
        list += *list == ',';
    }
    return true;
}

bool kernel_lacks(enum call call)
{
    return lacking[call];
}

static int missing(enum call call)
{
    lacking[call] = true;
    errno = ENOSYS;
    return -1;
}

int kernel_open_in_root(int root, const char *path, int flags)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {
        .flags = (uint64_t)flags | O_CLOEXEC,
        .resolve = 0x10 | 0x02, /* RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS */
    };
    if (lacking[CALL_OPENAT2])
        return missing(CALL_OPENAT2);
    for (int tries = 0; tries < 100; tries++) {
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0)
            return fd;
        if (errno == ENOSYS || errno == EPERM || errno == EINVAL)
            break;
        if (errno != EAGAIN) /* a rename on this machine raced with a `..` */
            return -1;
    }
    return missing(CALL_OPENAT2);
}

int kernel_set_flags(int fd, unsigned long flags)
{
    struct {
        uint64_t set, clear, propagation, user_namespace;
    } attr = {.set = flags};
    if (lacking[CALL_MOUNT_SETATTR])
        return missing(CALL_MOUNT_SETATTR);
    return (int)syscall(SYS_mount_setattr, fd, "", 0x1000 | 0x8000, &attr, sizeof attr); /* AT_EMPTY_PATH | AT_RECURSIVE */
}

int kernel_pivot_root(const char *new_root, const char *put_old)
{
    if (lacking[CALL_PIVOT_ROOT]) {
        errno = EINVAL; /* the kernel's own answer where the root is a ramfs */
        return -1;
    }
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int kernel_close_range(unsigned first, unsigned last)
{
    if (lacking[CALL_CLOSE_RANGE])
        return missing(CALL_CLOSE_RANGE);
    return (int)syscall(SYS_close_range, first, last, 0);
}
