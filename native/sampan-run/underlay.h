/* Names in a directory that cannot be written. */
#ifndef UNDERLAY_H
#define UNDERLAY_H

#include "root.h"

/* Covers `directory`, which is at `path` below the root, by a tmpfs that shows the same entries; a descriptor of it, in which
 * names can be made until all targets exist. Ends the program if that fails. */
int underlay_make(struct root *root, int directory, const char *path);

#endif
