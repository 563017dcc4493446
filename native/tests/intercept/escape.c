/* Every known way around a translation of paths. argument: a file of the host that is not visible (its content begins with SECRET), as the host calls it;
 * a directory that holds it is open as descriptor 9. Prints "nothing reached it" or what did. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *secret;
static int reached;

static void escaped(const char *how)
{
    printf("ESCAPE by %s\n", how);
    reached = 1;
}

static void judge(const char *how, int fd)
{
    char text[8] = "";
    if (fd < 0)
        return;
    if (read(fd, text, 6) == 6 && !memcmp(text, "SECRET", 6))
        escaped(how);
    close(fd);
}

struct how {
    uint64_t flags, mode, resolve;
};

static int openat2(int fd, const char *path, uint64_t resolve)
{
    struct how how = {O_RDONLY, 0, resolve};
    return (int)syscall(SYS_openat2, fd, path, &how, sizeof how);
}

static void by_paths(void)
{
    char path[8192], up[4096] = "";
    struct stat st;
    judge("open", open(secret, O_RDONLY));
    for (int i = 0; i < 40; i++)
        strcat(up, "../");
    snprintf(path, sizeof path, "%s%s", up, secret);
    judge("many ..", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/root%s", secret);
    judge("/proc/self/root", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/root/../../..%s", secret);
    judge("/proc/self/root/..", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/cwd/%s%s", up, secret);
    judge("/proc/self/cwd/..", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/task/%d/root%s", getpid(), getpid(), secret);
    judge("/proc/PID/task/TID/root", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/1/root%s", secret);
    judge("/proc/1/root", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/root%s", getppid(), secret);
    judge("the parent's root", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/%d/cwd/%s%s", getppid(), up, secret);
    judge("the parent's directory", open(path, O_RDONLY));
    for (int fd = 900; fd < 1200; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d/%s%s", fd, up, secret);
        judge("a descriptor of the engine", open(path, O_RDONLY));
        snprintf(path, sizeof path, "%s%s", up, secret);
        judge("a descriptor of the engine and ..", openat(fd, path, O_RDONLY));
    }
    symlink(secret, "absolute-link");
    judge("an absolute link", open("absolute-link", O_RDONLY));
    snprintf(path, sizeof path, "%s%s", up, secret);
    symlink(path, "relative-link");
    judge("a relative link", open("relative-link", O_RDONLY));
    if (stat(secret, &st) == 0 || access(secret, F_OK) == 0)
        escaped("stat");
    if (truncate(secret, 3) == 0 || rename(secret, "stolen") == 0 || link(secret, "stolen") == 0 || unlink(secret) == 0)
        escaped("a change");
    if (chdir(secret) == -1 && errno == ENOTDIR)
        escaped("chdir");
}

static void by_openat2(void)
{
    char path[8192];
    for (uint64_t resolve = 0; resolve < 64; resolve++) {
        judge("openat2", openat2(AT_FDCWD, secret, resolve));
        judge("openat2 of a link", openat2(AT_FDCWD, "absolute-link", resolve));
        snprintf(path, sizeof path, "/proc/self/root/%s", secret);
        judge("openat2 over /proc", openat2(AT_FDCWD, path, resolve));
    }
}

/* A ring would open files without a system call that a filter sees. */
static void by_io_uring(void)
{
    char params[120] = {0};
    long fd = syscall(425, 4, params);
    if (fd >= 0)
        escaped("io_uring_setup");
    if (syscall(426, 9, 1, 0, 0, 0, 0) >= 0 || errno == EOPNOTSUPP)
        escaped("io_uring_enter");
}

static void by_handles(void)
{
    struct {
        struct file_handle handle;
        char room[128];
    } h;
    int mount;
    h.handle.handle_bytes = 128;
    if (name_to_handle_at(AT_FDCWD, secret, &h.handle, &mount, 0) == 0)
        escaped("name_to_handle_at");
    h.handle.handle_bytes = 128;
    if (name_to_handle_at(AT_FDCWD, "/etc/passwd", &h.handle, &mount, 0) == 0) {
        int root = open("/", O_RDONLY);
        if (open_by_handle_at(root, &h.handle, O_RDONLY) >= 0)
            escaped("open_by_handle_at");
        close(root);
    }
}

static void by_mounts(void)
{
    mkdir("m", 0755);
    if (mount("/", "m", NULL, MS_BIND | MS_REC, NULL) == 0 || umount("/proc") == 0)
        escaped("mount");
    if (syscall(SYS_open_tree, AT_FDCWD, "/", 1) >= 0)
        escaped("open_tree");
    if (syscall(SYS_fsopen, "tmpfs", 0) >= 0)
        escaped("fsopen");
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        escaped("pivot_root");
    if (syscall(SYS_move_mount, -100, "/", -100, "m", 0) == 0)
        escaped("move_mount");
    if (unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0)
        escaped("unshare");
    long child = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(0);
    if (child > 0) {
        waitpid((pid_t)child, NULL, 0);
        escaped("clone with namespaces");
    }
    struct {
        uint64_t flags, rest[10];
    } arguments = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .rest = {0, 0, 0, SIGCHLD}};
    child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        _exit(0);
    if (child > 0) {
        waitpid((pid_t)child, NULL, 0);
        escaped("clone3 with namespaces");
    }
    int ns = open("/proc/1/ns/mnt", O_RDONLY);
    if (ns >= 0 && setns(ns, 0) == 0)
        escaped("setns");
}

