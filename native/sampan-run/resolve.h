/* Paths inside the new root. */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "records.h"

#include <stdbool.h>

struct place {
    int fd;               /* O_PATH: what is there, or the nearest directory above it that exists */
    bool exists;
    char path[MAX_PATH];  /* if it does not exist: where `fd` is, from the root, without links; "" is the root itself */
    char rest[MAX_PATH];  /* if it does not exist: the names that are missing below `fd`, "a/b" */
};

/* Finds `path` below the directory `root` as a program sees it whose root that is: absolute links begin at `root`, `..` stops
 * there, magic links of /proc are refused (ELOOP), a link in the last place is followed if `follow`. What is missing is no
 * error; a file in the middle is. 0, and the caller closes place->fd; or -1 with errno and no descriptor. */
int resolve(int root, const char *path, bool follow, struct place *place);

/* The directory at `path`, which is a place's `path`, as it is now, whatever has been mounted on it; -1 with errno. */
int resolve_again(int root, const char *path);

#endif
