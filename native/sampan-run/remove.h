/* Removing directories with all that is in them. */
#ifndef REMOVE_H
#define REMOVE_H

#include <stdbool.h>

/* Removes `parent`/`name`, whatever it is; false with errno if something of it stays. */
bool remove_all(int parent, const char *name);

#endif
