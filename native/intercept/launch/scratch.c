/* Scratch files: the content of launch-file records, and directories in place of tmpfs mounts, which need privileges.
 *
 * They lie in one directory per container. A lock on it is held by a reserved descriptor, so by every process of the container and by nobody
 * after the last of them: then the next start that needs scratch files removes it. */
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "launch.h"

#define LOCK_SHARED 1
#define LOCK_EXCLUSIVE_NOW (2 | 4)
#define GRACE_SECONDS 60
#define CLOCK_REALTIME 0

static int keeper = -1;
static u32 next_name;

static const char *variable(char **variables, const char *name)
{
    size_t length = strlen(name);
    for (; *variables; variables++)
        if (text_begins(*variables, name) && (*variables)[length] == '=' && (*variables)[length + 1] == '/')
            return *variables + length + 1;
    return NULL;
}

void scratch_find(struct launch *launch, char **variables)
{
    const char *places[] = {variable(variables, "XDG_RUNTIME_DIR"), variable(variables, "TMPDIR"), "/tmp", "/dev/shm"};
    launch->scratch_parent = -1;
    for (size_t i = 0; i < LENGTH(places) && launch->scratch_parent < 0; i++) {
        bool read_only;
        long fd = places[i] ? open_host(places[i], launch->nested, &read_only) : -ENOENT;
        if (fd < 0)
            continue;
        if (read_only || KERNEL(faccessat, fd, ".", W_OK | X_OK))
            KERNEL(close, fd);
        else
            launch->scratch_parent = (int)fd;
    }
}

static void remove_tree(int parent, const char *name, int depth)
{
    if (KERNEL(unlinkat, parent, name, 0) == 0 || depth > 64)
        return;
    KERNEL(fchmodat, parent, name, 0700);
    long fd = KERNEL(openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd >= 0) {
        char buffer[2048];
        for (long size; (size = KERNEL(getdents64, fd, buffer, sizeof buffer)) > 0;)
            for (long at = 0; at < size;) {
                const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
                at += entry->reclen;
                if (!text_equal(entry->name, ".") && !text_equal(entry->name, ".."))
                    remove_tree((int)fd, entry->name, depth + 1);
            }
        KERNEL(close, fd);
    }
    KERNEL(unlinkat, parent, name, AT_REMOVEDIR);
}

/* A directory of ours whose lock nobody holds. A new one is not locked for a moment: young ones are left alone. */
static void sweep_one(int parent, const char *name)
{
    struct stat status;
    struct {
        long sec, nsec;
    } now;
    long fd = KERNEL(openat, parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    KERNEL(clock_gettime, CLOCK_REALTIME, &now);
    bool old = !KERNEL(fstat, fd, &status) && (long)status.ctime + GRACE_SECONDS < now.sec && status.uid == (u32)KERNEL(getuid);
    if (old && !KERNEL(flock, fd, LOCK_EXCLUSIVE_NOW))
        remove_tree(parent, name, 0);
    KERNEL(close, fd);
}

static char *put_prefix(char *to)
{
    return put_text(put_number(put_text(to, SCRATCH_PREFIX), (u64)KERNEL(getuid)), "-");
}

static void sweep(int parent)
{
    char buffer[2048], prefix[64];
    put_prefix(prefix);
    long fd = KERNEL(openat, parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    for (long size; fd >= 0 && (size = KERNEL(getdents64, fd, buffer, sizeof buffer)) > 0;)
        for (long at = 0; at < size;) {
            const struct dirent64 *entry = (const struct dirent64 *)(buffer + at);
            at += entry->reclen;
            if (text_begins(entry->name, prefix))
                sweep_one(parent, entry->name);
        }
    if (fd >= 0)
        KERNEL(close, fd);
}

static _Noreturn void no_scratch(long error)
{
    fail(STATUS_FAILED, "no place for the container's scratch files (XDG_RUNTIME_DIR, TMPDIR, /tmp): ", error_words(error), NULL);
}

static int scratch(const struct launch *launch)
{
    char name[96];
    u64 random = 0;
    if (keeper >= 0)
        return keeper;
    if (launch->scratch_parent < 0)
        no_scratch(-EACCES);
    sweep(launch->scratch_parent);
    KERNEL(getrandom, &random, sizeof random, 1);
    put_hex(put_text(put_number(put_prefix(name), (u64)KERNEL(getpid)), "-"), random);
    long error = KERNEL(mkdirat, launch->scratch_parent, name, 0700);
    long fd = error ? error : KERNEL(openat, launch->scratch_parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        no_scratch(fd);
    KERNEL(flock, fd, LOCK_SHARED);
    keeper = (int)fd;
    return keeper;
}

int scratch_keeper(void)
{
    return keeper;
}

static int open_new(const char *name, u32 mode)
{
    KERNEL(fchmodat, keeper, name, mode);
    long fd = KERNEL(openat, keeper, name, O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        no_scratch(fd);
    return (int)fd;
}

int scratch_directory(const struct launch *launch, u32 mode)
{
    char name[24];
    put_number(name, next_name++);
    long error = KERNEL(mkdirat, scratch(launch), name, 0700);
    if (error)
        no_scratch(error);
    return open_new(name, mode);
}

int scratch_file(const struct launch *launch, const char *content, u32 mode)
{
    char name[24];
    size_t size = strlen(content);
    put_number(name, next_name++);
    long fd = KERNEL(openat, scratch(launch), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || KERNEL(write, fd, content, size) != (long)size)
        no_scratch(fd < 0 ? fd : -ENOSPC);
    KERNEL(close, fd);
    return open_new(name, mode);
}
