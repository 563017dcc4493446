/* Theory of operation: mount_setattr does a whole tree of mounts in one call (Linux 5.12). Where it is missing, /proc/self/mountinfo
 * is read once and each mount below the path is remounted by itself. A remount states all flags anew, and the kernel refuses one
 * that drops a flag which the mount had before it came into our user namespace; so the flags it has are kept. The times' flags
 * need no care: a remount that states none of them keeps them. */
#include "protect.h"

#include "descriptor.h"
#include "kernel.h"
#include "records.h"

#include <errno.h>
#include <stdbool.h>
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

/* The octal escapes of mountinfo (\040 for a blank), undone in place. */
static void unescape(char *text)
{
    char *to = text;
    for (; *text != '\0'; to++) {
        if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] != '\0' && text[3] != '\0') {
            *to = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
            text += 4;
        } else {
            *to = *text++;
        }
    }
    *to = '\0';
}

/* The mount point, the fifth word, of the line at `*at`, which moves to the next line; NULL at the end. */
static char *next_mount_point(char **at)
{
    char *line = *at, *point = line;
    if (*line == '\0')
        return NULL;
    char *end = strchr(line, '\n');
    *at = end == NULL ? line + strlen(line) : end + 1;
    for (int word = 0; word < 4; word++) {
        point += strcspn(point, " \n");
        point += *point == ' ';
    }
    point[strcspn(point, " \n")] = '\0';
    unescape(point);
    return point;
}

static bool read_all(const char *path, char *text, size_t size)
{
    CLOSING int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && length < size - 1) {
        got = read(fd, text + length, size - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    }
    text[length] = '\0';
    if (got > 0)
        errno = EOVERFLOW;
    return got == 0;
}

static int protect_below(const char *top, unsigned long flags)
{
    static char text[8 << 20]; /* 100,000 mounts, the kernel's limit, of 80 bytes */
    size_t length = strlen(top);
    char *at = text, *point;
    if (!read_all("/proc/self/mountinfo", text, sizeof text))
        return -1;
    while ((point = next_mount_point(&at)) != NULL) {
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
