/* What an imitated root sees of the files of a shared tree: they belong to the caller on disk and are closed to nobody but by the umask,
 * so owners and modes of the image come from a file that sampan makes once of its index. It consists of pairs PATH, UID:GID:MODE (mode
 * octal), each ended by a zero byte, and lists only what differs (docs/design/launch-file.md, "Owners"). */
#include "../container/container.h"
#include "../identity/owners.h"
#include "../kernel/text.h"
#include "launch.h"

static void show(int root, const char *path, const char *words)
{
    struct stat status;
    u64 uid, gid, mode;
    const char *rest;
    if (!read_number(words, &uid, &rest) || *rest != ':' || !read_number(rest + 1, &gid, &rest) || *rest != ':' || !read_octal(rest + 1, &mode))
        return;
    if (KERNEL(newfstatat, root, path, &status, AT_SYMLINK_NOFOLLOW))
        return; /* a device, which is in the index alone */
    struct owner *owner = owner_add(owner_key(status.dev, status.ino));
    if (!owner)
        return;
    *owner = (struct owner){.key = owner->key, .uid = (u32)uid, .gid = (u32)gid, .mode = (status.mode & S_IFMT) | (u32)mode};
    owner->flags = (uid || gid ? OWNER_HAS_IDS : 0) | ((status.mode & S_IFMT) != S_IFLNK && owner->mode != status.mode ? OWNER_HAS_MODE : 0);
}

void show_image_owners(const struct launch *launch)
{
    char link[40];
    struct stat status;
    put_number(put_text(link, "/proc/self/fd/"), (u64)launch->image_owners_fd);
    int fd = (int)KERNEL(openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 || KERNEL(fstat, fd, &status) || !status.size)
        return;
    const char *text = (const char *)KERNEL(mmap, 0, status.size, PROT_READ, MAP_PRIVATE, fd, 0), *end = text + status.size;
    KERNEL(close, fd);
    if (is_error((long)text) || end[-1])
        return;
    owners_map(launch->owners_fd);
    while (text < end) {
        const char *words = text + strlen(text) + 1;
        if (words >= end)
            return;
        show(launch->root_fd, text, words);
        text = words + strlen(words) + 1;
    }
}
