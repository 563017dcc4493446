/* Operations on entries: make, remove, rename, link. The kernel gets directory and last name, and so says what it would say natively. */
#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../paths/cache.h"
#include "../paths/place.h"
#include "calls.h"

/* Of the directory, or of the file itself where there is no name. */
static long status_of(const struct place *place, struct stat *status)
{
    return place->fd == AT_FDCWD ? KERNEL(newfstatat, AT_FDCWD, ".", status, 0) : KERNEL(fstat, place->fd, status);
}

/* In a read-only tree an entry that exists is reported before the tree is. */
static COLD long refuse_creation(struct place *place, bool directory, long otherwise)
{
    struct stat status;
    size_t length = strlen(place->name), plain = length;
    while (plain > 1 && place->name[plain - 1] == '/')
        plain--;
    char *name = arena_take(plain + 1);
    if (!name)
        return -ENOMEM;
    memcpy(name, place->name, plain);
    name[plain] = 0;
    long error = KERNEL(newfstatat, place->fd, name, &status, AT_SYMLINK_NOFOLLOW);
    if (!error)
        return -EEXIST;
    if (error != -ENOENT)
        return error;
    if (!status_of(place, &status) && (status.mode & S_IFMT) == S_IFDIR && !status.nlink)
        return -ENOENT; /* the directory was removed */
    return plain < length && !directory ? -ENOENT : otherwise;
}

/* Finds where an entry is to be made; nonzero: the answer. */
static long find_new(int from, u64 path, struct place *place, bool directory)
{
    long error = find_entry(from, path, place);
    if (!error && place->bind_point)
        return -EEXIST;
    if (!error && place_writable(place))
        return refuse_creation(place, directory, -EROFS);
    return error;
}

long do_mkdir(int from, u64 path, u64 mode)
{
    struct place place;
    long error = find_new(from, path, &place, true);
    if (error)
        return error;
    if (has_option(OPTION_SHOWN_IDS))
        return identity_mkdir(&place, mode);
    return KERNEL(mkdirat, place.fd, place.name, mode);
}

/* The text of a link is looked at before its place, as the kernel does. */
static long text_fault(u64 pointer)
{
    const volatile char *text = (const volatile char *)pointer;
    size_t size = 0;
    while (text[size])
        if (++size == PATH_LIMIT)
            return -ENAMETOOLONG;
    return size ? 0 : -ENOENT;
}

long do_symlink(u64 target, int from, u64 path)
{
    struct place place;
    long error = text_fault(target);
    if (!error)
        error = find_new(from, path, &place, false);
    if (error)
        return error;
    error = KERNEL(symlinkat, target, place.fd, place.name);
    if (!error && has_option(OPTION_SHOWN_IDS))
        identity_created(&place);
    return error;
}

long do_mknod(int from, u64 path, u64 mode, u64 device)
{
    struct place place;
    long error = find_new(from, path, &place, false);
    if (error)
        return error;
    if (has_option(OPTION_SHOWN_IDS))
        return identity_mknod(&place, mode, device);
    return KERNEL(mknodat, place.fd, place.name, mode, device);
}

/* Directories and links may be in the cache of directories, of any process. */
static bool may_lead(const struct place *place)
{
    struct stat status;
    if (KERNEL(newfstatat, place->fd, place->name, &status, AT_SYMLINK_NOFOLLOW))
        return false;
    return (status.mode & S_IFMT) == S_IFDIR || (status.mode & S_IFMT) == S_IFLNK;
}

static void entry_gone(const struct place *place, bool led)
{
    if (led)
        directories_changed();
    if (led && place->fd == root_bind()->descriptor)
        shared->root_changes = 1;
}

