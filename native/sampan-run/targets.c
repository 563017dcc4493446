/* Theory of operation. A target that is missing is made, by the place where its nearest existing parent lies:
 *
 *   in a tmpfs of ours, in an overlay, in a private copy   right there
 *   in a read-only root or bind                            by an underlay: the parent is covered by a tmpfs in which all its
 *                                                          entries are bound again, and the new name is made in that
 *   in a writable bind                                     refused: it would be made on the machine, and an underlay would
 *                                                          swallow what the payload writes beside it
 *
 * For an overlay there is a step before: names that are missing are put into a layer in memory before the overlay is mounted
 * (for one in memory into its own upper layer), so that a kept UPPER sees nothing of them, and so that they can be made in
 * directories whose owner is not this user. Only where UPPER itself hides that layer (the payload once removed the directory or its
 * parent) the name is made in the overlay after all. */
#include "targets.h"

#include "descriptor.h"
#include "message.h"
#include "protect.h"
#include "underlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

enum { MAX_OWN = 2 * MAX_RECORDS };

static dev_t own[MAX_OWN];
static unsigned own_count;

static struct {
    int fd;
    bool dated;
    struct timespec times[2];
} later[MAX_OWN];
static unsigned later_count;

void targets_add_own(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        fail_errno("cannot look at a tmpfs just mounted");
    if (own_count == MAX_OWN)
        fail("it has too many mounts in memory");
    own[own_count++] = st.st_dev;
}

/* By descriptor, not by path: something else may be mounted at the same path by then. */
void targets_protect_later(int fd, const struct timespec times[2])
{
    int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (later_count == MAX_OWN || kept < 0)
        fail("it has too many mounts in memory");
    later[later_count].fd = kept;
    if (times != NULL) {
        later[later_count].dated = true;
        memcpy(later[later_count].times, times, sizeof later[later_count].times);
    }
    later_count++;
}

void targets_protect(void)
{
    for (unsigned i = 0; i < later_count; i++) {
        struct descriptor_path path = descriptor_path(later[i].fd);
        if (later[i].dated && utimensat(AT_FDCWD, path.text, later[i].times, 0) != 0)
            fail_errno("cannot set the times of a directory in memory");
        if (protect_mount(later[i].fd, MS_RDONLY) != 0)
            fail_errno("cannot make a directory in memory read-only");
        close(later[i].fd);
    }
}

static bool is_own(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return false;
    for (unsigned i = own_count; i-- > 0;) {
        if (own[i] == st.st_dev)
            return true;
    }
    return false;
}

/* The id of the mount in which `fd` lies; -1 if the kernel does not tell (before 3.15). */
static long mount_id(int fd)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    CLOSING int info = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = info < 0 ? -1 : read(info, text, sizeof text - 1);
    if (length < 0)
        return -1;
    text[length] = '\0';
    const char *line = strstr(text, "mnt_id:");
    return line == NULL ? -1 : strtol(line + 7, NULL, 10);
}

static bool in_root_mount(const struct root *root, int fd)
{
    long id = mount_id(fd);
    return id >= 0 && id == mount_id(root->fd);
}

bool target_in_memory(const struct root *root, int fd)
{
    return is_own(fd) || (root->in_memory && in_root_mount(root, fd));
}

bool target_is_planned_name(const struct root *root, int fd)
{
    return root->caller_planned && in_root_mount(root, fd);
}

/* Marks a name that was made because something is mounted there (`diff` and `commit` leave it out), and gives its directory its times
 * back. Where the file system takes neither, the name shows. */
static void mark(int parent, const struct stat *before, int made)
{
    const struct timespec times[2] = {before->st_atim, before->st_mtim};
    setxattr(descriptor_path(made).text, "user.sampan.mountpoint", "", 0, 0);
    utimensat(AT_FDCWD, descriptor_path(parent).text, times, 0);
}

/* Makes the names of `rest` below the directory `parent`, the last as `want` says; O_PATH of it, -1 with errno. What another
 * record made in the meantime is used. */
static int make_names(int parent, const char *rest, struct want want)
{
    int at = fcntl(parent, F_DUPFD_CLOEXEC, 3);
    while (at >= 0) {
        char name[NAME_MAX + 1];
        size_t length = strcspn(rest, "/");
        memcpy(name, rest, length);
        name[length] = '\0';
        rest += length;
        bool last = *rest++ == '\0';
        int made;
        struct stat before;
        bool known = fstat(at, &before) == 0;
        if (!last || want.type == WANT_DIRECTORY)
            made = mkdirat(at, name, last ? want.mode : 0755);
        else if (want.type == WANT_LINK)
            made = symlinkat(want.text, at, name);
        else
            made = mknodat(at, name, S_IFREG | want.mode, 0);
        int next = made != 0 && errno != EEXIST ? -1 : openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        if (made == 0 && next >= 0 && known && (!last || want.type != WANT_LINK))
            mark(at, &before, next);
        close(at);
        errno = error;
        at = next;
        if (last)
            break;
    }
    return at;
}

bool target_of(const struct record *record, const char **target, struct want *want)
{
    struct stat st;
    *want = (struct want){.type = WANT_DIRECTORY, .mode = 0755};
    *target = record->count > 0 ? field(record, 0) : "";
    switch (record->kind->name) {
    case BIND:
        *target = field(record, 1);
        if (record->source < 0 || fstat(record->source, &st) != 0)
            return false;
        if (!S_ISDIR(st.st_mode))
            *want = (struct want){.type = WANT_FILE, .mode = 0644};
        return true;
    case FILE_CONTENT:
        *want = (struct want){.type = WANT_FILE, .mode = (mode_t)field_number(field(record, 1), 8)};
        return true;
    case MKDIR:
        want->mode = (mode_t)field_number(field(record, 1), 8);
        return true;
    case SYMLINK:
        *target = field(record, 1);
        *want = (struct want){.type = WANT_LINK, .text = field(record, 0)};
        return true;
    case TMPFS:
    case PROC:
    case SYSFS:
    case MQUEUE:
    case DEVPTS:
    case DEV:
        return true;
    case CWD:
        return strcmp(field(record, 1), "create") == 0;
    default:
        return false;
    }
}

