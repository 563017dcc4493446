/* Directory listings: without the engine's descriptors in /proc/PID/fd, and with the targets of binds that have no entry of their own. */
#include "../calls/calls.h"
#include "../kernel/text.h"
#include "../paths/place.h"

/* getdents (before 64): the type is the last byte of the entry, the name begins where getdents64 has the type. */
#define OLD_NAME 18
#define NEW_NAME 19

static const char *entry_name(const char *entry, bool old)
{
    return entry + (old ? OLD_NAME : NEW_NAME);
}

static u16 entry_size(const char *entry)
{
    return ((const struct dirent64 *)entry)->reclen;
}

static bool names_reserved(const char *entry, bool old)
{
    u64 number;
    const char *name = entry_name(entry, old);
    return name[0] >= '0' && name[0] <= '9' && read_number(name, &number, NULL) && is_reserved((long)number);
}

/* Is it the fd or fdinfo directory of a process of this container? */
static NOINLINE bool lists_descriptors(int fd)
{
    char *host = arena_take(PATH_LIMIT);
    u64 pid;
    if (!host || !in_procfs(fd) || host_path_of(fd, host) < 0)
        return false;
    size_t base = base_offset(host, strlen(host));
    if (!text_equal(host + base, "fd") && !text_equal(host + base, "fdinfo"))
        return false;
    if (!base)
        return false;
    host[base - 1] = 0;
    base = base_offset(host, strlen(host));
    if (!read_number(host + base, &pid, NULL))
        return false;
    return is_guest_process(pid);
}

static long without_reserved(int fd, char *entries, long size, bool old)
{
    bool known = false;
    long at = 0, kept = 0;
    while (at < size) {
        u16 length = entry_size(entries + at);
        if (names_reserved(entries + at, old)) {
            if (!known && !lists_descriptors(fd))
                return size;
            known = true;
        } else {
            if (kept != at)
                memmove(entries + kept, entries + at, length);
            kept += length;
        }
        at += length;
    }
    return kept;
}

static long put_entry(char *to, const char *name, u64 inode, u8 type, bool old)
{
    size_t length = ((old ? OLD_NAME : NEW_NAME) + strlen(name) + 1 + (old ? 1 : 0) + 7) & ~7UL;
    struct dirent64 *entry = (struct dirent64 *)to;
    memset(to, 0, length);
    entry->ino = inode;
    entry->reclen = (u16)length;
    if (old)
        to[length - 1] = (char)type;
    else
        entry->type = type;
    put_text(to + (old ? OLD_NAME : NEW_NAME), name);
    return (long)length;
}

/* At the beginning of a directory that lacks entries for binds, they come first. Their place in the directory is its beginning, too: a
 * program that goes back to one of them sees all again. */
static NOINLINE long put_injected(int fd, char *entries, u64 room, bool old)
{
    struct stat status;
    long used = 0;
    if (KERNEL(lseek, fd, 0, SEEK_CUR) != 0 || KERNEL(fstat, fd, &status))
        return 0;
    for (u32 i = 0; i < container->injected_count; i++) {
        const struct injected *entry = &container->injected[i];
        const char *name = container_text(entry->name);
        if (entry->inode != status.ino || entry->device != status.dev || (u64)used + strlen(name) + 40 > room)
            continue;
        used += put_entry(entries + used, name, entry->inode + 1, (u8)entry->type, old);
    }
    return used;
}

static long list(struct frame *frame, bool old)
{
    int fd = argument_fd(frame, 0);
    char *entries = (char *)frame->arg[1];
    u64 room = (u32)frame->arg[2];
    long injected = container->injected_count ? put_injected(fd, entries, room, old) : 0;
    for (;;) {
        long size = kernel_call((long)frame->nr, fd, (long)entries + injected, (long)room - injected, 0, 0, 0);
        if (size <= 0)
            return injected ? injected : size;
        long kept = without_reserved(fd, entries + injected, size, old);
        if (kept || injected)
            return injected + kept;
    }
}

long call_getdents(struct frame *frame)
{
    return list(frame, true);
}

long call_getdents64(struct frame *frame)
{
    return list(frame, false);
}