static bool is_special_name(const char *name)
{
    size_t length = strlen(name);
    while (length && name[length - 1] == '/')
        length--;
    return !length || (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.')));
}

long do_unlink(int from, u64 path, int flags)
{
    struct place place;
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    long error = find_entry(from, path, &place);
    if (error)
        return error;
    if (!is_special_name(place.name)) {
        error = place_writable(&place);
        if (!error && place.bind_point)
            error = -EBUSY;
        if (error) {
            long fault = place_fault(&place);
            return fault ? fault : error;
        }
    }
    bool leads = (flags & AT_REMOVEDIR) || may_lead(&place);
    u64 key = has_option(OPTION_SHOWN_IDS) ? identity_key(&place) : 0;
    error = KERNEL(unlinkat, place.fd, place.name, flags);
    if (!error) {
        entry_gone(&place, leads);
        identity_removed(key);
    }
    return error;
}

enum crossing { CROSSING_NONE, CROSSING_BINDS, CROSSING_DEVICES };

/* Two binds are two file systems for rename and link, as two mounts are. Two devices are for the kernel to tell apart, and so is what
 * lies outside of all binds. */
static enum crossing crossing(struct place *a, struct place *b)
{
    if (container->bind_count < 2)
        return CROSSING_NONE;
    const struct bind *one = place_bind(a), *other = place_bind(b);
    struct stat first, second;
    if (!one || !other || one == other)
        return CROSSING_NONE;
    if (status_of(a, &first) || status_of(b, &second) || first.dev != second.dev)
        return CROSSING_DEVICES;
    return CROSSING_BINDS;
}

long do_rename(int from, u64 old_path, int to, u64 new_path, u64 flags)
{
    struct place old, new;
    if ((flags & ~7UL) || ((flags & RENAME_EXCHANGE) && (flags & ~(u64)RENAME_EXCHANGE)))
        return -EINVAL;
    long error = find_entry(from, old_path, &old);
    if (!error)
        error = place_fault(&old);
    if (error)
        return error;
    error = find_entry(to, new_path, &new);
    if (error || to != AT_FDCWD) {
        long fault = place_fault(&old);
        if (!fault && !error)
            fault = place_fault(&new);
        if (fault || error)
            return fault ? fault : error;
    }
    bool special = is_special_name(old.name) || is_special_name(new.name);
    enum crossing way = crossing(&old, &new);
    error = way == CROSSING_BINDS ? -EXDEV : special || way ? 0 : place_writable(&old);
    if (!error && !special && !way && (old.bind_point || new.bind_point))
        error = -EBUSY;
    if (error) {
        long fault = place_fault(&old);
        if (!fault)
            fault = place_fault(&new);
        return fault ? fault : error;
    }
    bool old_leads = may_lead(&old), new_leads = may_lead(&new);
    u64 key = has_option(OPTION_SHOWN_IDS) && !(flags & RENAME_EXCHANGE) ? identity_key(&new) : 0;
    error = KERNEL(renameat2, old.fd, old.name, new.fd, new.name, flags);
    if (error == -ENOSYS && !flags)
        error = KERNEL(renameat, old.fd, old.name, new.fd, new.name);
    if (!error) {
        entry_gone(&old, old_leads);
        entry_gone(&new, new_leads);
        identity_removed(key);
    }
    return error;
}

/* What a link shall be made of, as directory and name, or as the magic link of a descriptor. */
static long link_source(int from, u64 path, int flags, struct place *old, char *magic)
{
    if ((flags & AT_EMPTY_PATH) && !*(const char *)path) {
        *old = (struct place){.fd = from, .bind = -1, .magic = true};
        if (from != AT_FDCWD && (is_reserved(from) || KERNEL(fcntl, from, F_GETFD) < 0))
            return -EBADF;
        put_text(magic, "/proc/self/cwd");
        if (from != AT_FDCWD)
            put_number(put_text(magic, "/proc/self/fd/"), (u64)(u32)from);
    } else {
        long error = find_object(from, path, flags & AT_SYMLINK_FOLLOW, old);
        if (error || !old->magic)
            return error;
        long fd = place_open(old);
        if (fd < 0)
            return fd;
        put_number(put_text(magic, "/proc/self/fd/"), (u64)fd);
        old->fd = (int)fd;
        old->bind = -1;
    }
    /* The bind of the file, not of a directory: by its own path. */
    char *host = arena_take(PATH_LIMIT), *guest = arena_take(PATH_LIMIT);
    if (!host || !guest)
        return -ENOMEM;
    if (host_path_of(old->fd, host) >= 0)
        old->bind = bind_index(guest_of_host(host, guest, -1));
    return 0;
}

long do_link(int from, u64 old_path, int to, u64 new_path, int flags)
{
    struct place old, new;
    char magic[40];
    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    long error = link_source(from, old_path, flags, &old, magic);
    if (error)
        return error;
    if (!old.magic) {
        struct stat status;
        error = KERNEL(newfstatat, old.fd, old.name, &status, AT_SYMLINK_NOFOLLOW);
        if (error)
            return error;
    }
    error = find_new(to, new_path, &new, false);
    if (error)
        return error;
    if (crossing(&old, &new) == CROSSING_BINDS)
        return refuse_creation(&new, false, -EXDEV);
    if (old.magic)
        return KERNEL(linkat, AT_FDCWD, magic, new.fd, new.name, AT_SYMLINK_FOLLOW);
    return KERNEL(linkat, old.fd, old.name, new.fd, new.name, 0);
}

long call_mkdirat(struct frame *frame)
{
    return do_mkdir(argument_fd(frame, 0), frame->arg[1], (u32)frame->arg[2]);
}

long call_unlinkat(struct frame *frame)
{
    return do_unlink(argument_fd(frame, 0), frame->arg[1], (int)frame->arg[2]);
}

long call_symlinkat(struct frame *frame)
{
    return do_symlink(frame->arg[0], argument_fd(frame, 1), frame->arg[2]);
}

long call_mknodat(struct frame *frame)
{
    return do_mknod(argument_fd(frame, 0), frame->arg[1], (u32)frame->arg[2], (u32)frame->arg[3]);
}

long call_renameat(struct frame *frame)
{
    return do_rename(argument_fd(frame, 0), frame->arg[1], argument_fd(frame, 2), frame->arg[3], 0);
}

long call_renameat2(struct frame *frame)
{
    return do_rename(argument_fd(frame, 0), frame->arg[1], argument_fd(frame, 2), frame->arg[3], (u32)frame->arg[4]);
}

long call_linkat(struct frame *frame)
{
    return do_link(argument_fd(frame, 0), frame->arg[1], argument_fd(frame, 2), frame->arg[3], (int)frame->arg[4]);
}
