#include "owners.h"

#include "../container/container.h"
#include "../kernel/text.h"
#include "../launch/launch.h"

static u8 *table HOT;

void owners_map(int fd)
{
    long got = KERNEL(mmap, 0, OWNERS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (!is_error(got))
        table = (u8 *)got;
}

/* Mapped when it is first needed: most programs look at no owner. */
static u8 *owners(void)
{
    if (!table && container->owners_size)
        owners_map(reserved_descriptor(RESERVED_OWNERS));
    return table;
}

u64 owner_key(u64 device, u64 inode)
{
    return device == container->root_device ? inode : inode ^ (device * 0x9e3779b97f4a7c15UL);
}

static struct owner *slot_of(u8 *memory, u64 key, u32 tried)
{
    u64 hash = key * 0x9e3779b97f4a7c15UL;
    return (struct owner *)(memory + OWNERS_HEADER) + (((hash >> 40) + tried) & (OWNERS_SLOTS - 1));
}

struct owner *owner_find(u64 key)
{
    u8 *memory = owners();
    for (u32 tried = 0; memory && tried < OWNERS_SLOTS; tried++) {
        struct owner *owner = slot_of(memory, key, tried);
        u64 there = __atomic_load_n(&owner->key, __ATOMIC_ACQUIRE);
        if (there == key)
            return owner;
        if (!there)
            return NULL;
    }
    return NULL;
}

struct owner *owner_add(u64 key)
{
    u8 *memory = owners();
    for (u32 tried = 0; memory && tried < OWNERS_SLOTS; tried++) {
        struct owner *owner = slot_of(memory, key, tried);
        u64 there = 0;
        if (__atomic_compare_exchange_n(&owner->key, &there, key, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) || there == key)
            return owner;
    }
    return NULL;
}

long owners_open(const char *path, bool nested)
{
    struct owners_header header = {0};
    bool read_only;
    long fd;
    if (path) {
        char link[40];
        fd = open_host(path, nested, &read_only);
        if (fd < 0)
            return fd;
        put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
        fd = KERNEL(openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC, 0);
    } else {
        fd = KERNEL(memfd_create, "sampan-owners", MFD_CLOEXEC);
    }
    if (fd < 0)
        return fd;
    if (KERNEL(pread64, fd, &header, sizeof header, 0) > 0)
        return header.magic == OWNERS_MAGIC && header.slots == OWNERS_SLOTS ? fd : -EINVAL;
    header = (struct owners_header){OWNERS_MAGIC, OWNERS_SLOTS};
    long error = KERNEL(ftruncate, fd, OWNERS_SIZE);
    if (!error && KERNEL(pwrite64, fd, &header, sizeof header, 0) != sizeof header)
        error = -ENOSPC;
    return error ? error : fd;
}
