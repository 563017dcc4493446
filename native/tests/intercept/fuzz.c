/* Random calls with random arguments, the same for the same seed: one line a call with its result, to be compared with a native run.
 * arguments: seed, number of calls. Starts in an empty directory that is /work; everything else should be read-only. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (uint32_t)(state >> 33) % below;
}

static char *bad_pointers[4];
static char long_name[4200], longer_name[300];

static const char *const names[] = {
    "a", "b", "c", "d", "a/b", "a/c", "b/a", "a/b/c", "a/b/d", "b/c/d", "l", "l/a", "l/b/c", "a/l", "a/l/b", "l/..", "a/../b", "a/b/../../c", "./a",
    "a/.", "a/..", "b/", "a//b", "a/./b", "f", "f/", "f/x", "f/..", "loop", "loop/a", "dangling", "dangling/x", ".", "..", "../work/a", "../work",
    "../..", "", "/", "//", "/work", "/work/", "/work/a", "/work/a/b", "/work/b/l/a", "/work/l", "/work/../work/b", "/../work/c", "/etc/passwd",
    "/etc/../etc/passwd", "/usr", "/lib/os-release", "/usr/lib/os-release", "/bin/true/", "/proc/self/cwd/a", "/proc/self/root/work/b",
    "/proc/self/fd/7", "/proc/self/fd/7/a", "/proc/self/fd/1", "/proc/self/exe", "/dev/null", "/nowhere/x", "../etc/passwd",
    "sock", "a/sock", "fifo", "b/fifo", "x", "y", "z", "a/x", "b/y", "c/z",
};
static const int descriptors[] = {AT_FDCWD, AT_FDCWD, AT_FDCWD, 3, 4, 5, 6, 7, 8, 9, 10, 99, -1};

static char drawn[300]; /* the names of this step, for whoever looks into a difference */

static const char *name(void)
{
    uint32_t n = draw(200);
    const char *chosen = n < 4 ? bad_pointers[n] : n == 4 ? long_name : n == 5 ? longer_name : names[draw(sizeof names / sizeof names[0])];
    strcat(drawn, " ");
    strncat(drawn, n < 4 ? "BAD" : chosen, 40);
    return chosen;
}

static int descriptor(void)
{
    return descriptors[draw(sizeof descriptors / sizeof descriptors[0])];
}

/* For calls that the engine sees: one of its own descriptors is none for the guest. */
static int directory(void)
{
    return draw(40) ? descriptor() : 1025;
}

static uint32_t open_flags(void)
{
    static const uint32_t bits[] = {O_CREAT, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC, O_PATH, O_TMPFILE, O_NOATIME, 0x4000};
    uint32_t flags = O_NONBLOCK | draw(3) | (draw(40) == 0 ? 3 : 0);
    for (uint32_t i = draw(4); i > 0; i--)
        flags |= bits[draw(sizeof bits / sizeof bits[0])];
    return flags;
}

static int at_flags(void)
{
    static const int bits[] = {0, 0, 0, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH, AT_REMOVEDIR, 0x10, AT_NO_AUTOMOUNT};
    return bits[draw(9)] | (draw(10) ? 0 : bits[draw(9)]);
}

static uint32_t mode(void)
{
    static const uint32_t modes[] = {0755, 0644, 0700, 0600, 0777, 0, 0500, 0400, 04755, 02755, 01777, 0100644, 010000};
    return draw(4) ? modes[draw(5)] : modes[draw(13)];
}

static char room[8192];

static void *result_place(void)
{
    return draw(60) ? room : bad_pointers[draw(4)];
}

static socklen_t address(struct sockaddr_un *to)
{
    const char *path = names[draw(sizeof names / sizeof names[0])];
    strcat(strcat(drawn, " address "), path);
    memset(to, 0, sizeof *to);
    to->sun_family = draw(30) ? AF_UNIX : AF_INET;
    strcpy(to->sun_path, path);
    return (socklen_t)(draw(20) ? offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1 : draw(140));
}

static void show(int step, const char *call, long result)
{
    int error = errno;
    if (result < 0 && error == EPERM)
        error = EACCES; /* which of the two says "not yours" may differ */
    if (result < 0 && error == ETXTBSY) /* a known difference: an engine that loads programs itself does not lock them */
        error = strncmp(call, "exec", 4) ? EROFS : ENOEXEC;
    printf("%d %s %ld", step, call, result < 0 ? -error : result);
    printf("%s\n", getenv("FUZZ_NAMES") ? drawn : "");
    drawn[0] = 0;
}

/* What a file looks like; sizes of directories and device numbers are the file system's business. */
static void show_stat(const struct stat *st)
{
    printf("  %o %ld\n", (unsigned)st->st_mode, S_ISREG(st->st_mode) ? (long)st->st_size : 0);
}

