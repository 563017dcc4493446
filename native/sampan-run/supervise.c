/* Theory of operation. The filter (ownership.c) stops a process at its call and tells the listener which call it was, with its
 * arguments. The thing meant is opened here, by the asking process's own root, current directory and descriptors, as O_PATH: nothing is
 * read or written by that. Then
 *
 *   chown and its kin   the owner is noted (noted.c) and the call answered with success
 *   mknod of a device   an empty file is made, with a note
 *   stat and its kin    if owner or mode are not what the kernel would show, the answer is written into the process's memory;
 *                       else, and whenever anything is unclear, the kernel does the call itself, as if nobody had asked
 *
 * So a stat is never wrong but in owner and mode, and what lies on another mount (a directory of the machine, /proc, a tmpfs) is never touched:
 * chown succeeds there and changes nothing. The supervisor has the rights of the payload, no more; a payload that lies to it lies to
 * itself. It runs in the payload's namespaces, ends when the last process under the filter does, and answers one call after the other. */
#include "supervise.h"

#include "descriptor.h"
#include "kernel.h"
#include "noted.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

/* As in linux/seccomp.h, which not every compiler for musl has. */
struct asked {
    uint64_t id;
    uint32_t pid, flags;
    int32_t number;
    uint32_t architecture;
    uint64_t instruction, arguments[6];
};

struct answer {
    uint64_t id;
    int64_t value;
    int32_t error;
    uint32_t flags;
};

#define NOTIFY_RECEIVE _IOWR('!', 0, struct asked)
#define NOTIFY_SEND _IOWR('!', 1, struct answer)
#define NOTIFY_IS_VALID _IOW('!', 2, uint64_t)
#define NOTIFY_SET_FLAGS _IOW('!', 4, uint64_t)

enum { NATIVE = 4096 /* beyond the error numbers: the kernel is to do it */, KEEP = -1 };

static uint64_t root_mount;

/* What a process has under this name in its /proc, as O_PATH; -1. */
static int of_process(const struct asked *asked, const char *what, int number)
{
    char path[64];
    snprintf(path, sizeof path, number < 0 ? "%u/%s" : "%u/%s/%d", asked->pid, what, number);
    return openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
}

/* The string at `address` of the asking process; false if there is none of this length. */
static bool read_string(const struct asked *asked, uint64_t address, char *text, size_t size)
{
    size_t length = 0;
    while (length < size) {
        size_t piece = 4096 - (address + length) % 4096; /* a page may be the last one */
        piece = piece < size - length ? piece : size - length;
        struct iovec here = {text + length, piece}, there = {(void *)(uintptr_t)(address + length), piece};
        if (process_vm_readv((pid_t)asked->pid, &here, 1, &there, 1, 0) != (ssize_t)piece)
            return false;
        if (memchr(text + length, '\0', piece) != NULL)
            return true;
        length += piece;
    }
    return false;
}

static bool write_memory(const struct asked *asked, uint64_t address, const void *bytes, size_t size)
{
    struct iovec here = {(void *)(uintptr_t)bytes, size}, there = {(void *)(uintptr_t)address, size};
    return process_vm_writev((pid_t)asked->pid, &here, 1, &there, 1, 0) == (ssize_t)size;
}

/* Magic links of /proc lead elsewhere for us than for the one who asks. */
static bool is_about_processes(const char *path)
{
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd", 7) == 0 || strncmp(path, "/dev/std", 8) == 0;
}

/* Where a path of the asking process begins: its root, its directory, or the directory `fd` of it. */
static int begin_of(const struct asked *asked, const char *path, int fd)
{
    if (*path == '/')
        return of_process(asked, "root", -1);
    return fd == AT_FDCWD ? of_process(asked, "cwd", -1) : of_process(asked, "fd", fd);
}

