/* Descriptors: closed at the end of their block, and named as paths. Everything is opened with O_CLOEXEC. */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static inline void close_descriptor(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* `CLOSING int fd = open(...)`: closed when the block is left. */
#define CLOSING __attribute__((cleanup(close_descriptor)))

struct descriptor_path {
    char text[32];
};

/* The name by which calls that take only paths reach the thing behind a descriptor, whatever characters and length its real
 * path has, and whatever has been mounted over it. */
static inline struct descriptor_path descriptor_path(int fd)
{
    struct descriptor_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", fd);
    return path;
}

struct entry_path {
    char text[sizeof(struct descriptor_path) + NAME_MAX + 1];
};

/* The same for the entry `name` of a directory; what is mounted on it is found. */
static inline struct entry_path entry_path(int directory, const char *name)
{
    struct entry_path path;
    snprintf(path.text, sizeof path.text, "%s/%s", descriptor_path(directory).text, name);
    return path;
}

#endif
