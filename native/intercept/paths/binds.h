/* Which host path stands behind a path of the guest, and back. Pure questions to the container's description. */
#ifndef SAMPAN_BINDS_H
#define SAMPAN_BINDS_H

#include "../container/container.h"

/* The bind that a canonical guest path lies in; `*rest` is what follows it, without a slash in front, "" for the bind itself. */
const struct bind *bind_of(const char *guest, const char **rest);

/* May a component of this name be the last one of a bind? False is certain. */
bool may_be_bind(const char *name, size_t length);

/* The guest's path of a canonical host path, into `guest` (PATH_LIMIT). The bind used, or NULL: it lies outside, or is too long.
 * If several match, `preferred` (an index, or -1) wins, else the longest host path. */
const struct bind *guest_of_host(const char *host, char *guest, int preferred);

static inline const struct bind *root_bind(void)
{
    return &container->binds[container->root_bind];
}

static inline int bind_index(const struct bind *bind)
{
    return bind ? (int)(bind - container->binds) : -1;
}

/* One bit of 64 for a name, for `bind_names`. */
static inline u64 name_bit(const char *name, size_t length)
{
    return 1UL << (((u8)name[0] * 7u + (u8)name[length - 1] * 3u + length) & 63);
}

#endif
