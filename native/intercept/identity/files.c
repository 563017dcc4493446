#include "../kernel/text.h"
#include "identity.h"
#include "owners.h"

#define TYPE_AND_MODE (S_IFMT | 07777)

static u64 device_number(u32 major, u32 minor)
{
    return (minor & 0xff) | (u64)(major & 0xfff) << 8 | (u64)(minor & ~0xffu) << 12;
}

void identity_show_stat(struct stat *status)
{
    const struct owner *owner = owner_find(owner_key(status->dev, status->ino));
    u32 flags = owner ? owner->flags : 0;
    bool own = status->uid == container->uid, own_group = status->gid == container->gid;
    status->uid = flags & OWNER_HAS_IDS ? owner->uid : own ? container->shown_uid : OVERFLOW_ID;
    status->gid = flags & OWNER_HAS_IDS ? owner->gid : own_group ? container->shown_gid : OVERFLOW_ID;
    if (flags & OWNER_HAS_MODE) {
        status->mode = owner->mode;
        status->rdev = owner->device;
    }
}

void identity_show_statx(struct statx *status)
{
    struct stat plain = {
        .dev = device_number(status->dev_major, status->dev_minor), .ino = status->ino, .uid = status->uid, .gid = status->gid,
        .mode = status->mode, .rdev = device_number(status->rdev_major, status->rdev_minor),
    };
    identity_show_stat(&plain);
    status->uid = plain.uid;
    status->gid = plain.gid;
    status->mode = (u16)plain.mode;
    status->rdev_major = (u32)(plain.rdev >> 8) & 0xfff;
    status->rdev_minor = (u32)(plain.rdev & 0xff) | ((u32)(plain.rdev >> 12) & ~0xffu);
}

static long real_stat(const struct place *place, struct stat *status)
{
    return KERNEL(newfstatat, place->fd, place->name, status, place_flags(place) | (place->name[0] ? 0 : AT_EMPTY_PATH));
}

/* In the container's own root, which may be made to fit. */
static bool is_own(struct place *place)
{
    const struct bind *bind = place_bind(place);
    return bind == root_bind() && !(bind->flags & BIND_READ_ONLY);
}

static u32 least_mode(u32 type)
{
    return type == S_IFDIR ? 0700 : 0600;
}

static void set_mode_on_disk(const struct place *place, u32 mode)
{
    char path[40];
    if (!place->name[0]) {
        put_number(put_text(path, "/proc/self/fd/"), (u64)(u32)place->fd);
        KERNEL(fchmodat, AT_FDCWD, place->fd == AT_FDCWD ? "." : path, mode);
    } else if (has_option(OPTION_NO_FCHMODAT2) || KERNEL(fchmodat2, place->fd, place->name, mode, place_flags(place)) == -ENOSYS) {
        struct place copy = *place;
        long fd = place_open(&copy);
        if (fd >= 0) {
            put_number(put_text(path, "/proc/self/fd/"), (u64)fd);
            KERNEL(fchmodat, AT_FDCWD, path, mode);
        }
    }
}

/* Shows `mode` (type included) of a file whose mode on disk is `disk`. */
static void show_mode(const struct stat *status, u32 mode, u32 disk)
{
    u64 key = owner_key(status->dev, status->ino);
    struct owner *owner = mode == disk ? owner_find(key) : owner_add(key);
    if (!owner)
        return;
    owner->mode = mode;
    owner->device = status->rdev;
    owner->flags = mode == disk ? owner->flags & ~OWNER_HAS_MODE : owner->flags | OWNER_HAS_MODE;
}

static bool is_default_owner(u32 uid, u32 gid)
{
    return uid == container->shown_uid && gid == container->shown_gid;
}

static void show_owner(const struct stat *status, u32 uid, u32 gid)
{
    u64 key = owner_key(status->dev, status->ino);
    bool plain = is_default_owner(uid, gid) && status->uid == container->uid && status->gid == container->gid;
    struct owner *owner = plain ? owner_find(key) : owner_add(key);
    if (!owner)
        return;
    owner->uid = uid;
    owner->gid = gid;
    owner->flags = plain ? owner->flags & ~OWNER_HAS_IDS : owner->flags | OWNER_HAS_IDS;
}

/* --- new files --- */

/* A new file belongs to whom the calling process says it is; an old entry of its inode is void. */
static void created(const struct stat *status)
{
    const struct ids *ids = current_ids();
    struct owner *old = owner_find(owner_key(status->dev, status->ino));
    if (old)
        old->flags = 0;
    if (!is_default_owner(ids->fsuid, ids->fsgid))
        show_owner(status, ids->fsuid, ids->fsgid);
}

void identity_created(struct place *place)
{
    struct stat status;
    if (!KERNEL(newfstatat, place->fd, place->name, &status, AT_SYMLINK_NOFOLLOW))
        created(&status);
}

u64 identity_disk_mode(struct place *place, u64 mode)
{
    return is_own(place) ? (mode & 0777) | 0600 : mode;
}

/* The umask is in the mode that the disk has; the owner's bits that were added are taken out of what is shown. */
static u32 wanted_mode(const struct stat *status, u64 mode, u32 added)
{
    return (status->mode & ~(added & ~(u32)mode)) | ((u32)mode & (S_ISUID | S_ISGID | S_ISVTX));
}

void identity_created_file(int fd, u64 mode)
{
    struct stat status;
    if (KERNEL(fstat, fd, &status))
        return;
    created(&status);
    show_mode(&status, wanted_mode(&status, mode, 0600), status.mode);
}

