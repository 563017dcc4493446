#include "place.h"

#include "../kernel/text.h"
#include "../threads/process.h"

/* The engine works on a copy, which other threads cannot change between looks. In it `//` and `/./` are `/`, and `./` at the beginning is
 * nothing: more names are plain that way. */
static void normalise(char *to, const char *from, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        bool after_slash = used ? to[used - 1] == '/' : true;
        if (after_slash && from[i] == '.' && from[i + 1] == '/' && i + 1 < size) {
            size_t next = i + 1;
            while (next < size && from[next] == '/')
                next++;
            if (next < size) { /* something follows, else it says "directory" */
                i = next - 1;
                continue;
            }
        }
        if (used && from[i] == '/' && to[used - 1] == '/')
            continue;
        to[used++] = from[i];
    }
    to[used] = 0;
}

/* The guest's text may change or vanish while it is read: its length is what was seen first, and what is copied ends there. */
char *take_path(u64 pointer, long *error)
{
    const volatile char *text = (const volatile char *)pointer;
    size_t size = 0;
    while (text[size])
        if (++size == PATH_LIMIT) {
            *error = -ENAMETOOLONG;
            return NULL;
        }
    size_t jail = text[0] == '/' ? strlen(jail_of_call()) : 0;
    char *path = arena_take(jail + size + 1);
    if (!path) {
        *error = -ENOMEM;
        return NULL;
    }
    memcpy(path, jail_of_call(), jail);
    normalise(path + jail, (const char *)pointer, size);
    return path;
}

/* --- directories --- */

