/* Where a bind goes. Targets are resolved as the guest will see them: links are followed, `..` stops at the root.
 *
 * A target that does not exist is made in a root that belongs to the container. In a read-only root it is shown without being there: the first name
 * that is missing becomes a bind itself, of the source or of a scratch directory that holds the rest, and listings of its parent get
 * the name added (view/listing.c). */
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/thread.h"
#include "launch.h"

#define LINK_LIMIT 40

struct wanted {
    const char *target;  /* as it was asked for */
    bool directory;
    u32 mode;
};

static void inject(const char *parent, const char *name, bool directory)
{
    const char *rest;
    struct stat status;
    const struct bind *bind = bind_of(parent, &rest);
    if (bind->descriptor < 0 || KERNEL(newfstatat, bind->descriptor, *rest ? rest : ".", &status, AT_SYMLINK_NOFOLLOW))
        return;
    if (making->injected_count == INJECTED_LIMIT)
        fail(STATUS_FAILED, "more than ", number_text(INJECTED_LIMIT), " binds whose targets are missing in a read-only root", NULL);
    making->injected[making->injected_count++] = (struct injected){
        .device = status.dev, .inode = status.ino, .name = keep_text(name), .type = directory ? DT_DIR : DT_REG,
    };
}

static _Noreturn void cannot_make(const char *guest, long error)
{
    fail(STATUS_FAILED, "cannot make the place for a bind, ", guest, ": ", error_words(error), NULL);
}

static _Noreturn void refuse_to_make(const char *target, const char *place)
{
    static const char first[] = "make ", last[] = " on this machine first";
    char *text = arena_take(sizeof first + sizeof last + strlen(target));
    if (text)
        put_text(put_text(put_text(text, first), target), last);
    message_hint(text);
    fail(STATUS_FAILED, target, " does not exist: it lies in ", place, ", which is a writable directory of this machine, and nothing is made there", NULL);
}

/* Marks a name that was made only because something is shown there (`diff` and `commit` leave it out), and gives its directory its times
 * back. Where the file system takes neither, the name shows. */
static void mark(int parent, const struct stat *before, const char *name)
{
    char path[40 + 256], *end = put_number(put_text(path, "/proc/self/fd/"), (u64)parent);
    put_text(put_text(end, "/"), name);
    KERNEL(lsetxattr, path, "user.sampan.mountpoint", "", 0, 0);
    *end = 0;
    KERNEL(utimensat, AT_FDCWD, path, &before->atime, 0); /* and `mtime` behind it: two times */
}

/* Makes `name` in `parent` (an O_PATH descriptor); 0, also if it is there already. */
static long make_entry(int parent, const char *name, bool directory, u32 mode)
{
    struct stat before;
    bool known = !KERNEL(fstat, parent, &before);
    long error = directory ? KERNEL(mkdirat, parent, name, mode) : KERNEL(mknodat, parent, name, S_IFREG | mode, 0);
    if (!error && known)
        mark(parent, &before, name);
    return error == -EEXIST ? 0 : error;
}

