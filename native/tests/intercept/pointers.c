/* Bad pointers in every call that takes one: each must say EFAULT (or what the kernel says before it looks), and nothing else may change. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static uint64_t bad[4];
static volatile int caught;

static void on_fault(int number)
{
    (void)number;
    caught++;
}

struct call {
    const char *name;
    long number;
    int pointers[3]; /* indexes of pointer arguments, -1 ends */
    long arguments[6];
};

static char path[] = "/etc/passwd", missing[] = "/missing/x";
static char buffer[4096];

#define P(x) ((long)(x))
static const struct call calls[] = {
    {"open", SYS_open, {0, -1, -1}, {0, O_RDONLY}},
    {"openat", SYS_openat, {1, -1, -1}, {AT_FDCWD, 0, O_RDONLY}},
    {"stat", SYS_stat, {0, 1, -1}, {P(path), P(buffer)}},
    {"lstat", SYS_lstat, {0, 1, -1}, {P(path), P(buffer)}},
    {"newfstatat", SYS_newfstatat, {1, 2, -1}, {AT_FDCWD, P(path), P(buffer), 0}},
    {"statx", SYS_statx, {1, 4, -1}, {AT_FDCWD, P(path), 0, 0xfff, P(buffer)}},
    {"access", SYS_access, {0, -1, -1}, {P(path), 0}},
    {"faccessat", SYS_faccessat, {1, -1, -1}, {AT_FDCWD, P(path), 0}},
    {"readlink", SYS_readlink, {0, 1, -1}, {P("/proc/self/exe"), P(buffer), 100}},
    {"readlinkat", SYS_readlinkat, {1, 2, -1}, {AT_FDCWD, P("/proc/self/cwd"), P(buffer), 100}},
    {"chdir", SYS_chdir, {0, -1, -1}, {P(missing)}},
    {"getcwd", SYS_getcwd, {0, -1, -1}, {P(buffer), 4096}},
    {"mkdir", SYS_mkdir, {0, -1, -1}, {P(missing), 0755}},
    {"rmdir", SYS_rmdir, {0, -1, -1}, {P(missing)}},
    {"unlink", SYS_unlink, {0, -1, -1}, {P(missing)}},
    {"rename", SYS_rename, {0, 1, -1}, {P(missing), P(missing)}},
    {"link", SYS_link, {0, 1, -1}, {P(missing), P(missing)}},
    {"symlink", SYS_symlink, {0, 1, -1}, {P(missing), P(missing)}},
    {"chmod", SYS_chmod, {0, -1, -1}, {P(missing), 0644}},
    {"chown", SYS_chown, {0, -1, -1}, {P(missing), -1, -1}},
    {"truncate", SYS_truncate, {0, -1, -1}, {P(missing), 0}},
    {"utimensat", SYS_utimensat, {2, -1, -1}, {AT_FDCWD, P(missing), 0, 0}},
    {"statfs", SYS_statfs, {0, 1, -1}, {P(path), P(buffer)}},
    {"getxattr", SYS_getxattr, {0, 1, -1}, {P(path), P("user.a"), P(buffer), 100}},
    {"setxattr", SYS_setxattr, {0, 1, -1}, {P(missing), P("user.a"), P(buffer), 1, 0}},
    {"listxattr", SYS_listxattr, {0, -1, -1}, {P(path), P(buffer), 100}},
    {"inotify_add_watch", SYS_inotify_add_watch, {1, -1, -1}, {-1, P(missing), 1}},
    {"execve", SYS_execve, {0, -1, -1}, {P(missing), 0, 0}},
    {"name_to_handle_at", SYS_name_to_handle_at, {1, -1, -1}, {AT_FDCWD, P(missing), P(buffer), P(buffer + 100), 0}},
    {"mknod", SYS_mknod, {0, -1, -1}, {P(missing), 0644, 0}},
    {"creat", SYS_creat, {0, -1, -1}, {P(missing), 0644}},
    {"chroot", SYS_chroot, {0, -1, -1}, {P(missing)}},
    {"openat2", 437, {1, 2, -1}, {AT_FDCWD, P(missing), P(buffer), 24}},
    {"rt_sigaction", SYS_rt_sigaction, {1, 2, -1}, {SIGUSR2, 0, P(buffer), 8}},
    {"rt_sigaction SEGV", SYS_rt_sigaction, {2, -1, -1}, {SIGSEGV, 0, P(buffer), 8}},
    {"rt_sigprocmask", SYS_rt_sigprocmask, {1, 2, -1}, {SIG_BLOCK, 0, P(buffer), 8}},
    {"sigaltstack", SYS_sigaltstack, {0, 1, -1}, {0, P(buffer)}},
    {"ppoll", SYS_ppoll, {3, -1, -1}, {0, 0, 0, 0, 8}},
    {"getdents64", SYS_getdents64, {1, -1, -1}, {5, 0, 1000}},
};

static void try(const struct call *call, int index, uint64_t pointer)
{
    long a[6];
    memset((char *)bad[1], 'a', 6); /* a result may have been written as far as it went */
    memcpy(a, call->arguments, sizeof a);
    a[index] = (long)pointer;
    long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result == -1)
        printf(" %d", errno);
    else
        printf(" ok");
    if (result >= 0 && (call->number == SYS_open || call->number == SYS_openat))
        close((int)result);
}

static int on_socket(int fd, void *address, socklen_t length)
{
    return connect(fd, address, length) ? errno : 0;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_fault};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    char *file = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/dev/zero", O_RDONLY), 0);
    mprotect(file, 4096, PROT_NONE);
    memset(page, 'a', 4096);
    bad[0] = 1;
    bad[1] = (uint64_t)page + 4090; /* runs out of its page */
    bad[2] = 0xffff800000000000UL;  /* the kernel's half */
    bad[3] = (uint64_t)file;        /* unreadable */
    if (open(".", O_RDONLY | O_DIRECTORY) != 5)
        dup2(open(".", O_RDONLY | O_DIRECTORY), 5);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        for (int p = 0; p < 3 && calls[i].pointers[p] >= 0; p++) {
            printf("%s %d:", calls[i].name, calls[i].pointers[p]);
            for (int b = 0; b < 4; b++)
                try(&calls[i], calls[i].pointers[p], bad[b]);
            printf("\n");
        }
    char *argv[] = {page, NULL};
    printf("exec arguments %d", execve("/bin/true", (char **)bad[0], NULL));
    printf(" %d", errno);
    printf(" %d", execve("/bin/true", argv, (char **)(uint64_t)bad[2]));
    printf(" %d\n", errno);
    argv[0] = (char *)1;
    printf("exec argument %d", execve("/bin/true", argv, NULL));
    printf(" %d\n", errno);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    printf("connect %d %d %d\n", on_socket(fd, (void *)1, 50), on_socket(fd, page + 4094, 100), on_socket(fd, (void *)bad[2], 20));
    printf("handlers called %d\n", caught);
    stack_t old;
    printf("altstack %d\n", sigaltstack(NULL, &old));
    return 0;
}
