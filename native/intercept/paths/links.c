#include "../kernel/text.h"
#include "../threads/process.h"
#include "place.h"

#define LINK_LIMIT 40

/* The text of a link, seen from where the link stands: `dir/link` with the text `x/y` is `dir/x/y`. Into `path` (PATH_LIMIT). */
static long join(const struct place *place, const char *text, char *path)
{
    bool absolute = text[0] == '/';
    const char *jail = jail_of_call();
    size_t directory = absolute ? strlen(jail) : place->base, length = strlen(text);
    this_thread()->scope_left += absolute;
    if (directory + length + 2 > PATH_LIMIT)
        return -ENAMETOOLONG;
    memcpy(path, absolute ? jail : place->path, directory);
    memcpy(path + directory, text, length);
    size_t used = directory + length;
    if (place->must_be_directory) /* slashes behind the link demand a directory at its end, too */
        path[used++] = '/';
    path[used] = 0;
    return 0;
}

/* What the link leads to, as text; 1: the place is final. */
static long read_link(struct place *place, char *text)
{
    if (place->bind_point || (place->name[0] == '.' && !place->name[1]))
        return 1;
    long size = KERNEL(readlinkat, place->fd, place->name, text, PATH_LIMIT - 1);
    if (size < 0)
        return 1; /* not a link, or the operation will say what is wrong */
    text[size] = 0;
    long kind = may_be_proc_link(place->name) ? proc_link(place->fd, place->name, text) : LINK_PLAIN;
    if (kind < 0)
        return kind;
    place->magic = kind == LINK_MAGIC;
    if (place->magic)
        place->bind = -1; /* that of the file, if anybody asks */
    return place->magic;
}

NOINLINE long place_follow(struct place *place)
{
    struct thread *thread = this_thread();
    char *text = arena_take(PATH_LIMIT), *paths[2] = {arena_take(PATH_LIMIT), arena_take(PATH_LIMIT)}, *mark = thread->arena;
    if (!text || !paths[0] || !paths[1])
        return -ENOMEM;
    for (int links = 0; links <= LINK_LIMIT; links++) {
        long result = read_link(place, text);
        if (result)
            return result < 0 ? result : 0;
        char *path = paths[links & 1];
        result = join(place, text, path);
        if (result)
            return result;
        /* What the last step held and noted is of no use any more: forty links would exhaust it. */
        release_held(thread, place->held);
        thread->arena = mark;
        u32 held = place->held;
        bool creating = place->creating;
        result = find_text(path[0] == '/' ? AT_FDCWD : place->from, path, place);
        if (result)
            return result;
        place->held = held;
        place->creating = creating;
        if (creating && place->must_be_directory)
            return -EISDIR;
    }
    return -ELOOP;
}
