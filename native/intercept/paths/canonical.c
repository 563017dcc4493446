/* Component by component, as the kernel does it, but with the guest's root, its binds, and its view of procfs. */
#include "../kernel/text.h"
#include "../threads/process.h"
#include "place.h"

#define LINK_LIMIT 40
#define UPS_LIMIT 64

/* Where the walk is, in two forms: `out` is the canonical path of the guest. For the kernel it is a descriptor and a rest: while the walk
 * has not left the bind in which it began by `..` or an absolute link, that is the directory it began in, so that no right is asked for in directories
 * above, which the kernel would not ask for either; and it works where those have been moved or removed. Otherwise it is
 * the bind's own directory. */
struct walk {
    char *out;
    size_t length;
    int from;                    /* -1: the bind's directory counts */
    size_t base;                 /* out[0..base) is the directory that `ups` leads to */
    char ups[3 * UPS_LIMIT + 4]; /* "../../" from where it began */
    char *todo;                  /* what is still to be done */
    char *buffer;                /* 2 * PATH_LIMIT, `todo` points into it */
    char *link, *name;           /* PATH_LIMIT each */
    int links;
};

static long walk_prepare(struct walk *walk, int from, const char *path, char *out)
{
    struct stat status;
    *walk = (struct walk){.out = out, .from = -1, .buffer = arena_take(2 * PATH_LIMIT), .link = arena_take(PATH_LIMIT), .name = arena_take(PATH_LIMIT)};
    if (!walk->buffer || !walk->link || !walk->name)
        return -ENOMEM;
    if (path[0] == '/') {
        put_text(out, jail_of_call());
    } else {
        long error = KERNEL(newfstatat, from, ".", &status, 0);
        if (error == -ENOENT && from == AT_FDCWD)
            error = 0; /* it has been removed, but `..` still leads out of it */
        if (!error)
            error = guest_path_of(from, out);
        if (error)
            return error;
        walk->from = from;
    }
    walk->length = walk->base = strlen(out);
    put_text(walk->buffer, path);
    walk->todo = walk->buffer;
    return 0;
}

/* The kernel's form of where the walk is; `*fd` is -1 in a bound file, whose path is the rest. */
static const char *kernel_name(struct walk *walk, int *fd)
{
    const char *rest;
    const struct bind *bind = bind_of(walk->out, &rest);
    if (walk->from != -1 && walk->length >= walk->base) {
        *fd = walk->from;
        char *end = put_text(walk->name, walk->ups);
        if (walk->length > walk->base)
            put_text(end, walk->out + walk->base + 1);
        else if (end == walk->name)
            put_text(end, ".");
        else
            end[-1] = 0; /* "../..": a slash behind it would ask for the right to pass */
        return walk->name;
    }
    *fd = bind->descriptor;
    return bind->descriptor < 0 ? container_text(bind->host) : *rest ? rest : ".";
}

static bool at_bind(const struct walk *walk)
{
    const char *rest;
    bind_of(walk->out, &rest);
    return !*rest;
}

/* A name is left by `..`: it must be a directory that one may pass through. */
static long walk_up(struct walk *walk)
{
    struct stat status;
    size_t jail = strlen(jail_of_call());
    int fd;
    const char *name = kernel_name(walk, &fd);
    if (fd == -1)
        return -ENOTDIR;
    size_t length = strlen(name);
    if (length + 3 > PATH_LIMIT)
        return -ENAMETOOLONG;
    if (name != walk->name)
        memcpy(walk->name, name, length);
    put_text(walk->name + length, "/.");
    long error = KERNEL(newfstatat, fd, walk->name, &status, 0);
    bool removed = error == -ENOENT && walk->from != -1 && walk->length == walk->base;
    if (error && !removed)
        return error;
    if (at_bind(walk))
        walk->from = -1; /* out of this bind */
    if (walk->length <= jail) {
        this_thread()->scope_left++;
        return 0;
    }
    bool above = walk->length == walk->base;
    while (walk->length > jail && walk->out[--walk->length] != '/')
        ;
    walk->out[walk->length] = 0;
    if (above && walk->from != -1) {
        size_t ups = strlen(walk->ups);
        if (ups + 4 > sizeof walk->ups)
            walk->from = -1;
        else
            put_text(walk->ups + ups, "../");
        walk->base = walk->length;
    }
    return 0;
}

/* Puts the text of a link in front of what is still to be done. */
static long splice(struct walk *walk, const char *text, size_t length, const char *after)
{
    size_t after_length = strlen(after);
    if (length + after_length + 2 > PATH_LIMIT)
        return -ENAMETOOLONG;
    memmove(walk->buffer + length, after, after_length + 1);
    memcpy(walk->buffer, text, length);
    walk->todo = walk->buffer;
    return 0;
}

