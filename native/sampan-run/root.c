/* Theory of operation: the mount point of everything is the tree's own directory, so nothing has to be created on the machine and
 * nothing can be left behind. It is covered by a small tmpfs, the workspace:
 *
 *     workspace/root    where the new root is mounted
 *     workspace/upper   the changes of an overlay in memory (the workspace then has the size asked for)
 *     workspace/work    the same overlay's work directory
 *     workspace/names   the third layer of a kept overlay: names of mount points, nothing else
 *     workspace/view    the layers of an overlay as they were before, to see what is missing; not unmounted by itself, which would
 *                       cost half a millisecond of waiting, but with the workspace
 *     workspace/files   contents of `file` records: a tmpfs of its own, mounted if it is needed
 *
 * The workspace is unbindable: a recursive bind of a directory above the tree (a home with the store in it) then leaves all this
 * out instead of taking a copy of the half-built root along. When the old root goes, the workspace goes with it.
 *
 * Layers are named as /proc/self/fd/N: colons, commas and backslashes of real paths would have to be escaped in three different
 * ways, and the option text is limited to a page.
 *
 * Rejected: a mount point below /tmp (may be missing, full or another user's), and two pivots as bubblewrap does them (the sources
 * of binds would have to be resolved below the old root by hand). */
#include "root.h"

#include "descriptor.h"
#include "kernel.h"
#include "message.h"
#include "protect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_directory(const struct root *root, int base, const char *path, const char *what)
{
    int fd = openat(base, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno != ENOENT && errno != ENOTDIR)
        fail_errno("cannot open %s %s", what, path);
    if (root->from_file)
        hint("make it again with `sampan wrap`");
    fail("%s is gone: there is no directory %s", what, path);
}

void root_open(struct root *root, const struct launch *launch, int base, bool from_file)
{
    const struct record *label = record_of(launch, LABEL);
    *root = (struct root){.label = label == NULL ? "sampan" : field(label, 0), .from_file = from_file};
    root->upper = root->work = root->workspace = root->files = root->fd = -1;
    root->record = record_of(launch, ROOT_TREE);
    if (root->record == NULL)
        root->record = record_of(launch, ROOT_MEMORY);
    if (root->record == NULL)
        root->record = record_of(launch, ROOT_OVERLAY);
    root->tree = field(root->record, 0);
    root->lower = open_directory(root, base, root->tree, "its tree");
    if (root->record->kind->name == ROOT_OVERLAY) {
        root->upper = open_directory(root, base, field(root->record, 1), "its directory of changes");
        root->work = open_directory(root, base, field(root->record, 2), "its work directory");
    }
}

static int make_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, 0755) != 0 && errno != EEXIST)
        fail_errno("cannot make \"%s\" in the workspace", name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail_errno("cannot open \"%s\" in the workspace", name);
    return fd;
}

