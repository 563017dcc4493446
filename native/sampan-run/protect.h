/* Flags of existing mounts: read-only, nosuid, nodev, noexec. */
#ifndef PROTECT_H
#define PROTECT_H

/* Switches `flags` (MS_*) on for the mount whose root `fd` is, and keeps those it has; -1 with errno, EINVAL if `fd` is not the
 * root of a mount. */
int protect_mount(int fd, unsigned long flags);

/* The same for this mount and all that lie below it; -1 with errno, and the start must not go on. */
int protect_tree(int fd, unsigned long flags);

#endif