static long begin_at(struct walk *walk, int fd)
{
    hold_descriptor(fd);
    long error = guest_path_of(fd, walk->out);
    if (error)
        return error == -ENOENT ? -EACCES : error; /* a directory of the host, by somebody's descriptor */
    walk->from = fd;
    walk->ups[0] = 0;
    walk->length = walk->base = strlen(walk->out);
    return LINK_MAGIC;
}

/* The link at the end of `out`, whose directory is `before` long, may be one of procfs. Its kind or an error; LINK_MAGIC: the
 * walk stands there already. */
static long proc_directory_link(struct walk *walk, size_t before)
{
    char *name = walk->out + before + 1;
    int start;
    walk->out[before] = 0;
    size_t length = walk->length;
    walk->length = before;
    const char *rest = kernel_name(walk, &start);
    long parent = open_temporary(start, rest, OPEN_DIRECTORY, 0);
    walk->out[before] = '/';
    walk->length = length;
    if (parent < 0)
        return parent;
    parent = move_away((int)parent, name);
    long kind = proc_link((int)parent, name, walk->link);
    if (kind == LINK_MAGIC) { /* the walk begins anew where it leads, if that is in the container */
        long fd = open_temporary((int)parent, name, OPEN_DIRECTORY, 0);
        kind = fd < 0 ? fd : begin_at(walk, (int)fd);
    }
    KERNEL(close, parent);
    return kind;
}

/* One plain name. */
static long walk_down(struct walk *walk, const char *name, size_t length, const char *after)
{
    size_t before = walk->length;
    int fd;
    if (before + length + 4 > PATH_LIMIT)
        return -ENAMETOOLONG;
    walk->out[walk->length++] = '/';
    memcpy(walk->out + walk->length, name, length);
    walk->length += length;
    walk->out[walk->length] = 0;
    walk->todo = (char *)after;
    if (at_bind(walk)) {
        walk->from = -1;
        return 0;
    }
    const char *rest = kernel_name(walk, &fd);
    if (fd == -1)
        return -ENOTDIR;
    long size = KERNEL(readlinkat, fd, rest, walk->link, PATH_LIMIT - 1);
    if (size == -EINVAL)
        return 0;
    if (size < 0)
        return size;
    if (++walk->links > LINK_LIMIT)
        return -ELOOP;
    walk->link[size] = 0;
    this_thread()->links_met++;
    long kind = may_be_proc_link(walk->out + before + 1) ? proc_directory_link(walk, before) : LINK_PLAIN;
    if (kind < 0 || kind == LINK_MAGIC)
        return kind < 0 ? kind : 0;
    walk->length = before;
    if (walk->link[0] == '/') {
        const char *jail = jail_of_call();
        walk->length = strlen(jail);
        memcpy(walk->out, jail, walk->length);
        this_thread()->scope_left++;
        walk->from = -1;
    }
    walk->out[walk->length] = 0;
    return splice(walk, walk->link, strlen(walk->link), after);
}

static long walk_all(struct walk *walk)
{
    for (;;) {
        char *name = walk->todo;
        while (*name == '/')
            name++;
        if (!*name)
            return 0;
        char *after = name;
        while (*after && *after != '/')
            after++;
        size_t length = (size_t)(after - name);
        long error = 0;
        walk->todo = after;
        if (length == 2 && name[0] == '.' && name[1] == '.')
            error = walk_up(walk);
        else if (length != 1 || name[0] != '.')
            error = walk_down(walk, name, length, after);
        if (error)
            return error;
    }
}

NOINLINE long canonical_directory(int from, const char *path, char *out)
{
    struct walk walk;
    long error = walk_prepare(&walk, from, path, out);
    return error ? error : walk_all(&walk);
}

/* The result is opened without following a link: whatever is one now was put there meanwhile. */
NOINLINE long open_walking(int from, const char *path, int *bind)
{
    struct walk walk;
    char *out = arena_take(PATH_LIMIT);
    if (!out)
        return -ENOMEM;
    for (int tries = 0; tries < 3; tries++) {
        const char *rest;
        int fd;
        long error = walk_prepare(&walk, from, path, out);
        if (!error)
            error = walk_all(&walk);
        if (error)
            return error;
        *bind = bind_index(bind_of(out, &rest));
        rest = kernel_name(&walk, &fd);
        if (fd == -1)
            return -ENOTDIR;
        long opened = walk.from != -1 && walk.ups[0] ? open_without_links(fd, rest) : open_canonical(fd, rest);
        if (opened != -ELOOP && opened != -EXDEV)
            return opened;
    }
    return -ELOOP;
}