struct how {
    uint64_t flags, mode, resolve;
};

/* `..` in a scope fails while anybody on the machine renames something. */
static long open_scoped(int from, const char *path, struct how *how)
{
    long fd;
    for (int tries = 0; (fd = syscall(SYS_openat2, from, path, how, sizeof *how)) == -1 && errno == EAGAIN && tries < 1000; tries++)
        ;
    return fd;
}

static void step_open(int step)
{
    struct how how = {open_flags(), 0, draw(4) ? 0 : draw(32) & ~1u};
    const char *path = name();
    int from = directory();
    switch (draw(4)) {
    case 0: show(step, "open", open(path, (int)open_flags(), mode())); break;
    case 1: show(step, "openat", openat(from, path, (int)open_flags(), mode())); break;
    case 2:
        how.flags &= ~0x4000UL;
        how.mode = how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) ? mode() & 07777 : draw(9) == 0;
        show(step, "openat2", open_scoped(from, path, &how));
        break;
    default: show(step, "close", close((int)(3 + draw(12)))); break;
    }
}

static int is_bad(const char *name)
{
    return name == bad_pointers[0] || name == bad_pointers[1] || name == bad_pointers[2] || name == bad_pointers[3];
}

static void step_names(int step)
{
    const char *one = name(), *other = name();
    /* In these the number may be that of what the engine itself has open for this call. */
    while (!is_bad(other) && !strncmp(other, "/proc/self/fd", 13))
        other = names[draw(30)];
    while (!is_bad(one) && !strncmp(one, "/proc/self/fd", 13))
        one = names[draw(30)];
    int from = directory(), to = directory(), flags = at_flags();
    switch (draw(14)) {
    case 0: case 1: show(step, "mkdir", mkdir(one, mode())); break;
    case 2: show(step, "mkdirat", mkdirat(from, one, mode())); break;
    case 3: show(step, "rmdir", rmdir(one)); break;
    case 4: show(step, "unlink", unlink(one)); break;
    case 5: show(step, "unlinkat", unlinkat(from, one, flags)); break;
    case 6: show(step, "rename", rename(one, other)); break;
    case 7: show(step, "renameat2", syscall(SYS_renameat2, from, one, to, other, draw(5))); break;
    case 8: show(step, "link", link(one, other)); break;
    case 9: show(step, "linkat", linkat(from, one, to, other, flags)); break;
    case 10: case 11: show(step, "symlink", symlink(one, other)); break;
    case 12: show(step, "symlinkat", symlinkat(one, to, other)); break;
    default: show(step, "mknod", mknod(one, (draw(2) ? S_IFIFO : S_IFREG) | (mode() & 0777), 0)); break;
    }
}

static void step_lookup(int step)
{
    const char *path = name();
    int from = directory(), flags = at_flags();
    struct stat *st = result_place();
    long result;
    switch (draw(9)) {
    case 0: show(step, "stat", result = stat(path, st)); break;
    case 1: show(step, "lstat", result = lstat(path, st)); break;
    case 2: show(step, "fstatat", result = fstatat(from, path, st, flags)); break;
    case 3: show(step, "statx", statx(from, path, flags | (int)(draw(8) << 13), 0xfff, (struct statx *)st)); return;
    case 4: show(step, "access", access(path, (int)draw(9))); return;
    case 5: show(step, "faccessat2", syscall(SYS_faccessat2, from, path, draw(8), flags)); return;
    case 6: show(step, "readlink", readlink(path, (char *)st, draw(10) ? 4096 : draw(20))); return;
    case 7: show(step, "readlinkat", readlinkat(from, path, (char *)st, 4096)); return;
    default: show(step, "statfs", statfs(path, (struct statfs *)st)); return;
    }
    if (result == 0)
        show_stat(st);
}

