/* From the requests to the description. */
#include "../identity/identity.h"
#include "../identity/owners.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/thread.h"
#include "../threads/process.h"
#include "launch.h"

#define DESCRIPTOR_BASE 1024
#define MEMORY_FILE_NAME 250 /* the kernel takes no longer one */

/* --- the description --- */

u32 keep_text(const char *text)
{
    size_t size = strlen(text) + 1;
    u32 offset = making->texts_used;
    if (sizeof *making + offset + size > CONTAINER_SIZE)
        fail(STATUS_FAILED, "the binds' names need more room than the interception engine has", NULL);
    memcpy(making->texts + offset, text, size);
    making->texts_used += (u32)size;
    return offset;
}

/* What is bound covers all that was bound below the place before it, as a mount does. */
static void drop_covered(const char *guest)
{
    u32 kept = 0;
    size_t length = strlen(guest);
    for (u32 i = 0; i < making->bind_count; i++) {
        const char *place = container_text(making->binds[i].guest);
        bool covered = making->binds[i].guest_length > length && !memcmp(place, guest, length) && place[length] == '/';
        if (!covered)
            making->binds[kept++] = making->binds[i];
    }
    making->bind_count = kept;
}

/* Longest guest path first, so that the first match is the innermost; of two for the same place the later covers the earlier. */
static u32 slot_for(const char *guest)
{
    u32 at = 0;
    size_t length = strlen(guest);
    while (at < making->bind_count && making->binds[at].guest_length > length)
        at++;
    for (u32 i = at; i < making->bind_count && making->binds[i].guest_length == length; i++)
        if (text_equal(container_text(making->binds[i].guest), guest))
            return i;
    if (making->bind_count == BIND_LIMIT)
        fail(STATUS_FAILED, "more than ", number_text(BIND_LIMIT), " binds", NULL);
    memmove(&making->binds[at + 1], &making->binds[at], (making->bind_count - at) * sizeof making->binds[0]);
    making->bind_count++;
    return at;
}

static u32 file_system_flags(int fd)
{
    struct statfs status;
    u32 flags = 0;
    if (KERNEL(fstatfs, fd, &status))
        return 0;
    if (status.type == PROC_SUPER_MAGIC)
        flags |= BIND_PROC;
    else if (status.flags & ST_NOEXEC)
        flags |= BIND_NOEXEC;
    return flags;
}

void add_bind(int fd, const char *guest, u32 flags)
{
    struct stat status;
    char *host = arena_take(PATH_LIMIT);
    long error = host ? KERNEL(fstat, fd, &status) : -ENOMEM;
    if (!error) {
        char link[40];
        put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
        long size = KERNEL(readlinkat, AT_FDCWD, link, host, PATH_LIMIT - 1);
        error = size < 0 ? size : host[0] != '/' ? -EINVAL : 0;
        host[size > 0 ? size : 0] = 0;
    }
    if (error)
        fail(STATUS_FAILED, "cannot bind to ", *guest ? guest : "/", ": ", error_words(error), NULL);
    if (text_equal(host, "/"))
        host[0] = 0;
    bool directory = (status.mode & S_IFMT) == S_IFDIR;
    drop_covered(guest);
    u32 slot = slot_for(guest);
    making->binds[slot] = (struct bind){
        .guest = keep_text(guest), .guest_length = (u32)strlen(guest), .host = keep_text(host), .host_length = (u32)strlen(host),
        .descriptor = directory ? fd : -1, .flags = flags | file_system_flags(fd) | (directory ? 0 : BIND_FILE),
    };
    if (making->binds[slot].flags & BIND_READ_ONLY)
        making->options |= OPTION_READ_ONLY;
    if (making->binds[slot].flags & BIND_NOEXEC)
        making->options |= OPTION_NOEXEC;
    size_t base = base_offset(guest, strlen(guest));
    if (guest[base])
        making->bind_names |= name_bit(guest + base, strlen(guest + base));
    making->root_bind = making->bind_count - 1;
}

