/* The mounts of this process, from /proc/self/mountinfo. */
#ifndef MOUNTINFO_H
#define MOUNTINFO_H

/* All of it, to be walked with mountinfo_next; NULL with errno. */
char *mountinfo_read(void);

/* The mount point of the line at `*at`, which moves to the next line; NULL at the end. Paths are seen from this process's root. */
char *mountinfo_next(char **at);

#endif
