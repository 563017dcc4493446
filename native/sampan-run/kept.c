/* The kernel says where a descriptor leads, so links in the path and a trailing slash need no care. */
#include "kept.h"

#include "descriptor.h"
#include "records.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

bool kept_open(struct kept *kept, int base, const char *path)
{
    char real[MAX_PATH];
    kept->directory = openat(base, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    kept->parent = kept->directory < 0 ? -1 : openat(kept->directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    ssize_t length = kept->parent < 0 ? -1 : readlink(descriptor_path(kept->directory).text, real, sizeof real - 1);
    if (length < 0)
        return false;
    real[length] = '\0';
    const char *slash = strrchr(real, '/');
    const char *name = slash == NULL ? real : slash + 1;
    if (strlen(name) >= sizeof kept->name) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(kept->name, name);
    return true;
}

bool kept_is_there(const struct kept *kept)
{
    struct stat own, there;
    return fstat(kept->directory, &own) == 0 && fstatat(kept->parent, kept->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           own.st_dev == there.st_dev && own.st_ino == there.st_ino;
}