/* A directory outside, handed in by a descriptor or a message: what is in it may be used, as natively, but not what is above. */
static void by_descriptors(void)
{
    int pair[2], got = -1, sent = 9;
    char room[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x', path[8192], above[64];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &sent, sizeof sent);
    if (sendmsg(pair[0], &message, 0) == 1 && recvmsg(pair[1], &message, 0) == 1)
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    snprintf(above, sizeof above, "../%s", strrchr(secret, '/') + 1);
    int fds[2] = {9, got};
    for (int i = 0; i < 2; i++) {
        int fd = fds[i];
        judge("a descriptor and ..", openat(fd, above, O_RDONLY));
        judge("a descriptor, down and up", openat(fd, "inner/../../secret", O_RDONLY));
        judge("a descriptor and openat2", openat2(fd, above, 0));
        judge("a descriptor and openat2 in root", openat2(fd, above, 16));
        snprintf(path, sizeof path, "/proc/self/fd/%d/../%s", fd, strrchr(secret, '/') + 1);
        judge("a descriptor by /proc", open(path, O_RDONLY));
        pid_t child = fork();
        if (child == 0) {
            reached = 0;
            if (fchdir(fd) == 0) {
                judge("fchdir and ..", open(above, O_RDONLY));
                if (chdir("..") == 0)
                    judge("fchdir and chdir ..", open(strrchr(secret, '/') + 1, O_RDONLY));
                judge("fchdir and /proc/self/cwd", open("/proc/self/cwd/../secret", O_RDONLY));
            }
            _exit(reached);
        }
        int status;
        waitpid(child, &status, 0);
        reached |= status;
    }
}

/* Directories that move while one stands in them, and chroot. */
static void by_moves(void)
{
    char path[8192] = "";
    mkdir("a", 0755);
    mkdir("a/b", 0755);
    mkdir("a/b/c", 0755);
    int fd = open("a/b/c", O_RDONLY);
    chdir("a/b/c");
    rename("/work/a/b", "/work/moved");
    for (int i = 0; i < 40; i++)
        strcat(path, "../");
    strcat(path, secret + 1);
    judge("a moved directory", open(path, O_RDONLY));
    judge("a moved directory's descriptor", openat(fd, path, O_RDONLY));
    chdir("/work");
    mkdir("jail", 0755);
    int root = open("/", O_RDONLY);
    pid_t child = fork();
    if (child == 0) {
        reached = 0;
        if (chroot("jail") == 0) {
            judge("chroot and ..", open(path, O_RDONLY));
            judge("chroot and a descriptor", openat(root, path, O_RDONLY));
            fchdir(root);
            judge("chroot and fchdir", open(path, O_RDONLY));
            if (chroot("..") == 0 || chroot(".") == 0)
                judge("chroot twice", open(path, O_RDONLY));
        }
        _exit(reached);
    }
    int status;
    waitpid(child, &status, 0);
    reached |= status;
}

static void by_sockets(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", secret);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
        escaped("connect");
    snprintf(address.sun_path, sizeof address.sun_path, "%.*s/sock", (int)(strrchr(secret, '/') - secret), secret);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        escaped("bind");
    close(fd);
}

static void by_other_calls(void)
{
    char value[64], buffer[256];
    if (getxattr(secret, "user.x", value, sizeof value) == -1 && errno == ENODATA)
        escaped("getxattr");
    struct {
        uint64_t value;
        uint32_t size, flags;
    } arguments = {(uint64_t)value, sizeof value, 0};
    if (syscall(464, AT_FDCWD, secret, 0, "user.x", &arguments, sizeof arguments) == -1 && errno == ENODATA)
        escaped("getxattrat");
    if (syscall(468, AT_FDCWD, secret, buffer, 24, 0) == 0)
        escaped("file_getattr");
    if (syscall(SYS_execve, secret, NULL, NULL) == -1 && errno == EACCES)
        escaped("execve");
    if (syscall(SYS_swapon, secret, 0) == -1 && errno != EPERM && errno != ENOENT)
        escaped("swapon");
    if (syscall(600, secret) != -1 || errno != ENOSYS)
        escaped("an unknown call");
    /* The 32-bit table of calls has numbers of its own. */
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low != MAP_FAILED) {
        int result;
        strcpy(low, secret);
        __asm__ volatile("int $0x80" : "=a"(result) : "0"(5), "b"((uint32_t)(uintptr_t)low), "c"(0), "d"(0) : "memory");
        judge("int 0x80", result);
    }
    judge("x32", (int)syscall(0x40000000 | SYS_open, secret, O_RDONLY));
}

int main(int argc, char **argv)
{
    secret = argc > 1 ? argv[1] : "/nowhere";
    by_paths();
    by_openat2();
    by_io_uring();
    by_handles();
    by_mounts();
    by_descriptors();
    by_moves();
    by_sockets();
    by_other_calls();
    puts(reached ? "it was reached" : "nothing reached it");
    return reached;
}
