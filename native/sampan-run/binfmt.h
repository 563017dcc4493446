/* Programs for other machines. */
#ifndef BINFMT_H
#define BINFMT_H

#include "root.h"

/* Mounts binfmt_misc of the own user namespace inside, if that has not been done, and registers the interpreter of a `binfmt` record. */
void binfmt_register(const struct root *root, const struct record *record, int base);

/* Can it be mounted at `path`? 0, or -1 with errno. */
int binfmt_try(const char *path);

#endif