static int open_path(const struct asked *asked, const char *path, int fd, int flags)
{
    CLOSING int begin = begin_of(asked, path, fd);
    flags = O_PATH | O_CLOEXEC | (flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
    if (begin < 0)
        return -1;
    return *path == '/' ? kernel_open_in_root(begin, path, flags) : openat(begin, path, flags);
}

/* The thing that (fd, path at `address`, flags) mean, as O_PATH; -1: it is not there, or not for us to say, with errno. */
static int thing(const struct asked *asked, int fd, uint64_t address, int flags)
{
    char path[4096];
    if (address == 0 || !read_string(asked, address, path, sizeof path)) {
        errno = EFAULT;
        return -1;
    }
    if (*path == '\0' && (flags & AT_EMPTY_PATH))
        return fd == AT_FDCWD ? of_process(asked, "cwd", -1) : of_process(asked, "fd", fd);
    if (is_about_processes(path)) {
        errno = ELOOP;
        return -1;
    }
    return open_path(asked, path, fd, flags);
}

static bool is_ours(const struct facts *facts)
{
    return root_mount == 0 || facts->mount == root_mount;
}

/* Calls: each gives 0, an error number, or NATIVE. */

static int change_owner(int fd, uint64_t uid, uint64_t gid)
{
    struct facts facts;
    if (fd < 0) /* what is not there is an error; where somebody else leads, success */
        return errno == ENOENT || errno == ENOTDIR || errno == EFAULT || errno == EBADF || errno == ENAMETOOLONG ? errno : 0;
    if (!noted_look(fd, &facts) || !is_ours(&facts))
        return 0;
    struct owner before = noted_owner(fd, &facts), after = before;
    after.uid = (int32_t)uid == KEEP ? after.uid : (uint32_t)uid;
    after.gid = (int32_t)gid == KEEP ? after.gid : (uint32_t)gid;
    return after.uid == before.uid && after.gid == before.gid ? 0 : noted_set_owner(fd, &facts, after);
}

/* A device is an empty file with a note; nobody but root could make a real one. */
static int make_device(const struct asked *asked, int fd, uint64_t address, uint64_t mode, uint64_t number)
{
    char path[4096];
    struct facts facts;
    struct device device = {S_ISCHR(mode) ? 'c' : 'b', (unsigned)(number >> 8 & 0xfff),
                            (unsigned)((number & 0xff) | (number >> 12 & 0xfff00))};
    if (device.major == 0 && device.minor == 0) /* a whiteout of an overlay, which everybody may make */
        return NATIVE;
    if (!read_string(asked, address, path, sizeof path) || is_about_processes(path))
        return NATIVE;
    char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char above[4096] = ".";
    if (slash != NULL)
        snprintf(above, sizeof above, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    CLOSING int directory = open_path(asked, above, fd, 0);
    if (directory < 0)
        return errno;
    if (!noted_look(directory, &facts) || !is_ours(&facts))
        return EPERM;
    CLOSING int made = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)(mode & 0755));
    if (made < 0)
        return errno;
    int error = noted_set_device(made, device);
    if (error != 0)
        unlinkat(directory, name, 0);
    return error;
}

struct shown {
    struct owner owner;
    struct device device;
    unsigned mode;
};

/* Would the kernel show the right thing of `fd`? If not, `shown` is what it is. */
static bool is_shown_right(int fd, struct shown *shown)
{
    struct facts facts;
    if (fd < 0 || !noted_look(fd, &facts) || !is_ours(&facts))
        return true;
    shown->owner = noted_owner(fd, &facts);
    shown->device = noted_device(fd, &facts);
    shown->mode = noted_mode(fd, &facts) | (facts.mode & S_IFMT);
    if (shown->device.kind != 0)
        shown->mode = (shown->mode & 07777) | (shown->device.kind == 'c' ? S_IFCHR : S_IFBLK);
    return shown->owner.uid == facts.uid && shown->owner.gid == facts.gid && shown->mode == facts.mode;
}

static int show(const struct asked *asked, int fd, uint64_t address)
{
    struct shown shown;
    struct stat st;
    if (is_shown_right(fd, &shown) || fstat(fd, &st) != 0)
        return NATIVE;
    st.st_uid = shown.owner.uid;
    st.st_gid = shown.owner.gid;
    st.st_mode = shown.mode;
    if (shown.device.kind != 0)
        st.st_rdev = makedev(shown.device.major, shown.device.minor);
    return write_memory(asked, address, &st, sizeof st) ? 0 : EFAULT;
}

