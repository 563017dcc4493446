/* Each record resolves its target anew: what an earlier one mounted is part of what the payload will see. */
#include "mounts.h"

#include "descriptor.h"
#include "device.h"
#include "message.h"
#include "namespaces.h"
#include "protect.h"
#include "targets.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static const struct want DIRECTORY = {.type = WANT_DIRECTORY, .mode = 0755};
static bool any_slave; /* some bind asks for rslave: then every other one must be made private by itself */

static bool is_slave(const struct record *bind)
{
    return list_has(field(bind, 2), "rslave");
}

void mounts_cut_off(const struct launch *launch)
{
    const struct record *bind = NULL;
    while ((bind = next_record_of(launch, bind, BIND)) != NULL)
        any_slave |= is_slave(bind);
    if (mount(NULL, "/", NULL, MS_REC | (any_slave ? MS_SLAVE : MS_PRIVATE), NULL) == 0)
        return;
    int error = errno;
    const char *reason = namespaces_reason(error);
    fail("the new mount namespace cannot be changed: %s%s%s", strerror(error), *reason == '\0' ? "" : ": ", reason);
}

void mounts_open_sources(struct launch *launch, int base)
{
    for (unsigned i = 0; i < launch->count; i++) {
        struct record *bind = &launch->records[i];
        if (bind->kind->name != BIND)
            continue;
        const char *path = field(bind, 0);
        /* O_DIRECTORY first: without it an automounter is not asked. */
        bind->source = openat(base, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (bind->source < 0 && errno == ENOTDIR)
            bind->source = openat(base, path, O_PATH | O_CLOEXEC);
        if (bind->source >= 0)
            continue;
        if (errno != ENOENT && errno != ENOTDIR)
            fail_errno("cannot bind %s at %s", path, field(bind, 1));
        if (!list_has(field(bind, 2), "optional"))
            fail("there is no %s on this machine to bind at %s", path, field(bind, 1));
    }
}

static unsigned long mount_flags(const char *list)
{
    return (list_has(list, "ro") ? MS_RDONLY : 0) | (list_has(list, "nosuid") ? MS_NOSUID : 0) |
           (list_has(list, "nodev") ? MS_NODEV : 0) | (list_has(list, "noexec") ? MS_NOEXEC : 0);
}

/* O_PATH of what is mounted at `target` by now. */
static int open_top(const struct root *root, const char *target)
{
    int fd = target_find(root, target);
    if (fd < 0)
        fail_errno("cannot open %s, just mounted", target);
    return fd;
}

/* Binds `source` on `place`, which is open and at `target`; `depth` is MS_REC or 0. The new mount goes on listening to the
 * machine's if the namespace does. */
static void bind_only(int source, int place, const char *target, unsigned long depth)
{
    struct stat from = {0}, to = {0};
    if (mount(descriptor_path(source).text, descriptor_path(place).text, NULL, MS_BIND | depth, NULL) == 0)
        return;
    int error = errno;
    if (fstat(source, &from) == 0 && fstat(place, &to) == 0 && S_ISDIR(from.st_mode) != S_ISDIR(to.st_mode))
        fail("cannot bind at %s: what is there is %s, and the source is not", target, S_ISDIR(to.st_mode) ? "a directory" : "a file");
    if (error == EINVAL && depth == 0 && S_ISDIR(from.st_mode)) {
        hint("leave `shallow` out");
        fail("cannot bind at %s without the mounts below the source: the kernel hides what they cover", target);
    }
    errno = error;
    fail_errno("cannot bind at %s", target);
}

static void bind_private(const struct root *root, int source, int place, const char *target, unsigned long depth)
{
    bind_only(source, place, target, depth);
    if (!any_slave)
        return;
    CLOSING int top = open_top(root, target);
    if (mount(NULL, descriptor_path(top).text, NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        fail_errno("cannot cut %s off from this machine's mounts", target);
}

/* Switches flags on for what is mounted at `target` and below. */
static void protect(const struct root *root, const char *target, unsigned long flags)
{
    if (flags == 0)
        return;
    CLOSING int top = open_top(root, target);
    if (protect_tree(top, flags) != 0)
        fail_errno("cannot protect %s and the mounts below it", target);
}

static void do_bind(struct root *root, const struct record *record)
{
    const char *target, *list = field(record, 2);
    struct want want;
    if (!target_of(record, &target, &want)) /* optional, and not there */
        return;
    CLOSING int place = target_open_to_cover(root, target, want);
    unsigned long depth = list_has(list, "shallow") ? 0 : MS_REC;
    if (is_slave(record))
        bind_only(record->source, place, target, depth);
    else
        bind_private(root, record->source, place, target, depth);
    protect(root, target, mount_flags(list));
}

void mounts_bind_directory(struct root *root, int source, const char *target)
{
    CLOSING int place = target_open_to_cover(root, target, DIRECTORY);
    bind_private(root, source, place, target, MS_REC);
}

static void do_tmpfs(struct root *root, const char *target, const char *mode, const char *size, const char *list)
{
    char options[64];
    unsigned long flags = mount_flags(list);
    CLOSING int place = target_open_to_cover(root, target, DIRECTORY);
    if (strcmp(size, "0") == 0)
        snprintf(options, sizeof options, "mode=%s", mode);
    else
        snprintf(options, sizeof options, "mode=%s,size=%s", mode, size);
    if (mount(root->label, descriptor_path(place).text, "tmpfs", flags & ~(unsigned long)MS_RDONLY, options) != 0)
        fail_errno("cannot mount a tmpfs at %s", target);
    CLOSING int top = open_top(root, target);
    targets_add_own(top);
    if (flags & MS_RDONLY)
        targets_protect_later(top, NULL);
}

static void fill_file(int fd, const char *target, const char *mode, const char *content)
{
    size_t length = strlen(content);
    while (length > 0) {
        ssize_t wrote = write(fd, content, length);
        if (wrote < 0)
            fail_errno("cannot write %s", target);
        content += wrote;
        length -= (size_t)wrote;
    }
    if (fchmod(fd, (mode_t)field_number(mode, 8)) != 0)
        fail_errno("cannot set the mode of %s", target);
}

/* In memory the file itself is written: programs of the image (adduser, say) can then replace it by a rename, as they cannot with a
 * mount point. Everywhere else, and if it must stay as it is, a file is bound. */
static void do_file(struct root *root, const struct record *record)
{
    const char *target = field(record, 0), *mode = field(record, 1), *list = field(record, 2), *content = field(record, 3);
    struct want want = {.type = WANT_FILE, .mode = 0600};
    struct stat st;
    CLOSING int place = target_open_to_cover(root, target, want);
    if (fstat(place, &st) == 0 && S_ISREG(st.st_mode) && *list == '\0' && target_in_memory(root, place)) {
        CLOSING int plain = open(descriptor_path(place).text, O_WRONLY | O_TRUNC | O_CLOEXEC);
        if (plain >= 0) {
            fill_file(plain, target, mode, content);
            return;
        }
    }
    CLOSING int source = root_new_file(root);
    fill_file(source, target, mode, content);
    bind_private(root, source, place, target, 0);
    protect(root, target, mount_flags(list));
}

static void do_fresh(struct root *root, const char *target, const char *type, const char *needs)
{
    const char *options = strcmp(type, "devpts") == 0 ? DEVPTS_OPTIONS : NULL;
    unsigned long flags = MS_NOSUID | MS_NOEXEC | (options == NULL ? MS_NODEV : 0);
    CLOSING int place = target_open_to_cover(root, target, DIRECTORY);
    if (mount(type, descriptor_path(place).text, type, flags, options) == 0)
        return;
    if (errno == EPERM && needs != NULL)
        fail("the kernel refuses a fresh %s at %s: it grants one only with an own %s namespace, "
             "and only if nothing covers parts of this machine's",
             type, target, needs);
    fail_errno("cannot mount a fresh %s at %s", type, target);
}

static void do_mask(struct root *root, const char *target)
{
    struct stat st;
    CLOSING int place = target_find(root, target);
    if (place < 0)
        return;
    target_not_root(root, place, target);
    if (fstat(place, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (mount(root->label, descriptor_path(place).text, "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "mode=0000,size=4k") != 0)
            fail_errno("cannot mask %s", target);
        return;
    }
    CLOSING int empty = root_new_file(root);
    fill_file(empty, target, "0", "");
    bind_private(root, empty, place, target, 0);
    protect(root, target, MS_RDONLY);
}

void mounts_do(struct root *root, const struct record *record)
{
    const char *target;
    struct want want;
    switch (record->kind->name) {
    case FALLBACK_TMPFS:
        if (root->fallback)
            do_tmpfs(root, field(record, 0), field(record, 1), field(record, 2), "nosuid,nodev");
        break;
    case BIND:
        do_bind(root, record);
        break;
    case TMPFS:
        do_tmpfs(root, field(record, 0), field(record, 1), field(record, 2), field(record, 3));
        break;
    case FILE_CONTENT:
        do_file(root, record);
        break;
    case MKDIR:
    case SYMLINK:
        target_of(record, &target, &want);
        close(target_open(root, target, want));
        break;
    case PROC:
        do_fresh(root, field(record, 0), "proc", "pid");
        break;
    case SYSFS:
        do_fresh(root, field(record, 0), "sysfs", "net");
        break;
    case MQUEUE:
        do_fresh(root, field(record, 0), "mqueue", "ipc");
        break;
    case DEVPTS:
        do_fresh(root, field(record, 0), "devpts", NULL);
        break;
    case DEV: {
        do_tmpfs(root, field(record, 0), "0755", "1048576", "nosuid");
        CLOSING int top = open_top(root, field(record, 0));
        device_fill(root, top);
        break;
    }
    case MASK:
        do_mask(root, field(record, 0));
        break;
    default:
        break;
    }
}

/* A target that is no mount of its own is bound on itself first. */
static void make_read_only(struct root *root, const char *target)
{
    CLOSING int place = target_find(root, target);
    if (place < 0 || protect_mount(place, MS_RDONLY) == 0)
        return;
    if (errno != EINVAL)
        fail_errno("cannot make %s read-only", target);
    bind_private(root, place, place, target, MS_REC);
    CLOSING int top = open_top(root, target);
    if (protect_mount(top, MS_RDONLY) != 0)
        fail_errno("cannot make %s read-only", target);
}

void mounts_finish(struct root *root, const struct launch *launch)
{
    const struct record *record = NULL;
    targets_protect();
    while ((record = next_record_of(launch, record, READ_ONLY)) != NULL)
        make_read_only(root, field(record, 0));
}
