/* open and its kin. */
#include "../identity/identity.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../view/view.h"
#include "calls.h"

/* openat(2) ignores what openat2(2) refuses: unknown flags, a mode where nothing is created. */
static u64 usual_flags(u64 flags)
{
    flags &= O_KNOWN;
    return flags & O_PATH ? flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : flags;
}

static bool creates(u64 flags)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE_BIT);
}

static bool writes(u64 flags)
{
    u64 mode = flags & O_ACCMODE; /* 3 asks for both permissions and gives neither */
    return !(flags & O_PATH) && (mode == O_WRONLY || mode == O_RDWR || (flags & (O_TRUNC | O_TMPFILE_BIT)));
}

static bool may_write(int directory, const char *name, int flags)
{
    if (has_option(OPTION_NO_FACCESSAT2))
        return true;
    return KERNEL(faccessat2, directory, name, W_OK, flags | AT_EACCESS) != -EACCES;
}

/* In a read-only tree: 0 if the open changes nothing there. The kernel looks at what is there first. */
static COLD long refuse_write(struct place *place, u64 flags)
{
    struct stat status;
    if (place_writable(place) == 0)
        return 0;
    int how = place_flags(place) | (place->name[0] ? 0 : AT_EMPTY_PATH);
    long error = KERNEL(newfstatat, place->fd, place->name, &status, how);
    if (error == -ENOENT && (flags & O_CREAT))
        return -EROFS;
    if (error)
        return error;
    u32 type = status.mode & S_IFMT;
    if (type == S_IFLNK)
        return 0;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if ((flags & O_DIRECTORY) && type != S_IFDIR)
        return -ENOTDIR;
    if (type == S_IFDIR && (flags & O_CREAT))
        return -EISDIR;
    if (type == S_IFDIR && !(flags & O_TMPFILE_BIT))
        return writes(flags) ? -EISDIR : 0;
    if (!writes(flags) || (type != S_IFREG && type != S_IFDIR))
        return 0;
    if ((flags & O_TRUNC) && type == S_IFREG)
        return -EROFS;
    return may_write(place->fd, place->name, how) ? -EROFS : -EACCES;
}

static long open_now(const struct place *place, u64 flags, u64 mode, bool follow)
{
    return follow ? open_last(place->fd, place->name, flags, mode) : KERNEL(openat, place->fd, place->name, flags, mode);
}

/* With ids that are only shown: a new file may need an entry in the table of owners, and an imitated root may open what it closed to itself. */
static long open_as_shown(struct place *place, u64 flags, u64 mode, bool follow)
{
    struct stat status;
    bool created = creates(flags) && ((flags & O_TMPFILE_BIT) || KERNEL(newfstatat, place->fd, place->name, &status, AT_SYMLINK_NOFOLLOW) == -ENOENT);
    long fd = open_now(place, flags, created ? identity_disk_mode(place, mode) : mode, follow);
    if (fd == -EACCES && !created && identity_relax(place))
        fd = open_now(place, flags, mode, follow);
    if (fd >= 0 && created)
        identity_created_file((int)fd, mode);
    return fd;
}

static long open_place(struct place *place, u64 flags, u64 mode, bool follow)
{
    if (place->must_be_directory) {
        if (flags & O_CREAT) {
            long fault = place_fault(place);
            return fault ? fault : -EISDIR;
        }
        flags |= O_DIRECTORY;
    }
    if (has_option(OPTION_READ_ONLY) && (writes(flags) || creates(flags))) {
        long error = refuse_write(place, flags);
        if (error)
            return error;
    }
    if (place->magic)
        return KERNEL(openat, place->fd, place->name, flags & ~(u64)O_NOFOLLOW, mode);
    if (has_option(OPTION_SHOWN_IDS))
        return open_as_shown(place, flags, mode, follow);
    return open_now(place, flags, mode, follow);
}

