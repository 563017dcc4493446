/* Directories that this process has open for the engine: text of a directory name -> descriptor.
 *
 * Theory of operation. An entry says "this text led to this directory when the container's generation was N". Every process of the container
 * raises the generation when it removes or renames a directory or a symbolic link, or changes who may pass through a directory; an entry
 * of an older generation is not used. So inside the container the cache is exact; only changes from outside can be missed, as with overlayfs.
 * Text relative to the current directory is valid for one value of `directory_changes`.
 *
 * The descriptors are reserved ones and survive fork, with the entries; after exec the table is empty. Directories of procfs are
 * never kept, nor what is reached through a link there: `self` means another process after a fork.
 *
 * Threads share the table under a lock that is only tried: a signal handler may have interrupted its holder, and a miss is always right.
 * A vfork child sees its parent's table but has its own descriptors: it uses only entries that are older than itself, and makes none. */
#ifndef SAMPAN_CACHE_H
#define SAMPAN_CACHE_H

#include "../container/container.h"

#define CACHE_KEY 96
#define CACHE_SEEN 64

struct cache_entry {
    u32 hash, generation, directory_changes;
    u16 length;
    bool used, relative;
    i32 references;
    u32 last_use, born; /* readings of the table's clock */
    i32 bind;
    char key[CACHE_KEY];
};

struct cache {
    u32 lock, clock;
    u32 seen[CACHE_SEEN]; /* hashes of what was looked for once: only a second look earns a slot */
    struct cache_entry entries[CACHE_SLOTS];
};

struct thread;

struct cache_key {
    const char *text;
    u32 length, hash, generation;
    bool relative;
};

/* Fills in the key; false: this text is never kept. */
bool cache_key(struct cache_key *key, const char *text, size_t length, bool relative);
/* A slot, to be given back with cache_put, or -1. */
int cache_get(const struct cache_key *key);
void cache_put(int slot);
/* Was it looked for before? Notes it if not. */
bool cache_seen(const struct cache_key *key);
/* Keeps a duplicate of `fd`; the slot, held like one from cache_get, or -1. */
int cache_insert(const struct cache_key *key, int fd, int bind);

static inline int cache_descriptor(int slot)
{
    return reserved_descriptor((u32)(RESERVED_CACHE + slot));
}

void cache_after_fork(struct thread *thread);
void cache_unlock(struct thread *thread);

/* A directory or link went away, moved, or changed its permissions. */
void directories_changed(void);

#endif
