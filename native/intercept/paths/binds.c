#include "binds.h"

#include "../kernel/text.h"

static bool lies_in(const char *path, const char *directory, u32 length)
{
    return !memcmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

const struct bind *bind_of(const char *guest, const char **rest)
{
    size_t length = strlen(guest);
    for (u32 i = 0; i < container->bind_count; i++) {
        const struct bind *bind = &container->binds[i];
        if (bind->guest_length > length || !lies_in(guest, container_text(bind->guest), bind->guest_length))
            continue;
        const char *after = guest + bind->guest_length;
        while (*after == '/')
            after++;
        *rest = after;
        return bind;
    }
    *rest = guest; /* not reached: the root holds everything */
    return root_bind();
}

bool may_be_bind(const char *name, size_t length)
{
    if (!length || !(container->bind_names & name_bit(name, length)))
        return false;
    for (u32 i = 0; i < container->bind_count; i++) {
        const struct bind *bind = &container->binds[i];
        const char *guest = container_text(bind->guest);
        size_t base = base_offset(guest, bind->guest_length);
        if (bind->guest_length - base == length && !memcmp(guest + base, name, length))
            return true;
    }
    return false;
}

const struct bind *guest_of_host(const char *host, char *guest, int preferred)
{
    const struct bind *best = NULL;
    size_t length = strlen(host);
    for (u32 i = 0; i < container->bind_count; i++) {
        const struct bind *bind = &container->binds[i];
        if (bind->host_length > length || !lies_in(host, container_text(bind->host), bind->host_length))
            continue;
        if (!best || bind->host_length > best->host_length || (int)i == preferred)
            best = bind;
        if ((int)i == preferred)
            break;
    }
    if (!best)
        return NULL;
    const char *rest = host + best->host_length;
    size_t rest_length = strlen(rest);
    if (text_equal(rest, "/"))
        rest_length = 0;
    if (best->guest_length + rest_length >= PATH_LIMIT)
        return NULL;
    memcpy(guest, container_text(best->guest), best->guest_length);
    memcpy(guest + best->guest_length, rest, rest_length);
    guest[best->guest_length + rest_length] = 0;
    return best;
}