/* Links in the root directory, as every Debian has them. */
static void note_shortcuts(void)
{
    static const char *const names[] = {"bin", "sbin", "lib", "lib64", "lib32", "libx32"};
    int root = root_bind()->descriptor;
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct shortcut *shortcut = &making->shortcuts[making->shortcut_count];
        char *target = shortcut->target;
        *target++ = '/';
        long size = KERNEL(readlinkat, root, names[i], target, sizeof shortcut->target - 2);
        if (size <= 0 || size >= (long)sizeof shortcut->target - 2 || target[0] == '.')
            continue;
        target[size] = 0;
        if (target[0] == '/')
            memmove(shortcut->target, target, (size_t)size + 1);
        put_text(shortcut->name, names[i]);
        making->shortcut_count++;
    }
}

static void note_foreign(const struct launch *launch)
{
    char host[PATH_LIMIT];
    for (u32 i = 0; i < launch->foreign_count; i++) {
        long size = host_path_of(launch->foreign_fd[i], host);
        if (size < 0)
            fail(STATUS_FAILED, "cannot use ", launch->foreign[i], ": ", error_words(size), NULL);
        making->foreign[making->foreign_count++] = (struct foreign){launch->foreign_machine[i], keep_text(host)};
        KERNEL(close, launch->foreign_fd[i]);
    }
}

/* --- what this kernel, or a filter around us, lacks --- */

static bool lacks(long result)
{
    return result == -ENOSYS || result == -EPERM;
}

static void note_kernel(void)
{
    struct open_how how = {O_PATH, 0, 0};
    long fd = KERNEL(openat2, AT_FDCWD, "/", &how, sizeof how);
    if (lacks(fd))
        making->options |= OPTION_NO_OPENAT2;
    else if (fd >= 0)
        KERNEL(close, fd);
    if (lacks(KERNEL(faccessat2, AT_FDCWD, "/", 0, 0)))
        making->options |= OPTION_NO_FACCESSAT2;
    if (lacks(KERNEL(fchmodat2, AT_FDCWD, "", 0, 0)))
        making->options |= OPTION_NO_FCHMODAT2;
    if (lacks(KERNEL(listxattrat, AT_FDCWD, "/", 0, NULL, 0)))
        making->options |= OPTION_NO_XATTRAT;
    if (lacks(KERNEL(execveat, -1, "", NULL, NULL, AT_EMPTY_PATH)))
        making->options |= OPTION_NO_EXECVEAT;
}

/* --- reserved descriptors --- */

static void choose_descriptors(void)
{
    struct rlimit limit;
    u32 count = RESERVED_BINDS;
    for (u32 i = 0; i < making->bind_count; i++)
        count += making->binds[i].descriptor >= 0;
    if (KERNEL(prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) || limit.hard < count + 32)
        fail(STATUS_FAILED, "the interception engine needs ", number_text(count + 32), " open files, and the limit (ulimit -n) is lower", NULL);
    making->reserved_count = count;
    if (limit.soft >= DESCRIPTOR_BASE + count)
        making->first_reserved = DESCRIPTOR_BASE;
    else
        making->first_reserved = (u32)(limit.hard >= limit.soft + count ? limit.soft : limit.hard - count);
}

static void reserve(int fd, u32 role)
{
    long error = reserve_descriptor(fd, (int)(making->first_reserved + role));
    if (error < 0)
        fail(STATUS_FAILED, "the interception engine got no descriptor: ", error_words(error), NULL);
}