void root_cover(struct root *root, int base)
{
    char options[64] = "mode=0700";
    struct stat tree, top;
    if (root->record->kind->name == ROOT_MEMORY && strcmp(field(root->record, 1), "0") != 0)
        snprintf(options, sizeof options, "mode=0700,size=%s", field(root->record, 1));
    if (mount(root->label, descriptor_path(root->lower).text, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
        fail_errno("cannot mount a tmpfs over %s%s", root->tree, errno == ENOENT ? " (is /proc mounted?)" : "");
    root->workspace = openat(base, root->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->workspace < 0 || fstat(root->workspace, &top) != 0 || fstat(root->lower, &tree) != 0)
        fail_errno("cannot open the workspace on %s", root->tree);
    if (top.st_dev == tree.st_dev)
        fail("the root directory of this machine cannot be the tree of an image");
    if (mkdirat(root->workspace, "root", 0755) != 0 || fchdir(root->workspace) != 0)
        fail_errno("cannot make a mount point in the workspace");
}

bool root_has_layers(const struct root *root)
{
    return root->record->kind->name != ROOT_TREE;
}

/* The work and the upper directory of an overlay in memory; the latter is returned. The root of an overlay looks as its uppermost
 * layer does. */
static int make_layers(const struct root *root)
{
    struct stat st;
    if (fstat(root->lower, &st) != 0)
        fail_errno("cannot look at %s", root->tree);
    CLOSING int work = make_directory(root->workspace, "work");
    int upper = make_directory(root->workspace, "upper");
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    if (work < 0 || fchmod(upper, st.st_mode & 07777) != 0 || futimens(upper, times) != 0)
        fail_errno("cannot make the directory of changes in memory");
    return upper;
}

/* Mounts an overlay on workspace/`place`, the current directory being the workspace.
 *
 * What the options cost was measured with tests/bench/overlay_options.py on a Debian tree of 11,500 files, Linux 6.18: find 38 ms of
 * CPU (a bind: 20), a second find 26 (19), tar 94 (79), and no option moves any of these by more than the noise of 1 ms: not volatile,
 * uuid=null, index, xino or metacopy, and not a third layer of names. So they are chosen for what they do:
 *   userxattr  without it a user namespace gets no opaque directories (Linux 5.11)
 *   index=off  on, an upper directory that was moved or restored is refused
 *   xino=off   on, inode numbers have their high bits set, and 32-bit programs of old images fail in stat with EOVERFLOW
 *   metacopy=off   on, an upper directory cannot be read without its lower one
 * They are said because distributions build kernels with other defaults. volatile is not used: it saves syncs, of which a tmpfs has
 * none, and a kept upper directory needs them. */
static int mount_overlay(const struct root *root, const char *place, const char *layers)
{
    static const char *const CHEAP = "userxattr,index=off,xino=off,metacopy=off";
    char options[256];
    if (kernel_lacks(CALL_OVERLAY)) {
        errno = ENODEV;
        return -1;
    }
    snprintf(options, sizeof options, "%s,%s", CHEAP, layers);
    if (mount(root->label, place, "overlay", 0, options) == 0)
        return 0;
    /* A kernel that does not know one of the options says EINVAL; distributions let older kernels mount an overlay too. */
    return errno == EINVAL ? mount(root->label, place, "overlay", 0, layers) : -1;
}

bool root_view(const struct root *root, bool again, int *view, int *names)
{
    char layers[128];
    bool memory = root->record->kind->name == ROOT_MEMORY;
    *names = memory ? make_layers(root) : make_directory(root->workspace, "names");
    if (memory && !again) { /* nothing is above the tree yet */
        *view = fcntl(root->lower, F_DUPFD_CLOEXEC, 3);
        return true;
    }
    struct descriptor_path lower = descriptor_path(root->lower), upper = descriptor_path(root->upper);
    if (memory)
        snprintf(layers, sizeof layers, "lowerdir=upper:%s", lower.text);
    else
        snprintf(layers, sizeof layers, "lowerdir=%s:%s%s", upper.text, again ? "names:" : "", lower.text);
    close(make_directory(root->workspace, "view"));
    if (mount_overlay(root, "view", layers) != 0) {
        close(*names);
        return false;
    }
    *view = openat(root->workspace, "view", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*view < 0)
        fail_errno("cannot open the layers of %s", root->tree);
    return true;
}

static void make_unbindable(const struct root *root)
{
    if (mount(NULL, descriptor_path(root->workspace).text, NULL, MS_UNBINDABLE, NULL) != 0)
        fail_errno("cannot make the workspace unbindable");
}

static void mount_tree(struct root *root, bool read_only)
{
    make_unbindable(root); /* or the recursive bind would take along what covers the tree */
    if (mount(descriptor_path(root->lower).text, "root", NULL, MS_BIND | MS_REC, NULL) != 0)
        fail_errno("cannot bind %s", root->tree);
    root_reopen(root);
    if (read_only && protect_tree(root->fd, MS_RDONLY) != 0)
        fail_errno("cannot make %s read-only", root->tree);
    root->writable = !read_only;
}

static void fall_back(struct root *root, const char *fallback)
{
    int error = errno;
    if (strcmp(fallback, "refuse") == 0) {
        hint("`sampan doctor` shows what this machine can do with the writable part");
        fail("this kernel refuses an overlay over %s: %s", root->tree, strerror(error));
    }
    notice("the image is read-only, because this kernel refuses an overlay (%s)", strerror(error));
    root->fallback = true;
    mount_tree(root, true);
}

void root_mount(struct root *root, bool names)
{
    enum record_name kind = root->record->kind->name;
    char layers[192];
    if (kind == ROOT_TREE) {
        mount_tree(root, strcmp(field(root->record, 1), "ro") == 0);
        return;
    }
    struct descriptor_path lower = descriptor_path(root->lower);
    if (kind == ROOT_MEMORY)
        snprintf(layers, sizeof layers, "lowerdir=%s,upperdir=upper,workdir=work", lower.text);
    else
        snprintf(layers, sizeof layers, "lowerdir=%s%s,upperdir=%s,workdir=%s", names ? "names:" : "", lower.text,
                 descriptor_path(root->upper).text, descriptor_path(root->work).text);
    if (mount_overlay(root, "root", layers) != 0) {
        fall_back(root, field(root->record, kind == ROOT_MEMORY ? 2 : 3));
        return;
    }
    make_unbindable(root); /* not before: an overlay takes no layer from an unbindable mount */
    root->writable = true;
    root->in_memory = kind == ROOT_MEMORY;
    root_reopen(root);
}

void root_reopen(struct root *root)
{
    if (root->fd >= 0)
        close(root->fd);
    root->fd = openat(root->workspace, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0)
        fail_errno("cannot open the new root");
}

int root_new_file(struct root *root)
{
    static unsigned number;
    char name[16];
    if (root->files < 0) {
        /* Nothing can be bound out of the unbindable workspace itself. */
        if (mkdirat(root->workspace, "files", 0700) != 0 ||
            mount(root->label, entry_path(root->workspace, "files").text, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700") != 0)
            fail_errno("cannot mount a tmpfs for files");
        root->files = openat(root->workspace, "files", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    snprintf(name, sizeof name, "%u", number++);
    int fd = openat(root->files, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_errno("cannot make a file in memory");
    return fd;
}

void root_stand_in(const struct root *root)
{
    if (fchdir(root->fd) != 0)
        fail_errno("cannot enter the new root");
}

/* pivot_root(".", ".") stacks the old root on the new one, from where it is unmounted; no directory for it is needed. A root that
 * is a ramfs (diskless nodes, initramfs) cannot be pivoted away: there the new root is moved on top of it. */
void root_enter(struct root *root)
{
    if (fchdir(root->fd) != 0)
        fail_errno("cannot enter the new root");
    if (kernel_pivot_root(".", ".") == 0) {
        if (umount2(".", MNT_DETACH) != 0)
            fail_errno("cannot let the old root go");
    } else if (errno != EINVAL) {
        fail_errno("cannot change the root directory");
    } else if (mount(".", "/", NULL, MS_MOVE, NULL) != 0 || chroot(".") != 0) {
        fail_errno("cannot move the new root to /");
    }
    if (chdir("/") != 0)
        fail_errno("cannot enter the new root");
}
