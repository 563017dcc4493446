#include "../kernel/text.h"
#include "../threads/thread.h"
#include "place.h"

static long try_open(int start, const char *path, u64 flags, u64 resolve)
{
    struct open_how how = {flags, 0, resolve};
    return resolve ? KERNEL(openat2, start, path, &how, sizeof how) : KERNEL(openat, start, path, flags, 0);
}

/* What the engine opens for a moment must not fail because the guest has used up its descriptors: natively the call needs none. The limit
 * is raised for that moment, where the hard one lets it. */
long open_temporary(int start, const char *path, u64 flags, u64 resolve)
{
    struct rlimit before;
    long fd = try_open(start, path, flags, resolve);
    if (fd != -EMFILE || !raise_limit(&before, limit_with_room()))
        return fd;
    fd = try_open(start, path, flags, resolve);
    restore_limit(&before);
    return fd;
}

/* Kernels before 5.6, and filters that say ENOSYS to openat2. Several components cannot be checked in one call there: the directory is
 * opened as it comes and its own name looked at afterwards. If that is start + "/" + rest, no link was on the way. */
static long open_and_compare(int start, const char *rest)
{
    long fd = open_temporary(start, rest, OPEN_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd;
    char *there = arena_take(PATH_LIMIT), *here = arena_take(PATH_LIMIT);
    bool same = false;
    if (there && here && host_path_of((int)fd, there) >= 0 && host_path_of(start, here) >= 0) {
        size_t length = text_equal(here, "/") ? 0 : strlen(here);
        size_t rest_length = strlen(rest);
        same = text_equal(rest, ".") ? text_equal(here, there)
                                     : !memcmp(here, there, length) && there[length] == '/' && !memcmp(there + length + 1, rest, rest_length + 1);
    }
    if (same)
        return fd;
    KERNEL(close, fd);
    return -ELOOP;
}

long open_beneath(int start, const char *rest, u64 flags, u64 mode)
{
    if (!*rest)
        rest = ".";
    if (has_option(OPTION_NO_OPENAT2)) {
        /* An error may come from where a link led on the host, so it says nothing. */
        long fd = flags == OPEN_DIRECTORY ? open_and_compare(start, rest) : -ELOOP;
        return fd < 0 ? -ELOOP : fd;
    }
    struct open_how how = {flags, mode, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
    long fd = -EAGAIN;
    for (int tries = 0; fd == -EAGAIN && tries < 10; tries++)
        fd = flags == OPEN_DIRECTORY ? open_temporary(start, rest, flags, how.resolve) : KERNEL(openat2, start, rest, &how, sizeof how);
    return fd;
}

long open_canonical(int start, const char *rest)
{
    return has_option(OPTION_NO_OPENAT2) ? open_and_compare(start, *rest ? rest : ".") : open_beneath(start, rest, OPEN_DIRECTORY, 0);
}

/* Without openat2 the names on the way cannot be guarded: they were no links a moment ago. */
long open_without_links(int start, const char *rest)
{
    bool old = has_option(OPTION_NO_OPENAT2);
    return open_temporary(start, rest, OPEN_DIRECTORY | (old ? O_NOFOLLOW : 0), old ? 0 : RESOLVE_NO_SYMLINKS);
}

/* O_NOFOLLOW does not do: with O_DIRECTORY it says ENOTDIR for a link, and with O_PATH it opens the link. */
static long open_last_without_openat2(int directory, const char *name, u64 flags, u64 mode)
{
    char link[8];
    struct stat status;
    long fd = KERNEL(openat, directory, name, flags | O_NOFOLLOW, mode);
    if (fd == -ENOTDIR && (flags & O_DIRECTORY))
        return KERNEL(readlinkat, directory, name, link, 1) > 0 ? -ELOOP : fd;
    if (fd >= 0 && (flags & O_PATH) && !KERNEL(fstat, fd, &status) && (status.mode & S_IFMT) == S_IFLNK) {
        KERNEL(close, fd);
        return -ELOOP;
    }
    return fd;
}

long open_last(int directory, const char *name, u64 flags, u64 mode)
{
    if (has_option(OPTION_NO_OPENAT2))
        return open_last_without_openat2(directory, name, flags, mode);
    struct open_how how = {flags, mode, RESOLVE_NO_SYMLINKS};
    return KERNEL(openat2, directory, name, &how, sizeof how);
}
