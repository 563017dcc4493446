/* Targets inside the new root: found, or made where that leaves no trace. */
#ifndef TARGETS_H
#define TARGETS_H

#include "resolve.h"
#include "root.h"

#include <sys/types.h>
#include <time.h>

/* What a target must be if it has to be made. */
struct want {
    enum { WANT_DIRECTORY, WANT_FILE, WANT_LINK } type;
    mode_t mode;
    const char *text; /* of a link */
};

/* What the target of `record` has to be; false for records that make nothing. `target` is its path. */
bool target_of(const struct record *record, const char **target, struct want *want);

/* Puts the names that the mount records need and the image lacks into the layer for them; true if there is one now. */
bool targets_plan(struct root *root, const struct launch *launch, const char *caller_directory);

/* O_PATH of what is at `target`, made as `want` says if it is missing. Ends the program if that cannot be. */
int target_open(struct root *root, const char *target, struct want want);

/* The same, to mount something on it; refuses the root itself. */
int target_open_to_cover(struct root *root, const char *target, struct want want);
void target_not_root(const struct root *root, int fd, const char *target);

/* What is at `target` if it exists, else -1. */
int target_find(const struct root *root, const char *target);

/* A mount of ours in which names can be made: of the tmpfs whose root `fd` is. */
void targets_add_own(int fd);

/* Does `fd` lie in a place of ours that vanishes with the last process? */
bool target_in_memory(const struct root *root, int fd);

/* Is `fd`, found at the caller's directory, only the name that was planned for it? */
bool target_is_planned_name(const struct root *root, int fd);

/* The mount whose root `fd` is becomes read-only when all targets are made, and its root gets these times if there are any. */
void targets_protect_later(int fd, const struct timespec times[2]);
void targets_protect(void);

#endif