static int open_child(int parent, const char *name, const char *guest)
{
    long fd = KERNEL(openat, parent, name, OPEN_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        cannot_make(guest, fd);
    return (int)fd;
}

/* Makes the names of `missing` ("a/b/c") below a directory. */
static void make_all(int parent, const char *missing, struct wanted wanted)
{
    char name[256];
    int at = parent;
    for (const char *next = missing; *next;) {
        size_t length = 0;
        while (next[length] && next[length] != '/')
            length++;
        if (length >= sizeof name)
            cannot_make(wanted.target, -ENAMETOOLONG);
        memcpy(name, next, length);
        name[length] = 0;
        next += length + (next[length] == '/');
        long error = make_entry(at, name, *next || wanted.directory, *next ? 0755 : wanted.mode);
        if (error)
            cannot_make(wanted.target, error);
        if (!*next)
            break;
        int child = open_child(at, name, wanted.target);
        if (at != parent)
            KERNEL(close, at);
        at = child;
    }
    if (at != parent)
        KERNEL(close, at);
}

static size_t first_length(const char *names)
{
    size_t length = 0;
    while (names[length] && names[length] != '/')
        length++;
    return length;
}

/* In a read-only root: `missing` names below the canonical directory `parent`. */
static void show_missing(const struct launch *launch, const char *parent, const char *missing, struct wanted wanted)
{
    size_t first = first_length(missing);
    char *name = arena_take(first + 1), *place = arena_take(strlen(parent) + first + 2);
    if (!name || !place)
        cannot_make(wanted.target, -ENOMEM);
    memcpy(name, missing, first);
    name[first] = 0;
    inject(parent, name, missing[first] || wanted.directory);
    if (!missing[first])
        return;
    put_text(put_text(put_text(place, parent), "/"), name);
    int scratch = scratch_directory(launch, 0755);
    make_all(scratch, missing + first + 1, wanted);
    add_bind(scratch, place, BIND_READ_ONLY);
}

static void make_missing(const struct launch *launch, const char *parent, const char *missing, struct wanted wanted)
{
    const char *rest;
    const struct bind *bind = bind_of(parent, &rest);
    if (bind->descriptor < 0)
        cannot_make(wanted.target, -ENOTDIR);
    if (bind->flags & BIND_READ_ONLY) {
        show_missing(launch, parent, missing, wanted);
        return;
    }
    if (bind->flags & BIND_MACHINE)
        refuse_to_make(wanted.target, container_text(bind->guest));
    long fd = open_canonical(bind->descriptor, rest);
    if (fd < 0)
        cannot_make(wanted.target, fd);
    make_all((int)fd, missing, wanted);
    KERNEL(close, fd);
}

/* The longest part of the target that exists, canonical, into `guest`; what is missing behind it. */
static const char *existing_part(char *path, char *guest)
{
    size_t end = strlen(path);
    for (;;) {
        char cut = path[end];
        path[end] = 0;
        long error = canonical_directory(AT_FDCWD, *path ? path : "/", guest);
        path[end] = cut;
        if (!error)
            return path + end + (cut == '/');
        if (error != -ENOENT || !end)
            cannot_make(path, error);
        end = base_offset(path, end);
        while (end && path[end - 1] == '/')
            end--;
    }
}

/* A copy of the target without slashes at the end. */
static char *copy_target(const char *target)
{
    long error = 0;
    char *path = take_path((u64)target, &error);
    if (!path || path[0] != '/')
        cannot_make(target, path ? -EINVAL : error);
    size_t length = strlen(path);
    while (length && path[length - 1] == '/')
        path[--length] = 0;
    return path;
}

/* If the first name of `missing` in the directory `guest` is there, it is a link that leads nowhere: the path by which it would lead
 * there. NULL: there is no such name. */
static char *behind_link(const char *guest, const char *missing)
{
    const char *rest;
    char name[256];
    size_t length = first_length(missing);
    const struct bind *bind = bind_of(guest, &rest);
    if (!length || length >= sizeof name || bind->descriptor < 0)
        return NULL;
    memcpy(name, missing, length);
    name[length] = 0;
    char *text = arena_take(PATH_LIMIT), *path = arena_take(3 * PATH_LIMIT);
    long fd = open_canonical(bind->descriptor, rest);
    long size = fd < 0 || !text || !path ? -1 : KERNEL(readlinkat, fd, name, text, PATH_LIMIT - 1);
    if (fd >= 0)
        KERNEL(close, fd);
    if (size <= 0)
        return NULL;
    text[size] = 0;
    *path = 0;
    if (text[0] != '/')
        put_text(put_text(path, guest), "/");
    put_text(put_text(path + strlen(path), text), missing + length);
    return path;
}

static bool has_dots(const char *names)
{
    for (size_t length; *names; names += length + (names[length] == '/')) {
        length = first_length(names);
        if (length && length <= 2 && names[0] == '.' && names[length - 1] == '.')
            return true;
    }
    return false;
}

/* Links are followed as the guest will follow them, also where what they lead to is still missing. */
static const char *resolve(const char *target, char *guest)
{
    char *path = copy_target(target);
    for (u32 links = 0; links <= LINK_LIMIT; links++) {
        const char *missing = existing_part(path, guest);
        char *behind = *missing ? behind_link(guest, missing) : NULL;
        if (!behind && has_dots(missing))
            cannot_make(target, -ENOENT);
        if (!behind)
            return missing;
        path = copy_target(behind);
    }
    cannot_make(target, -ELOOP);
}

void settle_target(const struct launch *launch, const char *target, char *guest, bool directory, u32 mode)
{
    const char *missing = resolve(target, guest);
    if (!*missing)
        return;
    make_missing(launch, guest, missing, (struct wanted){target, directory, mode});
    if (strlen(guest) + strlen(missing) + 2 > PATH_LIMIT)
        cannot_make(target, -ENAMETOOLONG);
    put_text(put_text(guest + strlen(guest), "/"), missing);
}

bool find_target(const char *target, char *guest, struct stat *status)
{
    const char *rest;
    if (*resolve(target, guest))
        return false;
    const struct bind *bind = bind_of(guest, &rest);
    if (bind->descriptor < 0)
        return !KERNEL(newfstatat, AT_FDCWD, container_text(bind->host), status, AT_SYMLINK_NOFOLLOW);
    return !KERNEL(newfstatat, bind->descriptor, *rest ? rest : ".", status, AT_SYMLINK_NOFOLLOW);
}

void make_link(const char *text, const char *target)
{
    char *guest = arena_take(PATH_LIMIT);
    const char *rest, *missing = guest ? existing_part(copy_target(target), guest) : NULL;
    if (!guest)
        cannot_make(target, -ENOMEM);
    if (!*missing)
        return;
    const struct bind *bind = bind_of(guest, &rest);
    long fd = bind->flags & BIND_READ_ONLY ? -EROFS : open_canonical(bind->descriptor, rest);
    long error = fd < 0 ? fd : KERNEL(symlinkat, text, fd, missing);
    if (error && error != -EEXIST)
        cannot_make(target, error);
    KERNEL(close, fd);
}