/* `path` (ended by NUL here) as start and rest for open_beneath; false: it has names that need the slow way. */
static bool is_plain(int from, const char *path, int *start, const char **rest, int *bind)
{
    bool absolute = path[0] == '/';
    for (const char *name = absolute ? path + 1 : path; *name;) {
        size_t length = 0;
        while (name[length] && name[length] != '/')
            length++;
        if (!length || (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'))))
            return false;
        if (!absolute && may_be_bind(name, length))
            return false;
        name += length + (name[length] == '/');
    }
    if (!absolute) {
        *start = from;
        *rest = path;
        *bind = -1;
        return true;
    }
    const struct bind *found = bind_of(path, rest);
    *start = found->descriptor;
    *bind = bind_index(found);
    return found->descriptor >= 0;
}

/* /lib -> /usr/lib and the like, known from the start: every exec comes by here. */
static const char *past_shortcut(const char *path)
{
    if (shared->root_changes || *jail_of_call())
        return path;
    for (u32 i = 0; i < container->shortcut_count; i++) {
        const struct shortcut *shortcut = &container->shortcuts[i];
        size_t length = strlen(shortcut->name);
        if (memcmp(path + 1, shortcut->name, length) || (path[1 + length] && path[1 + length] != '/'))
            continue;
        size_t target = strlen(shortcut->target), rest = strlen(path + 1 + length);
        char *joined = arena_take(target + rest + 1);
        if (!joined)
            return path;
        memcpy(joined, shortcut->target, target);
        memcpy(joined + target, path + 1 + length, rest + 1);
        return joined;
    }
    return path;
}

/* A directory whose path is longer than the kernel can tell is far below any bind: one step up from it is safe. */
static long step_up(int *from, const char **path)
{
    if (!text_begins(*path, "..") || ((*path)[2] && (*path)[2] != '/'))
        return -ENAMETOOLONG;
    long fd = open_temporary(*from, "..", OPEN_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    hold_descriptor((int)fd);
    *from = (int)fd;
    *path += (*path)[2] ? 3 : 2;
    if (!**path)
        *path = ".";
    return 0;
}

static NOINLINE long open_slowly(int from, const char *path, int *bind)
{
    long fd = open_walking(from, path, bind);
    while (fd == -ENAMETOOLONG && path[0] == '.' && !step_up(&from, &path)) {
        if (text_equal(path, "."))
            return KERNEL(fcntl, from, F_DUPFD_CLOEXEC, 3);
        fd = open_walking(from, path, bind);
    }
    return fd;
}

static long open_new(int from, const char *path, int *bind)
{
    const char *rest, *text = path[0] == '/' ? past_shortcut(path) : path;
    int start;
    if (is_plain(from, text, &start, &rest, bind)) {
        long fd = open_beneath(start, rest, OPEN_DIRECTORY, 0);
        if (fd != -ELOOP && fd != -EXDEV && fd != -EAGAIN)
            return fd;
    }
    return open_slowly(from, path, bind);
}

long open_directory(int from, char *path, size_t length, int *bind)
{
    *bind = -1;
    if (!length)
        return from;
    bool absolute = path[0] == '/';
    if (absolute && length == 1) {
        *bind = (int)container->root_bind;
        return root_bind()->descriptor;
    }
    struct cache_key key;
    bool cacheable = (absolute || from == AT_FDCWD) && cache_key(&key, path, length, !absolute);
    if (cacheable) {
        int slot = cache_get(&key);
        if (slot >= 0) {
            hold_slot(slot);
            *bind = process.cache.entries[slot].bind;
            return cache_descriptor(slot);
        }
    }
    char after = path[length];
    const char *rest;
    u32 magic = this_thread()->magic_met;
    path[length] = 0;
    const struct bind *whole = absolute ? bind_of(path, &rest) : NULL;
    bool is_bind = whole && !*rest && whole->descriptor >= 0;
    long fd = is_bind ? whole->descriptor : open_new(from, path, bind);
    path[length] = after;
    if (is_bind)
        *bind = bind_index(whole);
    if (is_bind)
        return fd;
    if (fd < 0)
        return fd;
    hold_descriptor((int)fd);
    /* What a link of procfs leads to changes without anybody's doing. */
    if (cacheable && magic == this_thread()->magic_met && cache_seen(&key)) {
        int slot = cache_insert(&key, (int)fd, *bind);
        if (slot >= 0) {
            keep_descriptor((int)fd);
            KERNEL(close, fd);
            hold_slot(slot);
            return cache_descriptor(slot);
        }
    }
    return fd;
}

long open_directly(int from, char *path, u64 flags, u64 mode)
{
    struct cache_key key;
    size_t length = strlen(path), base = base_offset(path, length);
    bool absolute = path[0] == '/';
    if (base < 2 || base == length || has_option(OPTION_NO_OPENAT2) || (!absolute && from != AT_FDCWD && is_reserved(from)))
        return -ELOOP;
    if ((absolute || from == AT_FDCWD) && cache_key(&key, path, base - 1, !absolute) && cache_seen(&key))
        return -ELOOP;
    int start, bind;
    const char *rest, *text = absolute ? past_shortcut(path) : path;
    return is_plain(from, text, &start, &rest, &bind) ? open_beneath(start, rest, flags, mode) : -ELOOP;
}

/* --- the last component --- */

/* The place is what a bind shows. A directory is reached by its descriptor and `.`, unless one may not pass through it: then, as for a
 * file, by its host path, because its own name needs no such right. */
static void stand_on(struct place *place, const struct bind *bind)
{
    struct stat status;
    bool closed = bind->descriptor < 0 || KERNEL(newfstatat, bind->descriptor, ".", &status, 0) == -EACCES;
    place->bind_point = true;
    place->bind = bind_index(bind);
    place->fd = closed ? AT_FDCWD : bind->descriptor;
    place->name = !closed ? "." : bind->host_length ? container_text(bind->host) : "/";
}

/* What `..` led to: like a bind's directory, it needs no right to pass. */
static long stand_above(struct place *place)
{
    struct stat status;
    if (KERNEL(newfstatat, place->fd, ".", &status, 0) != -EACCES)
        return 0;
    char *host = arena_take(PATH_LIMIT);
    long error = host ? host_path_of(place->fd, host) : -ENOMEM;
    if (error < 0)
        return error;
    place->fd = AT_FDCWD;
    place->name = host;
    place->bind_point = true; /* its name is a whole path: it is not to be looked at as a link */
    return 0;
}

/* Is `name` (plain) in the directory named by `base` bytes of `place->path` the target of a bind? Then the place is that. */
static NOINLINE long settle_bind_point(struct place *place, const char *name, size_t length, bool entry)
{
    char *guest = arena_take(PATH_LIMIT);
    if (!guest)
        return -ENOMEM;
    char after = place->path[place->base];
    place->path[place->base] = 0;
    long error = canonical_directory(place->from, place->base ? place->path : ".", guest);
    place->path[place->base] = after;
    if (error)
        return error;
    size_t used = strlen(guest);
    if (used + length + 2 > PATH_LIMIT)
        return -ENAMETOOLONG;
    guest[used] = '/';
    memcpy(guest + used + 1, name, length);
    guest[used + 1 + length] = 0;
    const char *rest;
    const struct bind *bind = bind_of(guest, &rest);
    if (*rest)
        return 0;
    place->bind_point = true;
    if (entry) { /* it lies in the bind of its directory; nothing can be done to it anyhow */
        guest[used] = 0;
        place->bind = bind_index(bind_of(guest, &rest));
        return 0;
    }
    stand_on(place, bind);
    return 0;
}

long place_fault(const struct place *place)
{
    struct stat status;
    if (place->fd == AT_FDCWD && place->name[0] == '/')
        return 0; /* by a host path: paths/place.c, stand_on */
    return KERNEL(newfstatat, place->fd, ".", &status, 0);
}

/* In /proc/self/fd the guest may ask for the very number that the directory itself was opened with. */
int move_away(int fd, const char *name)
{
    u64 number;
    if (!read_number(name, &number, NULL) || number != (u64)fd)
        return fd;
    long other = KERNEL(fcntl, fd, F_DUPFD_CLOEXEC, 512);
    if (other < 0)
        return fd;
    KERNEL(close, fd);
    return (int)other;
}

/* A number that is none for the guest: the engine's own, or one that it uses for this very call. */
static bool is_no_directory(const struct place *place)
{
    const struct thread *thread = this_thread();
    if (place->path[0] == '/' || place->from == AT_FDCWD)
        return false;
    for (u32 i = 0; i < thread->held_count; i++)
        if (thread->held[i] == place->from)
            return true;
    return place->from < 0 || is_reserved(place->from);
}

static long place_in(struct place *place, size_t directory_length)
{
    if (is_no_directory(place))
        return -EBADF;
    u32 held = this_thread()->held_count;
    long fd = open_directory(place->from, place->path, directory_length, &place->bind);
    if (fd < 0 && fd != AT_FDCWD)
        return fd;
    place->fd = (int)fd;
    if (this_thread()->held_count > held && place->name[0] >= '0' && place->name[0] <= '9') {
        int moved = move_away((int)fd, place->name);
        if (moved != fd) {
            keep_descriptor((int)fd);
            hold_descriptor(moved);
            place->fd = moved;
        }
    }
    return 0;
}

/* Length of the directory part in front of `base`, without the slash that ends it (but that of the root). */
static size_t directory_length(size_t base)
{
    return base > 1 ? base - 1 : base;
}

long find_entry(int from, u64 pointer, struct place *place)
{
    long error = 0;
    char *path = take_path(pointer, &error);
    if (!path)
        return error;
    if (!*path)
        return -ENOENT;
    size_t size = strlen(path), end = size;
    while (end && path[end - 1] == '/')
        end--;
    size_t base = base_offset(path, end);
    *place = (struct place){.fd = from, .bind = -1, .name = path + base, .from = from, .path = path, .base = base};
    if (!end || (path[0] == '/' && end <= strlen(process.jail))) { /* the root: the kernel knows what cannot be done to it */
        place->bind_point = true;
        place->bind = (int)container->root_bind;
        place->fd = root_bind()->descriptor;
        place->name = "/";
        return 0;
    }
    error = place_in(place, directory_length(base));
    if (error || !may_be_bind(path + base, end - base))
        return error;
    return settle_bind_point(place, path + base, end - base, true);
}

long find_text(int from, char *path, struct place *place)
{
    if (!*path)
        return -ENOENT;
    size_t size = strlen(path), end = size;
    while (end > 1 && path[end - 1] == '/')
        end--;
    *place = (struct place){.fd = from, .bind = -1, .name = ".", .from = from, .path = path, .held = this_thread()->held_count};
    place->must_be_directory = end < size;
    path[end] = 0;
    size_t base = base_offset(path, end);
    const char *name = path + base;
    size_t length = end - base;
    if (end == 1 && path[0] == '.')
        return is_no_directory(place) ? -EBADF : 0; /* where one stands, even if it is gone */
    if (!length) {
        stand_on(place, root_bind());
        return 0;
    }
    if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'))) {
        place->base = end;
        long error = place_in(place, end);
        return error || length == 1 ? error : stand_above(place);
    }
    place->name = name;
    place->base = base;
    long error = place_in(place, directory_length(base));
    if (error || !may_be_bind(name, length))
        return error;
    return settle_bind_point(place, name, length, false);
}

long find_unfollowed(int from, u64 pointer, struct place *place)
{
    long error = 0;
    char *path = take_path(pointer, &error);
    return path ? find_text(from, path, place) : error;
}

long find_object(int from, u64 pointer, bool follow, struct place *place)
{
    struct stat status;
    long error = find_unfollowed(from, pointer, place);
    if (!error && (follow || place->must_be_directory))
        error = place_follow(place);
    if (!error && place->must_be_directory)
        error = KERNEL(newfstatat, place->fd, place->name, &status, place_flags(place));
    else
        return error;
    return error ? error : (status.mode & S_IFMT) == S_IFDIR ? 0 : -ENOTDIR;
}