static void step_change(int step)
{
    struct timespec times[2] = {{(long)draw(1000), draw(50) ? (long)draw(1000) : 2000000000}, {(long)draw(1000), UTIME_OMIT}};
    const char *path = name();
    int from = directory(), flags = at_flags();
    uint32_t uid = draw(2) ? getuid() : (uint32_t)-1;
    char value[] = "value";
    switch (draw(14)) {
    case 0: show(step, "chmod", chmod(path, mode() & 0777)); break;
    case 1: show(step, "fchmodat2", syscall(452, from, path, mode() & 0777, flags)); break;
    case 2: show(step, "fchmod", fchmod(descriptor(), mode() & 0777)); break;
    case 3: show(step, "chown", chown(path, uid, uid)); break;
    case 4: show(step, "lchown", lchown(path, uid, uid)); break;
    case 5: show(step, "fchownat", fchownat(from, path, uid, uid, flags)); break;
    case 6: show(step, "fchown", fchown(descriptor(), uid, uid)); break;
    case 7: show(step, "truncate", truncate(path, draw(20) ? draw(5000) : -1L)); break;
    case 8: show(step, "utimensat", syscall(SYS_utimensat, from, draw(10) ? path : NULL, draw(5) ? times : NULL, flags)); break;
    case 9: show(step, "setxattr", syscall(SYS_setxattr, path, draw(20) ? "user.x" : "", value, draw(6), draw(3))); break;
    case 10: show(step, "lsetxattr", syscall(SYS_lsetxattr, path, "user.y", value, draw(6), draw(3))); break;
    case 11: show(step, "getxattr", syscall(draw(2) ? SYS_getxattr : SYS_lgetxattr, path, "user.x", room, draw(10))); break;
    case 12: show(step, "listxattr", syscall(draw(2) ? SYS_listxattr : SYS_llistxattr, path, room, draw(2) ? 100 : 0)); break;
    default: show(step, "removexattr", syscall(draw(2) ? SYS_removexattr : SYS_lremovexattr, path, "user.x")); break;
    }
}

static void step_place(int step)
{
    const char *path = name();
    switch (draw(8)) {
    case 0: case 1: show(step, "chdir", chdir(path)); break;
    case 2: show(step, "fchdir", fchdir(descriptor())); break;
    case 3: case 4: show(step, "getcwd", syscall(SYS_getcwd, result_place(), draw(10) ? 4096 : draw(20))); break;
    case 5: show(step, "execve", syscall(SYS_execve, path, NULL, environ)); break;
    case 6: show(step, "execveat", syscall(SYS_execveat, directory(), path, NULL, environ, at_flags())); break;
    default: show(step, "chdir back", chdir("/work")); break;
    }
}

static void step_other(int step)
{
    struct sockaddr_un where;
    socklen_t length = address(&where);
    struct file_handle *handle = (struct file_handle *)room;
    int mount, fd;
    switch (draw(10)) {
    case 0: show(step, "socket", socket(AF_UNIX, (draw(2) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0)); break;
    case 1: show(step, "bind", bind(descriptor(), (struct sockaddr *)&where, length)); break;
    case 2: show(step, "connect", connect(descriptor(), (struct sockaddr *)&where, length)); break;
    case 3: show(step, "listen", listen(descriptor(), 1)); break;
    case 4:
        length = draw(2) ? sizeof where : draw(20);
        show(step, "getsockname", getsockname(descriptor(), (struct sockaddr *)room, &length));
        printf("  %d\n", (int)length);
        break;
    case 5: show(step, "sendto", sendto(descriptor(), "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&where, length)); break;
    case 6:
        handle->handle_bytes = draw(2) ? 128 : 0;
        show(step, "name_to_handle_at", name_to_handle_at(directory(), name(), handle, &mount, at_flags()));
        break;
    case 7:
        fd = descriptor();
        show(step, "dup", fcntl(fd, draw(2) ? F_DUPFD : F_DUPFD_CLOEXEC, 3));
        break;
    case 8: show(step, "dup2", dup2(descriptor(), (int)(3 + draw(10)))); break;
    default: show(step, "write", write(descriptor(), "content", draw(8))); break;
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        puts("executed by a random call"); /* /proc/self/exe */
        return 0;
    }
    int count = atoi(argv[2]);
    state = (uint64_t)atol(argv[1]) * 0x9e3779b97f4a7c15UL + 1;
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(page, 'a', 4096);
    mprotect(page + 4096, 4096, PROT_NONE);
    bad_pointers[0] = NULL;
    bad_pointers[1] = (char *)1;
    bad_pointers[2] = page + 4094;
    bad_pointers[3] = (char *)0xffff800000000000UL;
    memset(long_name, 'n', sizeof long_name - 1);
    memset(longer_name, 'm', 260);
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    alarm(5);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (int fd = 3; fd < 300; fd++)
        close(fd);
    mkdir("a", 0755);
    mkdir("a/b", 0755);
    mkdir("b", 0755);
    symlink("a", "l");
    symlink("loop", "loop");
    symlink("gone", "dangling");
    close(open("f", O_CREAT | O_WRONLY, 0644));
    for (int step = 0; step < count; step++) {
        memset(page + 4090, 'a', 6); /* how much of a result the kernel writes before it meets a bad page is its own affair */
        switch (draw(9)) {
        case 0: case 1: step_open(step); break;
        case 2: case 3: step_names(step); break;
        case 4: case 5: step_lookup(step); break;
        case 6: step_change(step); break;
        case 7: step_place(step); break;
        default: step_other(step); break;
        }
        if (step % 50 == 0)
            fflush(stdout);
    }
    return 0;
}
