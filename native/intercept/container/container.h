/* The container's description: made once by the launcher, read by every process of the container.
 *
 * It lies in a memory file on a reserved descriptor and is mapped at CONTAINER_ADDRESS: read-only, so that a stray write of a guest cannot harm
 * other processes. One page before it is writable and shared: what processes tell each other.
 *
 * Reserved descriptors are numbered from `first_reserved` on, above the guest's soft limit where possible, and all of them are
 * taken from the start, so that the guest is never given one. */
#ifndef SAMPAN_CONTAINER_H
#define SAMPAN_CONTAINER_H

#include "../kernel/calls.h"

#define SHARED_ADDRESS ENGINE_BASE
#define CONTAINER_ADDRESS (ENGINE_BASE + PAGE)
#define CONTAINER_MAGIC 0x6e706d73u /* and below it, in `layout`, a number that changes with this structure */
#define CONTAINER_LAYOUT 1
#define CONTAINER_FILE_NAME "sampan-container" /* and perhaps `:LABEL` */
#define CONTAINER_SIZE (64 * PAGE)

#define BIND_LIMIT 192
#define SHORTCUT_LIMIT 8
#define CACHE_SLOTS 16
#define FOREIGN_LIMIT 4
#define INJECTED_LIMIT 32

enum reserved {
    RESERVED_CONTAINER,
    RESERVED_LOADER,
    RESERVED_OWNERS,
    RESERVED_SCRATCH,
    RESERVED_CACHE,
    RESERVED_BINDS = RESERVED_CACHE + CACHE_SLOTS
};
#define BIND_DESCRIPTORS 64

/* options */
#define OPTION_TRACE 0x01u
#define OPTION_SHOWN_IDS 0x02u      /* ids as `shown_uid` and `shown_gid` say; with 0, root is imitated */
#define OPTION_NO_OPENAT2 0x04u
#define OPTION_NO_FACCESSAT2 0x08u
#define OPTION_NO_XATTRAT 0x10u
#define OPTION_NO_CACHE 0x20u
#define OPTION_READ_ONLY 0x40u      /* some bind is read-only */
#define OPTION_NOEXEC 0x80u         /* some bind lies on a file system mounted noexec */
#define OPTION_NO_EXECVEAT 0x100u
#define OPTION_NO_FCHMODAT2 0x200u

/* bind flags */
#define BIND_READ_ONLY 0x1u
#define BIND_FILE 0x2u
#define BIND_NOEXEC 0x4u
#define BIND_PROC 0x8u
#define BIND_MACHINE 0x10u      /* what the caller named, neither root nor scratch: nothing is made in it */

/* A host path made visible. Paths are canonical and without a slash at the end; that of `/` is empty, so that "begins with it
 * and goes on with a slash or ends" is the test for all. */
struct bind {
    u32 guest, guest_length;
    u32 host, host_length;
    i32 descriptor;         /* of a directory; -1 for a file, which is reached by its host path */
    u32 flags;
};

/* A symbolic link in the root directory (lib -> usr/lib): valid until something of the root directory is removed or renamed. */
struct shortcut {
    char name[16];
    char target[48];
};

/* A program that runs programs of another machine type: qemu-user. */
struct foreign {
    u32 machine;
    u32 program;            /* host path */
};

/* A name to be shown in a directory of the container that has no entry for it: the target of a bind. */
struct injected {
    u64 device, inode;      /* of the directory */
    u32 name;
    u32 type;
};

struct description {
    u32 magic, layout;
    u32 first_reserved, reserved_count;
    u32 options;
    u32 uid, gid;                /* of the caller */
    u32 shown_uid, shown_gid;    /* what the guest sees in their place */
    u32 root_bind;               /* index of the bind of `/`: the last */
    u32 bind_count, shortcut_count, foreign_count, injected_count;
    u64 bind_names;              /* which last names of binds exist: see name_bit */
    u64 owners_size;             /* bytes of the table of owners, 0 without */
    u64 root_device;             /* device number of the root */
    struct bind binds[BIND_LIMIT]; /* longest guest path first */
    struct shortcut shortcuts[SHORTCUT_LIMIT];
    struct foreign foreign[FOREIGN_LIMIT];
    struct injected injected[INJECTED_LIMIT];
    u32 texts_used;
    char texts[];
};

struct shared_state {
    u32 generation;      /* of directories: paths/cache.h */
    u32 root_changes;    /* an entry of the root directory was removed or renamed */
    u32 no_xattrat;      /* found out at run time */
};

#define container ((const struct description *)CONTAINER_ADDRESS)
#define shared ((volatile struct shared_state *)SHARED_ADDRESS)

static inline const char *container_text(u32 offset)
{
    return container->texts + offset;
}

static inline int reserved_descriptor(u32 role)
{
    return (int)(container->first_reserved + role);
}

static inline bool is_reserved(long descriptor)
{
    return descriptor >= (long)container->first_reserved && descriptor < (long)(container->first_reserved + container->reserved_count);
}

static inline bool has_option(u32 option)
{
    return container->options & option;
}

/* Maps the description from its reserved descriptor; false if it is not there or not ours. */
bool container_map(int descriptor);

/* Raises the soft limit of open files to `wanted`, or as far as the hard one goes; false: it is as high already. */
bool raise_limit(struct rlimit *before, u64 wanted);
void restore_limit(const struct rlimit *before);
/* Beyond the guest's own numbers and the reserved ones: where the engine finds room when the guest has used up its descriptors. */
static inline u64 limit_with_room(void)
{
    return (u64)container->first_reserved + container->reserved_count + 64;
}

/* Duplicates `fd` onto the reserved number, raising the soft limit for a moment where needed. */
long reserve_descriptor(int fd, int number);

#endif
