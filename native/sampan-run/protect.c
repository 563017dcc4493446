/* Theory of operation: mount_setattr does a whole tree of mounts in one call (Linux 5.12). Where it is missing, /proc/self/mountinfo
 * is read once and each mount below the path is remounted by itself. A remount states all flags anew, and the kernel refuses one
 * that drops a flag which the mount had before it came into our user namespace; so the flags it has are kept. The times' flags
 * need no care: a remount that states none of them keeps them. */
#include "protect.h"

#include "descriptor.h"
#include "kernel.h"
#include "mountinfo.h"
#include "records.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

enum { NO_SYMFOLLOW = 256 }; /* MS_NOSYMFOLLOW, 5.10 */

int protect_mount(int fd, unsigned long flags)
{
    static const struct {
        long has;
        unsigned long keep;
    } FLAGS[] = {{ST_RDONLY, MS_RDONLY}, {ST_NOSUID, MS_NOSUID}, {4, MS_NODEV}, {8, MS_NOEXEC}, {0x2000, NO_SYMFOLLOW}};
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return -1;
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++)
        flags |= (long)fs.f_flags & FLAGS[i].has ? FLAGS[i].keep : 0;
    return mount(NULL, descriptor_path(fd).text, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

static int protect_below(const char *top, unsigned long flags)
{
    size_t length = strlen(top);
    char *at = mountinfo_read();
    const char *point;
    if (at == NULL)
        return -1;
    while ((point = mountinfo_next(&at)) != NULL) {
        if (strncmp(point, top, length) != 0 || point[length] != '/')
            continue;
        CLOSING int fd = open(point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && protect_mount(fd, flags) == 0)
            continue;
        /* Another mount covers it, or its way: no path leads there, for the payload either. */
        if (errno != ENOENT && errno != ENOTDIR && errno != EINVAL)
            return -1;
    }
    return 0;
}

int protect_tree(int fd, unsigned long flags)
{
    char top[MAX_PATH];
    if (kernel_set_flags(fd, flags) == 0)
        return 0;
    if (protect_mount(fd, flags) != 0)
        return -1;
    ssize_t length = readlink(descriptor_path(fd).text, top, sizeof top - 1);
    if (length < 0)
        return -1;
    top[length] = '\0';
    return protect_below(top, flags);
}