/* Every number of the range is taken: the guest must not be given one. */
static void reserve_all(int loader, int owners)
{
    int root = root_bind()->descriptor;
    for (u32 role = 0; role < RESERVED_BINDS; role++)
        reserve(root, role);
    reserve(loader, RESERVED_LOADER);
    if (owners >= 0)
        reserve(owners, RESERVED_OWNERS);
    if (scratch_keeper() >= 0)
        reserve(scratch_keeper(), RESERVED_SCRATCH);
    u32 role = RESERVED_BINDS;
    for (u32 i = 0; i < making->bind_count; i++) {
        struct bind *bind = &making->binds[i];
        if (bind->descriptor < 0)
            continue;
        reserve(bind->descriptor, role);
        bind->descriptor = (i32)(making->first_reserved + role++);
    }
}

/* The file's name shows in /proc/PID/maps of every process of the container, so it tells from outside which tree it uses. */
static void install(const char *label)
{
    char name[MEMORY_FILE_NAME];
    size_t room = sizeof name - sizeof CONTAINER_FILE_NAME - 1, length = label ? strlen(label) : 0;
    char *end = put_text(name, CONTAINER_FILE_NAME);
    if (length && length < room)
        put_text(put_text(end, ":"), label);
    long file = KERNEL(memfd_create, name, 0);
    if (file < 0)
        fail(STATUS_FAILED, "the kernel gives no memory file: ", error_words(file), NULL);
    if (KERNEL(pwrite64, file, ENGINE_BASE, PAGE + CONTAINER_SIZE, 0) != (long)(PAGE + CONTAINER_SIZE))
        fail(STATUS_FAILED, "no memory for the container's description", NULL);
    reserve((int)file, RESERVED_CONTAINER);
    KERNEL(close, file);
    if (!container_map(reserved_descriptor(RESERVED_CONTAINER)))
        fail(STATUS_FAILED, "the container's description cannot be mapped", NULL);
}

/* The table of owners; without a file for it only an imitated root gets one, because only it can change an owner. */
static int owners_for(const struct launch *launch)
{
    struct stat status;
    if (!(making->options & OPTION_SHOWN_IDS))
        return -1;
    identity_begin(launch->shown_uid, launch->shown_gid);
    if (!KERNEL(fstat, launch->root_fd, &status))
        making->root_device = status.dev;
    if (launch->owners_fd < 0)
        fail(STATUS_FAILED, "cannot use the table of owners", launch->owners ? " " : "", launch->owners ? launch->owners : "", ": ",
             error_words(launch->owners_fd), NULL);
    making->owners_size = OWNERS_SIZE;
    if (launch->image_owners_fd >= 0)
        show_image_owners(launch);
    return launch->owners_fd;
}

void launch_build(struct launch *launch)
{
    u32 options = launch->options;
    long loader = launch->nested ? KERNEL(fcntl, reserved_descriptor(RESERVED_LOADER), F_DUPFD, 3)
                         : KERNEL(openat, AT_FDCWD, "/proc/self/exe", O_PATH | O_CLOEXEC, 0);
    if (loader < 0)
        fail(STATUS_FAILED, "the interception engine cannot open its own program: ", error_words(loader), NULL);
    u64 size = PAGE + CONTAINER_SIZE;
    KERNEL(mmap, ENGINE_BASE, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    making->magic = CONTAINER_MAGIC;
    making->layout = CONTAINER_LAYOUT;
    making->options = options | OPTION_NO_CACHE;
    making->uid = (u32)KERNEL(getuid);
    making->gid = (u32)KERNEL(getgid);
    making->shown_uid = launch->shown_uid;
    making->shown_gid = launch->shown_gid;
    process.jail = "";
    process.directory_bind = -1;
    note_kernel();
    add_bind(launch->root_fd, "", launch->root_read_only ? BIND_READ_ONLY : 0);
    if (making->binds[0].descriptor < 0)
        fail(STATUS_FAILED, "the root ", launch->root, " is not a directory", NULL);
    add_requests(launch);
    note_shortcuts();
    note_foreign(launch);
    making->options = (making->options & ~OPTION_NO_CACHE) | (options & OPTION_NO_CACHE);
    choose_descriptors();
    reserve_all((int)loader, owners_for(launch));
    KERNEL(close, loader);
    install(launch->label);
}