static long open_found(struct place *place, u64 flags, u64 mode)
{
    bool exclusive = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    bool follow = !(flags & O_NOFOLLOW) && !exclusive;
    place->creating = flags & O_CREAT;
    if (place->must_be_directory && !exclusive)
        follow = true;
    long fd = open_place(place, follow ? flags & ~(u64)O_NOFOLLOW : flags, mode, follow);
    if (fd != -ELOOP || !follow)
        return fd;
    for (int tries = 0; tries < 3 && fd == -ELOOP; tries++) {
        long error = place_follow(place);
        if (error)
            return error;
        fd = open_place(place, flags & ~(u64)O_NOFOLLOW, mode, true);
    }
    return fd;
}

/* Descriptors that were needed on the way and have smaller numbers than this one. */
static bool is_in_the_way(long fd)
{
    const struct thread *thread = this_thread();
    for (u64 i = thread->frame->held; i < thread->held_count; i++)
        if (thread->held[i] >= 0 && thread->held[i] < fd)
            return true;
    return false;
}

/* The guest expects the lowest free number: what was needed on the way is given back first, then the new one moves down. */
static long move_down(long fd, u64 flags, bool must)
{
    struct thread *thread = this_thread();
    release_held(thread, (u32)thread->frame->held);
    long moved = KERNEL(fcntl, fd, flags & O_CLOEXEC ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    if (moved < 0 && !must)
        return fd;
    KERNEL(close, fd);
    return moved < 0 ? -EMFILE : moved;
}

/* The open that the guest gets. It may need the last free number, which something on the way has taken. */
static long open_lowest(struct place *place, u64 flags, u64 mode)
{
    struct rlimit before;
    long fd = open_found(place, flags, mode);
    if (fd == -EMFILE && is_in_the_way(container->first_reserved) && raise_limit(&before, limit_with_room())) {
        fd = open_found(place, flags, mode);
        restore_limit(&before);
        return fd < 0 ? fd : move_down(fd, flags, true);
    }
    return fd >= 0 && is_in_the_way(fd) ? move_down(fd, flags, false) : fd;
}

long do_open(int from, u64 pointer, u64 flags, u64 mode)
{
    struct place place;
    long error = 0;
    flags = usual_flags(flags);
    if (((flags & O_TMPFILE_BIT) || (flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) && KERNEL(openat, AT_FDCWD, "", flags, 0) == -EINVAL)
        return -EINVAL; /* which of these go together has changed over time: the kernel is asked */
    char *path = take_path(pointer, &error);
    if (!path)
        return error;
    mode = creates(flags) ? mode & 07777 : 0;
    long fd = -ELOOP;
    if (!has_option(OPTION_READ_ONLY | OPTION_SHOWN_IDS) || !(writes(flags) || creates(flags)))
        fd = open_directly(from, path, flags, mode);
    if (fd >= 0)
        return view_opened((int)fd, path + base_offset(path, strlen(path)), flags);
    if (fd != -ELOOP && fd != -EXDEV && fd != -EAGAIN && !(fd == -EACCES && has_option(OPTION_SHOWN_IDS)))
        return fd;
    error = find_text(from, path, &place);
    if (error)
        return error;
    fd = open_lowest(&place, flags, mode);
    return fd >= 0 ? view_opened((int)fd, place.name, flags) : fd;
}

long call_openat(struct frame *frame)
{
    return do_open(argument_fd(frame, 0), frame->arg[1], (u32)frame->arg[2], (u32)frame->arg[3]);
}

/* Links on the way to the last component, whatever the cache knows. */
static long refuse_links(int from, u64 pointer)
{
    long error = 0;
    char *path = take_path(pointer, &error), *guest = arena_take(PATH_LIMIT);
    if (!path || !guest)
        return path ? -ENOMEM : error;
    size_t end = strlen(path);
    while (end && path[end - 1] == '/')
        end--;
    path[base_offset(path, end)] = 0;
    if (!*path)
        return 0;
    error = canonical_directory(from, path, guest);
    return this_thread()->links_met ? -ELOOP : error;
}

/* The same for resolution that stays in its starting directory, which is all in one bind. */
static COLD long refuse_scoped_write(int from, u64 path, const struct open_how *wanted)
{
    struct place start = {.fd = from, .bind = -1, .name = ""};
    struct open_how how = {O_PATH | O_CLOEXEC | (wanted->flags & (O_NOFOLLOW | O_DIRECTORY)), 0, wanted->resolve};
    size_t length = strlen((const char *)path);
    if (!length || place_writable(&start) == 0)
        return 0;
    if ((wanted->flags & O_CREAT) && ((const char *)path)[length - 1] == '/')
        return 0; /* the kernel makes no directory here, whatever else it says */
    long fd = KERNEL(openat2, from, path, &how, sizeof how);
    if (fd == -ENOENT && (wanted->flags & O_CREAT)) { /* is it only the last name that is missing? */
        long error = 0;
        char *directory = take_path(path, &error);
        if (!directory)
            return error;
        size_t base = base_offset(directory, strlen(directory));
        put_text(directory + base, base ? "" : ".");
        how.flags = OPEN_DIRECTORY;
        fd = KERNEL(openat2, from, directory, &how, sizeof how);
        if (fd >= 0)
            KERNEL(close, fd);
        return fd < 0 ? fd : -EROFS;
    }
    if (fd < 0)
        return fd;
    hold_descriptor((int)fd);
    start.fd = (int)fd;
    return refuse_write(&start, wanted->flags);
}

/* Is a link as the last component what is opened, and not what it leads to? An exclusive creation sees that something is there. */
static bool stops_at_link(const struct open_how *how)
{
    return (how->flags & O_NOFOLLOW) || (how->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

static bool crosses_bind(int from, u64 pointer, struct place *place)
{
    struct place start = {.fd = from, .bind = -1};
    const struct bind *first = *(const char *)pointer == '/' ? root_bind() : place_bind(&start);
    return place_bind(place) != first;
}

static bool is_link(const struct place *place)
{
    char target[4];
    return KERNEL(readlinkat, place->fd, place->name, target, 1) > 0;
}

/* Is the target of a bind below this directory? */
static bool holds_bind(const char *guest)
{
    size_t length = strlen(guest);
    for (u32 i = 0; i < container->bind_count; i++) {
        const struct bind *bind = &container->binds[i];
        const char *target = container_text(bind->guest);
        if (bind->guest_length > length && !memcmp(target, guest, length) && target[length] == '/')
            return true;
    }
    return false;
}

/* Resolution that by the caller's wish does not leave its starting directory: the kernel does it, unless binds lie in there, which it
 * does not see. */
static long open_scoped(int from, u64 path, const struct open_how *how)
{
    struct thread *thread = this_thread();
    struct place place;
    char *scope = arena_take(PATH_LIMIT);
    if (!scope)
        return -ENOMEM;
    if (guest_path_of(from, scope) || !holds_bind(scope)) {
        long error = has_option(OPTION_READ_ONLY) && (writes(how->flags) || creates(how->flags)) ? refuse_scoped_write(from, path, how) : 0;
        release_held(thread, (u32)thread->frame->held); /* the guest expects the lowest free number */
        return error ? error : KERNEL(openat2, from, path, how, sizeof *how);
    }
    if ((how->resolve & RESOLVE_BENEATH) && *(const char *)path == '/')
        return -EXDEV;
    bool no_cache = thread->no_cache;
    thread->scope = scope;
    thread->scope_left = thread->magic_met = thread->links_met = 0;
    thread->no_cache = true; /* a text means something else here */
    long result = how->resolve & RESOLVE_NO_SYMLINKS ? refuse_links(from, path) : 0;
    if (!result)
        result = find_unfollowed(from, path, &place);
    if (!result && !stops_at_link(how) && is_link(&place))
        result = how->resolve & RESOLVE_NO_SYMLINKS ? -ELOOP : place_follow(&place);
    if (result == -ELOOP && (how->resolve & RESOLVE_NO_SYMLINKS))
        thread->magic_met = thread->scope_left = 0; /* that was said first */
    if (thread->magic_met && (how->resolve & RESOLVE_NO_MAGICLINKS))
        result = -ELOOP;
    else if (thread->magic_met || ((how->resolve & RESOLVE_BENEATH) && thread->scope_left))
        result = -EXDEV;
    if (!result)
        result = open_lowest(&place, how->flags, how->mode);
    thread->no_cache = no_cache;
    thread->scope = NULL;
    return result;
}

/* Resolution with other wishes. */
static long open_resolving(int from, u64 path, const struct open_how *how)
{
    struct thread *thread = this_thread();
    struct place place;
    if (how->resolve & RESOLVE_CACHED)
        return -EAGAIN;
    thread->links_met = thread->magic_met = 0;
    long error = how->resolve & RESOLVE_NO_SYMLINKS ? refuse_links(from, path) : 0;
    if (!error)
        error = find_unfollowed(from, path, &place);
    if (!error && (how->resolve & RESOLVE_NO_MAGICLINKS) && !stops_at_link(how) && may_be_proc_link(place.name))
        error = place_follow(&place);
    if ((how->resolve & RESOLVE_NO_MAGICLINKS) && thread->magic_met)
        error = -ELOOP;
    if (error)
        return error;
    if ((how->resolve & RESOLVE_NO_SYMLINKS) && !stops_at_link(how) && is_link(&place))
        return -ELOOP;
    if ((how->resolve & RESOLVE_NO_XDEV) && crosses_bind(from, path, &place))
        return -EXDEV;
    return open_lowest(&place, how->flags, how->mode);
}

long call_openat2(struct frame *frame)
{
    u64 size = frame->arg[3], path = frame->arg[1];
    int from = argument_fd(frame, 0);
    long error = 0;
    if (size < sizeof(struct open_how))
        return -EINVAL;
    struct open_how how = *(const struct open_how *)frame->arg[2];
    if (size > PAGE)
        return -E2BIG;
    for (u64 i = sizeof how; i < size; i++)
        if (((const u8 *)frame->arg[2])[i])
            return -E2BIG;
    if (has_option(OPTION_NO_OPENAT2))
        return -ENOSYS;
    /* The kernel judges flags, mode and resolve: on a path that does not exist it says EINVAL first. */
    if (KERNEL(openat2, AT_FDCWD, "", &how, sizeof how) == -EINVAL)
        return -EINVAL;
    const char *text = take_path(path, &error);
    if (!text)
        return error;
    if (is_reserved(from) && *text && (*text != '/' || (how.resolve & RESOLVE_IN_ROOT)))
        return -EBADF;
    long fd = how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT) ? open_scoped(from, path, &how) : open_resolving(from, path, &how);
    return fd >= 0 ? view_opened((int)fd, text + base_offset(text, strlen(text)), how.flags) : fd;
}

long call_name_to_handle_at(struct frame *frame)
{
    struct place place;
    int flags = (int)frame->arg[4];
    if (KERNEL(name_to_handle_at, AT_FDCWD, "", frame->arg[2], frame->arg[3], flags & ~AT_EMPTY_PATH) == -EINVAL)
        return -EINVAL; /* flags that this kernel does not know */
    if ((flags & AT_EMPTY_PATH) && !*(const char *)frame->arg[1])
        return is_reserved(argument_fd(frame, 0)) ? -EBADF : KERNEL(name_to_handle_at, frame->arg[0], "", frame->arg[2], frame->arg[3], flags);
    long error = find_object(argument_fd(frame, 0), frame->arg[1], flags & AT_SYMLINK_FOLLOW, &place);
    if (error)
        return error;
    int follow = place.magic ? AT_SYMLINK_FOLLOW : 0;
    return KERNEL(name_to_handle_at, place.fd, place.name, frame->arg[2], frame->arg[3], (flags & ~AT_SYMLINK_FOLLOW) | follow);
}