long identity_mkdir(struct place *place, u64 mode)
{
    struct stat status;
    bool own = is_own(place);
    long error = KERNEL(mkdirat, place->fd, place->name, own ? mode | 0700 : mode);
    if (error || KERNEL(newfstatat, place->fd, place->name, &status, AT_SYMLINK_NOFOLLOW))
        return error;
    created(&status);
    if (own)
        show_mode(&status, wanted_mode(&status, mode & 07777, 0700), status.mode);
    return 0;
}

long identity_mknod(struct place *place, u64 mode, u64 device)
{
    struct stat status;
    u32 type = (u32)mode & S_IFMT;
    bool imitated = (type == S_IFCHR || type == S_IFBLK) && identity_is_root() && is_own(place);
    long error = imitated ? KERNEL(mknodat, place->fd, place->name, S_IFREG | (mode & 0777) | 0600, 0)
                          : KERNEL(mknodat, place->fd, place->name, mode, device);
    if (error || KERNEL(newfstatat, place->fd, place->name, &status, AT_SYMLINK_NOFOLLOW))
        return error;
    created(&status);
    if (imitated) {
        u32 disk = status.mode;
        status.rdev = device;
        show_mode(&status, type | (wanted_mode(&status, mode, 0600) & 07777), disk);
    }
    return 0;
}

/* --- changes --- */

static bool is_in_groups(u32 gid)
{
    const struct ids *ids = current_ids();
    for (u32 i = 0; i < ids->group_count; i++)
        if (ids->groups[i] == gid)
            return true;
    return gid == ids->fsgid || gid == ids->egid;
}

long identity_chown(struct place *place, u32 uid, u32 gid)
{
    struct stat real, shown;
    const struct ids *ids = current_ids();
    long error = real_stat(place, &real);
    if (error)
        return error;
    shown = real;
    identity_show_stat(&shown);
    bool allowed = (uid == 0xffffffffu || uid == shown.uid) && (gid == 0xffffffffu || gid == shown.gid || is_in_groups(gid));
    if (!identity_is_root() && (shown.uid != ids->fsuid || !allowed))
        return uid == 0xffffffffu && gid == 0xffffffffu ? 0 : -EPERM;
    show_owner(&real, uid == 0xffffffffu ? shown.uid : uid, gid == 0xffffffffu ? shown.gid : gid);
    if ((shown.mode & S_IFMT) == S_IFREG && (shown.mode & (S_ISUID | S_ISGID))) {
        u32 dropped = S_ISUID | (shown.mode & 0010 ? S_ISGID : 0u);
        real.rdev = shown.rdev;
        show_mode(&real, shown.mode & ~dropped, real.mode & TYPE_AND_MODE);
    }
    return 0;
}

long identity_chmod(struct place *place, u64 mode)
{
    struct stat real, shown;
    long error = real_stat(place, &real);
    if (error)
        return error;
    shown = real;
    identity_show_stat(&shown);
    if ((real.mode & S_IFMT) == S_IFLNK)
        return -EOPNOTSUPP;
    if (!identity_is_root() && shown.uid != current_ids()->fsuid)
        return -EPERM;
    mode &= 07777;
    if (!is_own(place)) {
        set_mode_on_disk(place, (u32)mode);
        return 0;
    }
    u32 disk = ((u32)mode & 0777) | least_mode(real.mode & S_IFMT);
    set_mode_on_disk(place, disk);
    real.rdev = shown.rdev;
    show_mode(&real, (shown.mode & S_IFMT) | (u32)mode, (real.mode & S_IFMT) | disk);
    return 0;
}

bool identity_relax(struct place *place)
{
    struct stat real, shown;
    if (!identity_is_root() || !is_own(place) || real_stat(place, &real) || real.uid != container->uid)
        return false;
    u32 least = least_mode(real.mode & S_IFMT);
    if ((real.mode & least) == least)
        return false;
    shown = real;
    identity_show_stat(&shown);
    set_mode_on_disk(place, (real.mode & 0777) | least);
    show_mode(&real, shown.mode, (real.mode & TYPE_AND_MODE) | least);
    return true;
}

/* --- questions --- */

long identity_root_access(struct place *place, int mode)
{
    struct stat status;
    long error = real_stat(place, &status);
    if (error)
        return error;
    if (status.uid != container->uid) {
        bool old = has_option(OPTION_NO_FACCESSAT2);
        return old ? KERNEL(faccessat, place->fd, place->name, mode) : KERNEL(faccessat2, place->fd, place->name, mode, place_flags(place));
    }
    identity_show_stat(&status);
    bool runs = (status.mode & S_IFMT) == S_IFDIR || (status.mode & 0111);
    return (mode & X_OK) && !runs ? -EACCES : 0;
}

u64 identity_key(const struct place *place)
{
    struct stat status;
    if (KERNEL(newfstatat, place->fd, place->name, &status, AT_SYMLINK_NOFOLLOW))
        return 0;
    return (status.mode & S_IFMT) == S_IFDIR || status.nlink <= 1 ? owner_key(status.dev, status.ino) : 0;
}

void identity_removed(u64 key)
{
    struct owner *owner = key ? owner_find(key) : NULL;
    if (owner)
        owner->flags = 0;
}

bool identity_accepts_xattr(u64 name, long error)
{
    const char *text = (const char *)name;
    if (error != -EPERM && error != -EOPNOTSUPP)
        return false;
    return has_option(OPTION_SHOWN_IDS) && identity_is_root() && (text_begins(text, "security.") || text_begins(text, "trusted."));
}
