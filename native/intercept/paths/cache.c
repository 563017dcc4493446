#include "cache.h"

#include "../kernel/text.h"
#include "../threads/process.h"

#define TRIES 200

static bool cache_lock(struct thread *thread)
{
    if (thread->holds_cache_lock)
        return false;
    for (int i = 0; i < TRIES; i++) {
        if (!__atomic_exchange_n(&process.cache.lock, 1, __ATOMIC_ACQUIRE)) {
            thread->holds_cache_lock = true;
            return true;
        }
        __asm__ volatile("pause");
    }
    return false;
}

void cache_unlock(struct thread *thread)
{
    thread->holds_cache_lock = false;
    __atomic_store_n(&process.cache.lock, 0, __ATOMIC_RELEASE);
}

bool cache_key(struct cache_key *key, const char *text, size_t length, bool relative)
{
    if (length > CACHE_KEY || has_option(OPTION_NO_CACHE) || this_thread()->no_cache)
        return false;
    u32 hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (u8)text[i]) * 16777619u;
    *key = (struct cache_key){text, (u32)length, hash | 1, shared->generation, relative};
    return true;
}

int cache_get(const struct cache_key *key)
{
    struct thread *thread = this_thread();
    int found = -1;
    if (!cache_lock(thread))
        return -1;
    for (int i = 0; i < CACHE_SLOTS; i++) {
        struct cache_entry *entry = &process.cache.entries[i];
        if (entry->hash != key->hash || !entry->used || entry->length != key->length || entry->generation != key->generation)
            continue;
        if (entry->relative != key->relative || (key->relative && entry->directory_changes != process.directory_changes))
            continue;
        if (memcmp(entry->key, key->text, key->length))
            continue;
        if (thread->borrowed) {
            if ((i32)(entry->born - thread->cache_limit) > 0)
                continue;
        } else {
            entry->references++;
            entry->last_use = ++process.cache.clock;
        }
        found = i;
        break;
    }
    cache_unlock(thread);
    return found;
}

void cache_put(int slot)
{
    if (!this_thread()->borrowed)
        __atomic_sub_fetch(&process.cache.entries[slot].references, 1, __ATOMIC_RELAXED);
}

bool cache_seen(const struct cache_key *key)
{
    u32 *place = &process.cache.seen[key->hash % CACHE_SEEN];
    if (*place == key->hash)
        return true;
    *place = key->hash;
    return false;
}

/* The slot with the oldest use that nobody works with; one that is out of date comes first. */
static int victim(u32 generation)
{
    int best = -1;
    for (int i = 0; i < CACHE_SLOTS; i++) {
        const struct cache_entry *entry = &process.cache.entries[i];
        if (entry->references > 0)
            continue;
        if (!entry->used || entry->generation != generation)
            return i;
        if (best < 0 || entry->last_use < process.cache.entries[best].last_use)
            best = i;
    }
    return best;
}

int cache_insert(const struct cache_key *key, int fd, int bind)
{
    struct thread *thread = this_thread();
    struct statfs filesystem;
    if (thread->borrowed || KERNEL(fstatfs, fd, &filesystem) || filesystem.type == PROC_SUPER_MAGIC || !cache_lock(thread))
        return -1;
    int slot = victim(key->generation);
    if (slot >= 0) {
        struct cache_entry *entry = &process.cache.entries[slot];
        entry->used = false;
        if (reserve_descriptor(fd, cache_descriptor(slot)) < 0) {
            slot = -1;
        } else {
            entry->hash = key->hash;
            entry->length = (u16)key->length;
            entry->generation = key->generation;
            entry->relative = key->relative;
            entry->directory_changes = process.directory_changes;
            entry->references = 1;
            entry->last_use = entry->born = ++process.cache.clock;
            entry->bind = bind;
            memcpy(entry->key, key->text, key->length);
            entry->used = true;
        }
    }
    cache_unlock(thread);
    return slot;
}

/* In a fork child only this thread lives on: what others were doing with the table is undone. */
void cache_after_fork(struct thread *thread)
{
    struct cache *cache = &process.cache;
    if (cache->lock && !thread->holds_cache_lock)
        for (int i = 0; i < CACHE_SLOTS; i++)
            cache->entries[i].used = false;
    for (int i = 0; i < CACHE_SLOTS; i++)
        cache->entries[i].references = 0;
    for (u32 i = 0; i < thread->held_count; i++)
        if (thread->held[i] < 0)
            cache->entries[~thread->held[i]].references++;
    cache->lock = thread->holds_cache_lock;
}

void directories_changed(void)
{
    __atomic_add_fetch(&((struct shared_state *)SHARED_ADDRESS)->generation, 1, __ATOMIC_SEQ_CST);
}
