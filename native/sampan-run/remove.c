/* Theory of operation: a tree may be deeper than descriptors and stack are many, so there is no recursion. A directory below the top
 * that is not empty is renamed into the top, where its turn comes: each is renamed once at most, and two descriptors are open at any
 * time. Overlays leave a directory of mode 0000 in their work directory, and images have directories without write permission; both
 * are opened up first. */
#include "remove.h"

#include "descriptor.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct removal {
    int top;         /* directory */
    unsigned moved;  /* directories, for their names */
    bool progress;   /* something went in this round */
    int error;       /* of the first thing that could not be removed in this round */
};

static bool is_self(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool is_gone(int parent, const char *name)
{
    return unlinkat(parent, name, 0) == 0 || (errno != ENOENT && unlinkat(parent, name, AT_REMOVEDIR) == 0) || errno == ENOENT;
}

static bool move_to_top(struct removal *removal, int parent, const char *name)
{
    char goal[32];
    fchmodat(parent, name, 0700, 0);
    for (int tries = 0; tries < 1000; tries++) {
        snprintf(goal, sizeof goal, ".removed.%u", removal->moved++);
        if (renameat(parent, name, removal->top, goal) == 0)
            return true;
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            return false;
    }
    return false;
}

static DIR *open_stream(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (stream == NULL && fd >= 0)
        close(fd);
    return stream;
}

/* Empties the directory `name` of the top, of which sub-directories come to the top. */
static void empty(struct removal *removal, const char *name)
{
    fchmodat(removal->top, name, 0700, 0);
    DIR *stream = open_stream(removal->top, name);
    const struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        if (is_self(entry->d_name))
            continue;
        if (is_gone(dirfd(stream), entry->d_name) || move_to_top(removal, dirfd(stream), entry->d_name))
            removal->progress = true;
        else
            removal->error = removal->error == 0 ? errno : removal->error;
    }
    if (stream != NULL)
        closedir(stream);
}

static void one_round(struct removal *removal, DIR *stream)
{
    const struct dirent *entry;
    removal->progress = false;
    removal->error = 0;
    rewinddir(stream);
    while ((entry = readdir(stream)) != NULL) {
        if (is_self(entry->d_name))
            continue;
        if (!is_gone(removal->top, entry->d_name)) {
            empty(removal, entry->d_name);
            if (!is_gone(removal->top, entry->d_name)) {
                removal->error = removal->error == 0 ? errno : removal->error;
                continue;
            }
        }
        removal->progress = true;
    }
}

bool remove_all(int parent, const char *name)
{
    if (is_gone(parent, name))
        return true;
    fchmodat(parent, name, 0700, 0);
    DIR *stream = open_stream(parent, name);
    if (stream == NULL)
        return false;
    struct removal removal = {.top = dirfd(stream), .progress = true};
    while (removal.progress)
        one_round(&removal, stream);
    closedir(stream);
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    errno = removal.error != 0 ? removal.error : errno;
    return false;
}
