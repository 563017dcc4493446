#include "../kernel/text.h"
#include "../threads/process.h"
#include "place.h"

const struct bind *place_bind(struct place *place)
{
    if (place->bind < 0) {
        char *host = arena_take(PATH_LIMIT), *guest = arena_take(PATH_LIMIT);
        int preferred = place->fd == AT_FDCWD ? process.directory_bind : -1;
        long size = !host || !guest ? -ENOMEM : place->magic ? KERNEL(readlinkat, place->fd, place->name, host, PATH_LIMIT - 1) : host_path_of(place->fd, host);
        if (size == -ENOENT && place->fd == AT_FDCWD)
            size = last_path_of_cwd(host);
        if (size < 0)
            return NULL;
        host[size] = 0;
        place->bind = bind_index(guest_of_host(host, guest, preferred));
    }
    return place->bind < 0 ? NULL : &container->binds[place->bind];
}

long place_writable(struct place *place)
{
    if (!has_option(OPTION_READ_ONLY))
        return 0;
    const struct bind *bind = place_bind(place);
    return bind && (bind->flags & BIND_READ_ONLY) ? -EROFS : 0;
}

long place_open(struct place *place)
{
    u64 flags = O_PATH | O_CLOEXEC | (place->must_be_directory ? O_DIRECTORY : 0);
    long fd = open_temporary(place->fd, place->name, flags | (place->magic ? 0 : O_NOFOLLOW), 0);
    if (fd >= 0)
        hold_descriptor((int)fd);
    return fd;
}
