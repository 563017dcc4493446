/* The new root: the directory it is made from, the workspace that covers it, and what is mounted there. */
#ifndef ROOT_H
#define ROOT_H

#include "launch.h"

struct root {
    const struct record *record;
    const char *label;   /* source name of the overlay and of tmpfs mounts */
    const char *tree;    /* path of the tree, for messages */
    bool from_file;      /* run from a file, not by `sampan run` */
    int lower;           /* O_PATH of the tree, opened before it is covered */
    int upper, work;     /* of a kept overlay */
    int workspace;       /* the tmpfs that covers the tree's directory; it vanishes with the old root */
    int files;           /* a tmpfs for contents of files, if there was need for one */
    int fd;              /* O_PATH of the root as it is now */
    bool writable;       /* names can be made in the root mount itself */
    bool in_memory;      /* and vanish with it */
    bool fallback;       /* the overlay was refused and the tree is read-only */
    bool caller_planned; /* the caller's directory is missing in the image, and a name for it is in the layer of names */
};

/* Opens the directories that the root record names, relative to `base`. */
void root_open(struct root *root, const struct launch *launch, int base, bool from_file);

/* Covers the tree with the workspace. Every path that leads through the tree must be open by now. */
void root_cover(struct root *root, int base);

/* Does the root have layers, so that missing names can be put into one before the root is mounted? */
bool root_has_layers(const struct root *root);

/* A read-only view of the layers as they are, and the directory of the layer to put names into; the caller closes both.
 * `again`: there are names in the layer by now, which belong to the view. False if the kernel refuses the overlay. */
bool root_view(const struct root *root, bool again, int *view, int *names);

/* Mounts the root; `names`: there is something in the layer of names. */
void root_mount(struct root *root, bool names);

/* Opens the top of what is mounted on the root directory by now. */
void root_reopen(struct root *root);

/* A new empty file in memory that can be bound; O_RDWR. */
int root_new_file(struct root *root);

/* Makes it the root of this process and lets the old one go. */
void root_enter(struct root *root);

/* Makes it the current directory; the root stays the machine's. */
void root_stand_in(const struct root *root);

#endif
