/* System calls that old C libraries have no function for, and the switch that pretends they are missing. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>

enum call { CALL_OVERLAY, CALL_MOUNT_SETATTR, CALL_OPENAT2, CALL_PIVOT_ROOT, CALL_CLOSE_RANGE, CALL_BINFMT, CALLS };

/* Behave from now on as if the kernel lacked the calls of a comma list; false if a word names none of them. */
bool kernel_without(const char *list);

/* Is this call known to be missing, by --without or by an earlier answer? */
bool kernel_lacks(enum call call);

/* openat2 with RESOLVE_IN_ROOT and without magic links; O_CLOEXEC is added. -1 and ENOSYS where it is missing, for whatever
 * reason: seccomp filters answer EPERM, and this call has no EPERM of its own for O_PATH. */
int kernel_open_in_root(int root, const char *path, int flags);

/* mount_setattr, recursive, on the mount whose root `fd` is: switches on MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC (these four
 * have the same bits in both interfaces). */
int kernel_set_flags(int fd, unsigned long flags);

int kernel_pivot_root(const char *new_root, const char *put_old);

/* Closes the descriptors from `first` to `last`. */
int kernel_close_range(unsigned first, unsigned last);

#endif
