/* The table of owners: what is shown of files that have not the default owner or mode.
 *
 * A file of fixed size, mapped by all processes of the container: open addressing by a key made of inode and device (0: free). A file of
 * the container's own root has its inode as key, so that the table can be kept while device numbers change; any other's is mixed with its
 * device. Entries are added by compare and swap and never freed, only emptied. sampan writes the first entries from the
 * image's index when it makes a private copy (docs/design/intercept.md has the format). */
#ifndef SAMPAN_OWNERS_H
#define SAMPAN_OWNERS_H

#include "../kernel/types.h"

#define OWNERS_MAGIC 0x31726e776f706d73UL /* "smpownr1" */
#define OWNERS_SLOTS (1u << 18)
#define OWNERS_HEADER 64
#define OWNERS_SIZE (OWNERS_HEADER + OWNERS_SLOTS * sizeof(struct owner))

#define OWNER_HAS_IDS 1u
#define OWNER_HAS_MODE 2u /* type included: a device is an empty file on disk */

struct owner {
    u64 key;
    u32 flags, uid, gid, mode;
    u64 device; /* of a device file */
};

struct owners_header {
    u64 magic, slots;
};

u64 owner_key(u64 device, u64 inode);
/* The entry, or NULL: none, or no table. */
struct owner *owner_find(u64 key);
/* The entry, added if need be; NULL: no table, or it is full. */
struct owner *owner_add(u64 key);

/* In the launcher, before the table has its number. */
void owners_map(int fd);
/* In the launcher: opens or makes the table; its descriptor, or a negative error. NULL: one that vanishes with the container. */
long owners_open(const char *path, bool nested);

#endif