static int show_more(const struct asked *asked, int fd)
{
    const uint64_t *arguments = asked->arguments;
    struct shown shown;
    struct facts facts;
    if (is_shown_right(fd, &shown) ||
        syscall(SYS_statx, fd, "", AT_EMPTY_PATH | ((int)arguments[2] & 0x6000), (unsigned)arguments[3], &facts) != 0)
        return NATIVE;
    facts.uid = shown.owner.uid;
    facts.gid = shown.owner.gid;
    facts.mode = (uint16_t)shown.mode;
    if (shown.device.kind != 0) {
        facts.rdev_major = shown.device.major;
        facts.rdev_minor = shown.device.minor;
    }
    return write_memory(asked, arguments[4], &facts, sizeof facts) ? 0 : EFAULT;
}

static int of_descriptor(const struct asked *asked, uint64_t number)
{
    int fd = (int)number < 0 ? -1 : of_process(asked, "fd", (int)number);
    if (fd < 0)
        errno = EBADF;
    return fd;
}

static int answer_to(const struct asked *asked)
{
    const uint64_t *arguments = asked->arguments;
    int fd = (int)arguments[0];
    CLOSING int it = -1;
    switch (asked->number) {
    case SYS_fchown:
        it = of_descriptor(asked, arguments[0]);
        return change_owner(it, arguments[1], arguments[2]);
    case SYS_fchownat:
        it = thing(asked, fd, arguments[1], (int)arguments[4]);
        return change_owner(it, arguments[2], arguments[3]);
    case SYS_mknodat:
        return make_device(asked, fd, arguments[1], arguments[2], arguments[3]);
    case SYS_fstat:
        it = of_descriptor(asked, arguments[0]);
        return show(asked, it, arguments[1]);
    case SYS_newfstatat:
        it = thing(asked, fd, arguments[1], (int)arguments[3]);
        return show(asked, it, arguments[2]);
    case SYS_statx:
        it = thing(asked, fd, arguments[1], (int)arguments[2]);
        return show_more(asked, it);
#ifdef SYS_chown
    case SYS_chown:
        it = thing(asked, AT_FDCWD, arguments[0], 0);
        return change_owner(it, arguments[1], arguments[2]);
    case SYS_lchown:
        it = thing(asked, AT_FDCWD, arguments[0], AT_SYMLINK_NOFOLLOW);
        return change_owner(it, arguments[1], arguments[2]);
    case SYS_mknod:
        return make_device(asked, AT_FDCWD, arguments[0], arguments[1], arguments[2]);
    case SYS_stat:
        it = thing(asked, AT_FDCWD, arguments[0], 0);
        return show(asked, it, arguments[1]);
    case SYS_lstat:
        it = thing(asked, AT_FDCWD, arguments[0], AT_SYMLINK_NOFOLLOW);
        return show(asked, it, arguments[1]);
#endif
    default:
        return NATIVE;
    }
}

/* The mount that is the root; 0 if the kernel does not tell (before 5.8), then everything counts as ours. */
static uint64_t mount_of_root(void)
{
    struct facts facts;
    CLOSING int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && noted_look(fd, &facts) && (facts.mask & 0x1000) ? facts.mount : 0; /* STATX_MNT_ID */
}

_Noreturn void supervise(int listener)
{
    static union {
        struct asked asked;
        char room[1024]; /* a later kernel may tell more */
    } request;
    static union {
        struct answer answer;
        char room[1024];
    } reply;
    root_mount = mount_of_root();
    ioctl(listener, NOTIFY_SET_FLAGS, (uint64_t)1); /* SYNC_WAKE_UP: who asks is woken on this processor (Linux 6.6) */
    for (;;) {
        struct pollfd ready = {.fd = listener, .events = POLLIN};
        if (poll(&ready, 1, -1) < 0 && errno != EINTR)
            _exit(0);
        if (ready.revents & (POLLHUP | POLLERR))
            _exit(0);
        memset(&request, 0, sizeof request);
        if (!(ready.revents & POLLIN) || ioctl(listener, NOTIFY_RECEIVE, &request) != 0)
            continue; /* it was killed meanwhile */
        int result = answer_to(&request.asked);
        memset(&reply, 0, sizeof reply);
        reply.answer.id = request.asked.id;
        if (result == NATIVE)
            reply.answer.flags = 1; /* SECCOMP_USER_NOTIF_FLAG_CONTINUE */
        else
            reply.answer.error = -result;
        ioctl(listener, NOTIFY_SEND, &reply); /* who is gone needs no answer */
    }
}
