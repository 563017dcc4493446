/* An underlay is a tmpfs on a directory, in which each entry of the directory is bound again: what is below stays exact, and is still
 * the same file system; only the directory itself becomes another one. Symbolic links are made anew, since they cannot be bound.
 *
 * Rejected: a read-only overlay with a layer of names. It keeps the directory too, but costs metadata work below all of the root for
 * as long as the payload runs, and is what the kernels lack for which a read-only root is the way out. */
#include "underlay.h"

#include "descriptor.h"
#include "message.h"
#include "resolve.h"
#include "targets.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* 0, or -1 with errno. Mounts that lie on the entry already come along. */
static int show_entry(int from, int to, const char *name)
{
    struct stat st;
    char text[MAX_PATH];
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    if (S_ISLNK(st.st_mode)) {
        ssize_t length = readlinkat(from, name, text, sizeof text - 1);
        if (length < 0)
            return -1;
        text[length] = '\0';
        return symlinkat(text, to, name);
    }
    int made = S_ISDIR(st.st_mode) ? mkdirat(to, name, 0700) : mknodat(to, name, S_IFREG | 0600, 0);
    if (made != 0)
        return -1;
    return mount(entry_path(from, name).text, entry_path(to, name).text, NULL, MS_BIND | MS_REC, NULL);
}

static void show_entries(int from, int to, const char *path)
{
    int listing = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = listing < 0 ? NULL : fdopendir(listing);
    if (stream == NULL)
        fail_errno("cannot list /%s inside the image", path);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (show_entry(from, to, entry->d_name) != 0)
            fail_errno("cannot show /%s/%s again, which is needed to make a name beside it", path, entry->d_name);
    }
    if (errno != 0)
        fail_errno("cannot list /%s inside the image", path);
    closedir(stream);
}

int underlay_make(struct root *root, int directory, const char *path)
{
    struct stat st;
    char options[32];
    if (fstat(directory, &st) != 0)
        fail_errno("cannot look at /%s inside the image", path);
    snprintf(options, sizeof options, "mode=%04o", (unsigned)(st.st_mode & 07777));
    if (mount(root->label, descriptor_path(directory).text, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
        fail_errno("cannot mount a tmpfs on /%s", path);
    if (*path == '\0')
        root_reopen(root);
    int top = resolve_again(root->fd, path);
    if (top < 0)
        fail_errno("cannot open the tmpfs on /%s", path);
    targets_add_own(top);
    show_entries(directory, top, path);

    struct timespec times[2] = {st.st_atim, st.st_mtim};
    targets_protect_later(top, times);
    return top;
}
