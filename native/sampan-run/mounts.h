/* The mount records. */
#ifndef MOUNTS_H
#define MOUNTS_H

#include "root.h"

/* Cuts the new mount namespace off from the machine's: nothing that is mounted here may show up there. Mounts of the machine still
 * come in where a bind asks for `rslave`. */
void mounts_cut_off(const struct launch *launch);

/* Opens the sources of all binds, before anything is covered. */
void mounts_open_sources(struct launch *launch, int base);

/* Carries a mount record out; nothing happens for another. */
void mounts_do(struct root *root, const struct record *record);

/* Makes what has to be read-only in the end so. */
void mounts_finish(struct root *root, const struct launch *launch);

/* Binds the directory `source` on `target`. */
void mounts_bind_directory(struct root *root, int source, const char *target);

#endif
