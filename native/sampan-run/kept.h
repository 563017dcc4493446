/* A directory that will have to be removed, held by descriptors: whatever becomes of its path in the meantime. */
#ifndef KEPT_H
#define KEPT_H

#include <limits.h>
#include <stdbool.h>

struct kept {
    int directory, parent; /* -1: none */
    char name[NAME_MAX + 1];
};

#define KEPT_NONE {.directory = -1, .parent = -1}

/* Opens it; false with errno. */
bool kept_open(struct kept *kept, int base, const char *path);

/* Is it still where it was? */
bool kept_is_there(const struct kept *kept);

#endif
