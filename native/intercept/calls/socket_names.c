/* Names of AF_UNIX sockets, from the guest to the kernel and back.
 *
 * Connecting goes through the magic link of a descriptor: the kernel does not keep that text. Binding is different: the text given is what the
 * socket is called for ever, and peers see it. So a text is looked for that the kernel resolves to the right directory, and that can be told
 * back into what the guest said: a relative name as it is; for an absolute one the host's path, if it fits the 107 bytes; else (directories
 * of containers have long paths) "/proc/self/fd/N/REST", N being the reserved descriptor of the bind: the same in every process of the container. "/dev/fd/N/REST" is
 * the same, shorter. Each is tried with the guest's own text first, then with the canonical path. */
#include "../kernel/text.h"
#include "../paths/place.h"
#include "sockets.h"

#define FAMILY_SIZE 2

bool socket_path(const struct sockaddr_un *address, u64 length, char *path)
{
    if (!address || length <= FAMILY_SIZE || length > sizeof *address || address->family != AF_UNIX || !address->path[0])
        return false;
    memcpy(path, address->path, length - FAMILY_SIZE);
    path[length - FAMILY_SIZE] = 0;
    return true;
}

static u64 put_address(struct sockaddr_un *address, const char *path)
{
    address->family = AF_UNIX;
    put_text(address->path, path);
    return FAMILY_SIZE + strlen(path) + 1;
}

long socket_target(const char *path, struct sockaddr_un *address, u64 *length)
{
    struct place place;
    char link[40];
    long error = find_object(AT_FDCWD, (u64)path, true, &place);
    if (error)
        return error;
    long fd = place_open(&place);
    if (fd < 0)
        return fd;
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    *length = put_address(address, link);
    return 0;
}

/* Does the kernel find in this name's directory what the guest means? Then it is taken. */
static bool try_name(const struct place *place, const char *prefix, const char *rest, char *name)
{
    size_t prefix_length = strlen(prefix);
    bool slash = prefix_length && *rest && prefix[prefix_length - 1] != '/';
    if (prefix_length + slash + strlen(rest) >= UNIX_PATH_LIMIT)
        return false;
    put_text(put_text(put_text(name, prefix), slash ? "/" : ""), rest);
    char directory[UNIX_PATH_LIMIT + 2];
    size_t end = strlen(name);
    while (end && name[end - 1] == '/')
        end--;
    size_t base = base_offset(name, end);
    memcpy(directory, name, base);
    put_text(directory + base, ".");
    struct stat there, meant;
    return !KERNEL(newfstatat, AT_FDCWD, directory, &there, 0) && !KERNEL(newfstatat, place->fd, ".", &meant, 0) && there.dev == meant.dev
           && there.ino == meant.ino;
}

static bool try_bind(const struct place *place, const struct bind *bind, const char *rest, char *name)
{
    char prefix[48];
    if (!bind || bind->descriptor < 0)
        return false;
    if (try_name(place, bind->host_length ? container_text(bind->host) : "/", rest, name))
        return true;
    put_number(put_text(prefix, "/proc/self/fd/"), (u64)bind->descriptor);
    if (try_name(place, prefix, rest, name))
        return true;
    put_number(put_text(prefix, "/dev/fd/"), (u64)bind->descriptor);
    return try_name(place, prefix, rest, name);
}

static long choose_name(const struct place *place, const char *path, char *name)
{
    const char *rest;
    char *host = arena_take(PATH_LIMIT), *guest = arena_take(PATH_LIMIT);
    if (!host || !guest)
        return -ENOMEM;
    if (path[0] != '/' && try_name(place, "", path, name))
        return 0;
    if (path[0] == '/') {
        const struct bind *bind = bind_of(path, &rest);
        if (try_bind(place, bind, rest, name))
            return 0;
    }
    long length = host_path_of(place->fd, host);
    if (length < 0)
        return length;
    if ((size_t)length + strlen(place->name) + 2 < PATH_LIMIT && guest_of_host(host, guest, place->bind)) {
        put_text(put_text(guest + strlen(guest), "/"), place->name);
        const struct bind *bind = bind_of(guest, &rest);
        if (try_bind(place, bind, rest, name))
            return 0;
    }
    char prefix[48] = "/proc/self/cwd";
    if (place->fd != AT_FDCWD)
        put_number(put_text(prefix, "/proc/self/fd/"), (u64)place->fd);
    return try_name(place, prefix, place->name, name) ? 0 : -ENAMETOOLONG;
}

long socket_new_name(const char *path, struct sockaddr_un *address, u64 *length)
{
    struct place place;
    struct stat status;
    long error = find_entry(AT_FDCWD, (u64)path, &place);
    if (error)
        return error;
    error = place_fault(&place);
    if (error)
        return error;
    if (place.bind_point)
        return -EADDRINUSE;
    if (place_writable(&place)) {
        size_t size = strlen(place.name);
        error = KERNEL(newfstatat, place.fd, place.name, &status, AT_SYMLINK_NOFOLLOW);
        if (error == -ENOENT && place.name[size - 1] == '/')
            return -ENOENT;
        return error == 0 || error == -ENOTDIR ? -EADDRINUSE : error == -ENOENT ? -EROFS : error;
    }
    error = choose_name(&place, path, address->path);
    address->family = AF_UNIX;
    *length = FAMILY_SIZE + strlen(address->path) + 1;
    return error;
}

/* "/proc/self/fd/N/REST" and "/dev/fd/N/REST" with the descriptor of a bind. */
static bool shown_by_descriptor(const char *name, char *guest)
{
    const char *number = text_begins(name, "/proc/self/fd/") ? name + 14 : text_begins(name, "/dev/fd/") ? name + 8 : NULL;
    const char *rest;
    u64 descriptor;
    if (!number || !read_number(number, &descriptor, &rest) || *rest != '/')
        return false;
    for (u32 i = 0; i < container->bind_count; i++) {
        const struct bind *bind = &container->binds[i];
        if (bind->descriptor == (i32)descriptor && bind->guest_length + strlen(rest) < PATH_LIMIT) {
            put_text(put_text(guest, container_text(bind->guest)), rest);
            return true;
        }
    }
    return false;
}

u64 socket_show(struct sockaddr_un *address, u64 length)
{
    char name[UNIX_PATH_LIMIT + 1];
    char *guest = arena_take(PATH_LIMIT);
    if (!guest || !socket_path(address, length, name) || name[0] != '/')
        return length;
    if (!shown_by_descriptor(name, guest) && !shown_path(name, guest, -1))
        return length;
    size_t shown = strlen(guest);
    if (shown >= UNIX_PATH_LIMIT)
        return length;
    return put_address(address, guest);
}