/* Makes in `layer` the directories of `path`, each looking as it does in `view`, and below them the names of `rest`. Times are set
 * on the way back, when nothing more is made in the directory. False if something stands in the way. */
static bool plant(int view, int layer, const char *path, const char *rest, struct want want)
{
    struct stat st;
    bool planted;
    if (*path == '\0') {
        int fd = make_names(layer, rest, want);
        planted = fd >= 0;
        if (planted)
            close(fd);
    } else {
        char name[NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        memcpy(name, path, length);
        name[length] = '\0';
        if (mkdirat(layer, name, 0700) != 0 && errno != EEXIST)
            return false;
        CLOSING int below_view = openat(view, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        CLOSING int below_layer = openat(layer, name, O_RDONLY | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        if (below_view < 0 || below_layer < 0)
            return false;
        path += length;
        planted = plant(below_view, below_layer, path + (*path == '/'), rest, want);
    }
    if (fstat(view, &st) == 0) {
        struct timespec times[2] = {st.st_atim, st.st_mtim};
        planted = fchmod(layer, st.st_mode & 07777) == 0 && futimens(layer, times) == 0 && planted;
    }
    return planted;
}

struct plan {
    int view, names;
    bool planted; /* something was put into the layer */
    bool failed;  /* something could not be, because its way leads through what is only planned, or for a reason that the real mount
                   * will tell */
};

/* One target in the view; true if it was put into the layer of names. */
static bool plan_one(struct plan *plan, const char *target, struct want want)
{
    struct place place;
    if (resolve(plan->view, target, want.type != WANT_LINK, &place) != 0) {
        plan->failed = true;
        return false;
    }
    CLOSING int fd = place.fd;
    if (place.exists || fd < 0)
        return false;
    bool planted = plant(plan->view, plan->names, place.path, place.rest, want);
    plan->planted |= planted;
    plan->failed |= !planted;
    return planted;
}

static void plan_all(struct root *root, const struct launch *launch, const char *caller_directory, struct plan *plan)
{
    for (unsigned i = 0; i < launch->count; i++) {
        struct want want;
        const char *target;
        if (target_of(&launch->records[i], &target, &want))
            plan_one(plan, target, want);
    }
    if (caller_directory != NULL)
        root->caller_planned |= plan_one(plan, caller_directory, (struct want){.type = WANT_DIRECTORY, .mode = 0755});
}

bool targets_plan(struct root *root, const struct launch *launch, const char *caller_directory)
{
    bool any = false;
    struct plan plan = {.planted = root_has_layers(root), .failed = true};
    /* Again with the names of the first round in the view, if that can bring more: `..` behind a planned name, a planned link. */
    while (plan.planted && plan.failed) {
        plan.planted = plan.failed = false;
        if (!root_view(root, any, &plan.view, &plan.names))
            return false;
        plan_all(root, launch, caller_directory, &plan);
        close(plan.view);
        close(plan.names);
        any |= plan.planted;
    }
    return any;
}

/* Makes what is missing at `place`, and ends the program if this is no place for it. */
static int make_target(struct root *root, const char *target, const struct place *place, struct want want)
{
    struct statfs fs;
    CLOSING int parent = place->fd;
    CLOSING int underlay = -1;
    int at = parent;
    if (fstatfs(parent, &fs) != 0)
        fail_errno("cannot look at the place of %s", target);
    if (is_own(parent)) {
        at = parent;
    } else if (fs.f_flags & ST_RDONLY) {
        at = underlay = underlay_make(root, parent, place->path);
    } else if (!root->writable || !in_root_mount(root, parent)) {
        hint("make %s on this machine first", target);
        fail("%s does not exist: it lies in /%s, which is a writable directory of this machine, and nothing is made there", target,
             place->path);
    }
    int fd = make_names(at, place->rest, want);
    if (fd < 0)
        fail_errno("cannot make %s inside the image", target);
    return fd;
}

int target_open(struct root *root, const char *target, struct want want)
{
    static struct place place;
    if (resolve(root->fd, target, want.type != WANT_LINK, &place) != 0)
        fail_errno("%s cannot be reached inside the image", target);
    return place.exists ? place.fd : make_target(root, target, &place, want);
}

void target_not_root(const struct root *root, int fd, const char *target)
{
    struct stat st, top;
    if (fstat(fd, &st) != 0 || fstat(root->fd, &top) != 0)
        fail_errno("cannot look at %s inside the image", target);
    if (st.st_ino == top.st_ino && st.st_dev == top.st_dev && in_root_mount(root, fd))
        fail("nothing can be mounted on the root of the image itself (%s)", target);
}

int target_open_to_cover(struct root *root, const char *target, struct want want)
{
    int fd = target_open(root, target, want);
    target_not_root(root, fd, target);
    return fd;
}

int target_find(const struct root *root, const char *target)
{
    static struct place place;
    if (resolve(root->fd, target, true, &place) != 0)
        fail_errno("%s cannot be reached inside the image", target);
    if (place.exists)
        return place.fd;
    close(place.fd);
    errno = ENOENT;
    return -1;
}
