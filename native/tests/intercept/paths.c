/* Path semantics at their edges, call by call. Starts in an empty directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#include "show.h"

struct how {
    unsigned long flags, mode, resolve;
};

static long openat2(int fd, const char *path, unsigned long flags, unsigned long mode, unsigned long resolve)
{
    struct how how = {flags, mode, resolve};
    long result;
    do /* `..` in a scope fails while anybody on the machine renames something */
        result = syscall(SYS_openat2, fd, path, &how, sizeof how);
    while (result == -1 && errno == EAGAIN);
    return result;
}

static void type_of(const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        printf("%s: %s\n", path, strerror(errno));
    else
        printf("%s: %o size %ld links %ld\n", path, (unsigned)st.st_mode, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size, S_ISDIR(st.st_mode) ? 0 : (long)st.st_nlink);
}

static void prepare(void)
{
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    mkdir("d/e/f", 0755);
    close(open("file", O_CREAT | O_WRONLY, 0644));
    close(open("d/file", O_CREAT | O_WRONLY, 0600));
    symlink("d", "ld");
    symlink("file", "lf");
    symlink("nowhere", "dangling");
    symlink("loop2", "loop1");
    symlink("loop1", "loop2");
    symlink("d/e/../e/f", "lup");
    symlink("/etc/passwd", "labs");
    symlink("../../../../../../../../../../etc", "lroot");
    symlink("d/", "lslash");
    symlink(".", "ldot");
}

static void creation(void)
{
    T(mkdir("d", 0755));
    T(mkdir("n1/", 0755));
    T(mkdir("n2//", 0755));
    T(mkdir("d/.", 0755));
    T(mkdir("d/..", 0755));
    T(mkdir("nope/x", 0755));
    T(mkdir("file/x", 0755));
    T(mkdir("dangling", 0755));
    T(mkdir("dangling/", 0755));
    T(mkdir("ld/", 0755));
    T(mkdir("ld/new", 0755));
    T(mkdir("loop1/x", 0755));
    T(mkdir("/", 0755));
    T(mkdir(".", 0755));
    T(mkdir("..", 0755));
    T(mkdir("", 0755));
    T(mkdir("./n3", 0755));
    T(mkdir(".//n4", 0755));
    T(mkdir("n3/./n5", 0755));
    T(symlink("", "empty"));
    T(symlink("x", ""));
    T(symlink("x", "file"));
    T(symlink("x", "new/"));
    T(symlink("x", "d/"));
    T(symlink("x", "d/."));
    T(mknod("fifo", S_IFIFO | 0600, 0));
    T(mknod("fifo", S_IFIFO | 0600, 0));
    T(mknod("regular", S_IFREG | 0640, 0));
    T(mknod("regular2/", S_IFREG | 0640, 0));
    T(mknod("device", S_IFCHR | 0600, 0x103));
    T(link("file", "hard"));
    T(link("file", "hard"));
    T(link("file", "hard2/"));
    T(link("file/", "hard3"));
    T(link("d", "hard4"));
    T(link("lf", "hardlink-to-link"));
    T(linkat(AT_FDCWD, "lf", AT_FDCWD, "hard-followed", AT_SYMLINK_FOLLOW));
    T(linkat(AT_FDCWD, "dangling", AT_FDCWD, "hard5", AT_SYMLINK_FOLLOW));
    T(linkat(AT_FDCWD, "loop1", AT_FDCWD, "hard6", AT_SYMLINK_FOLLOW));
    T(linkat(AT_FDCWD, "file", AT_FDCWD, "hard7", 0x10000));
    T(link("nope", "hard8"));
    T(link("", "hard9"));
    type_of("hardlink-to-link");
    type_of("hard-followed");
    type_of("regular");
}

static void removal(void)
{
    T(rmdir("d"));
    T(rmdir("file"));
    T(rmdir("ld"));
    T(rmdir("ld/"));
    T(rmdir("n1/"));
    T(rmdir("n2/."));
    T(rmdir("n2/.."));
    T(rmdir("/"));
    T(rmdir("."));
    T(rmdir(".."));
    T(rmdir(""));
    T(rmdir("n3/n5/"));
    T(unlink("d"));
    T(unlink("d/"));
    T(unlink("file/"));
    T(unlink("lf/"));
    T(unlink("/"));
    T(unlink("."));
    T(unlink("d/."));
    T(unlink("nope"));
    T(unlink("nope/"));
    T(unlink("dangling/"));
    T(unlink("loop1/"));
    T(unlink("hard2"));
    T(unlinkat(AT_FDCWD, "n2", AT_REMOVEDIR));
    T(unlinkat(AT_FDCWD, "hard", 0x1));
    T(unlinkat(99, "hard", 0));
    T(unlinkat(0, "hard", 0));
}

static void renames(void)
{
    T(rename("d", "d/e/x"));
    T(rename("d/", "file"));
    T(rename("file", "d"));
    T(rename("file/", "other"));
    T(rename("file", "other/"));
    T(rename("n3", "n3-new/"));
    T(rename("n3-new/", "n3"));
    T(rename(".", "x"));
    T(rename("d/.", "x"));
    T(rename("x", "."));
    T(rename("/", "x"));
    T(rename("x", "/"));
    T(rename("nope", "x"));
    T(rename("", "x"));
    T(rename("ld", "ld2"));
    T(rename("ld2/", "ld3"));
    T(rename("ld2", "ld"));
    T(rename("hard", "hard"));
    T(rename("n3", "d"));
    T(syscall(SYS_renameat2, AT_FDCWD, "n3", AT_FDCWD, "d", 1));
    T(syscall(SYS_renameat2, AT_FDCWD, "n3", AT_FDCWD, "d", 2));
    T(syscall(SYS_renameat2, AT_FDCWD, "n3", AT_FDCWD, "d", 2));
    T(syscall(SYS_renameat2, AT_FDCWD, "n3", AT_FDCWD, "d", 3));
    T(syscall(SYS_renameat2, AT_FDCWD, "n3", AT_FDCWD, "d", 64));
}

static void opens(void)
{
    O(open("file", O_RDONLY));
    O(open("file/", O_RDONLY));
    O(open("lf/", O_RDONLY));
    O(open("d/", O_RDONLY));
    O(open("ld/", O_RDONLY));
    O(open("ld/", O_RDONLY | O_NOFOLLOW));
    O(open("ld", O_RDONLY | O_NOFOLLOW));
    O(open("ld", O_PATH | O_NOFOLLOW));
    O(open("ld", O_PATH | O_NOFOLLOW | O_DIRECTORY));
    O(open("ld", O_RDONLY | O_DIRECTORY));
    O(open("lf", O_RDONLY | O_DIRECTORY));
    O(open("file", O_RDONLY | O_DIRECTORY));
    O(open("d", O_RDWR));
    O(open("d", O_WRONLY | O_CREAT, 0644));
    O(open("d/", O_RDONLY | O_CREAT, 0644));
    O(open("new/", O_RDWR | O_CREAT, 0644));
    O(open("new1", O_RDWR | O_CREAT | O_EXCL, 0604));
    O(open("new1", O_RDWR | O_CREAT | O_EXCL, 0604));
    O(open("lf", O_RDWR | O_CREAT | O_EXCL, 0604));
    O(open("dangling", O_RDWR | O_CREAT | O_EXCL, 0604));
    O(open("dangling", O_RDWR | O_CREAT, 0604));
    type_of("nowhere");
    O(open("dangling", O_RDONLY));
    O(open("loop1", O_RDONLY));
    O(open("loop1", O_RDONLY | O_NOFOLLOW));
    O(open("loop1", O_RDWR | O_CREAT, 0644));
    O(open("nope", O_RDONLY));
    O(open("nope/x", O_RDWR | O_CREAT, 0644));
    O(open("file/x", O_RDWR | O_CREAT, 0644));
    O(open("", O_RDONLY));
    O(open("/", O_RDONLY));
    O(open("/", O_RDWR));
    O(open("///", O_RDONLY | O_DIRECTORY));
    O(open("/..", O_RDONLY));
    O(open("/../../etc/passwd", O_RDONLY));
    O(open("lroot/passwd", O_RDONLY));
    O(open("labs", O_RDONLY));
    O(open("lup", O_RDONLY));
    O(open("lslash/file", O_RDONLY));
    O(open("ldot/ldot/ldot/file", O_RDONLY));
    O(open("d/e/../../file", O_RDONLY));
    O(open("file/../file", O_RDONLY));
    O(open("nope/../file", O_RDONLY));
    O(open("ld/e/../file", O_RDONLY));
    O(open(".", O_RDONLY | O_TMPFILE, 0600));
    O(open(".", O_RDWR | O_TMPFILE, 0600));
    O(open("file", O_RDWR | O_TMPFILE, 0600));
    O(open("file", O_RDONLY | O_TRUNC));
    O(open("file", 3));
    O(open("file", 0x7fffffff & ~O_PATH & ~O_TMPFILE & ~O_DIRECT));
    O(openat(99, "file", O_RDONLY));
    O(openat(0, "file", O_RDONLY));
    O(openat(99, "/etc/passwd", O_RDONLY));
    O(open("fifo", O_WRONLY | O_NONBLOCK));
    O(open("fifo", O_RDONLY | O_NONBLOCK));
    O(creat("created", 0640));
    type_of("created");
}

static void opens2(void)
{
    O(openat2(AT_FDCWD, "file", O_RDONLY, 0, 0));
    O(openat2(AT_FDCWD, "file", O_RDONLY, 0644, 0));
    O(openat2(AT_FDCWD, "file", 1UL << 40, 0, 0));
    O(openat2(AT_FDCWD, "file", O_RDONLY, 0, 1UL << 20));
    O(openat2(AT_FDCWD, "ld/file", O_RDONLY, 0, 4));
    O(openat2(AT_FDCWD, "d/file", O_RDONLY, 0, 4));
    O(openat2(AT_FDCWD, "lf", O_RDONLY, 0, 4));
    O(openat2(AT_FDCWD, "lf", O_PATH | O_NOFOLLOW, 0, 4));
    O(openat2(AT_FDCWD, "d/../file", O_RDONLY, 0, 8));
    O(openat2(AT_FDCWD, "../x", O_RDONLY, 0, 8));
    O(openat2(AT_FDCWD, "/etc/passwd", O_RDONLY, 0, 8));
    O(openat2(AT_FDCWD, "labs", O_RDONLY, 0, 8));
    O(openat2(AT_FDCWD, "labs", O_RDONLY, 0, 16));
    O(openat2(AT_FDCWD, "/../../file", O_RDONLY, 0, 16));
    O(openat2(AT_FDCWD, "/proc/self/cwd", O_RDONLY, 0, 2));
    O(openat2(AT_FDCWD, "/etc/passwd", O_RDONLY, 0, 0));
    O(openat2(AT_FDCWD, "new5", O_RDWR | O_CREAT, 0600, 0));
    O(openat2(AT_FDCWD, "new5", O_RDWR | O_CREAT, 010000, 0));
    O(syscall(SYS_openat2, AT_FDCWD, "file", &(struct how){0, 0, 0}, 8));
    O(syscall(SYS_openat2, AT_FDCWD, "file", &(struct how){0, 0, 0}, 5000));
    unsigned long longer[4] = {0, 0, 0, 1};
    O(syscall(SYS_openat2, AT_FDCWD, "file", longer, sizeof longer));
    longer[3] = 0;
    O(syscall(SYS_openat2, AT_FDCWD, "file", longer, sizeof longer));
}

static void lookups(void)
{
    struct stat st;
    struct statx sx;
    struct statfs fs;
    char text[PATH_MAX];
    T(stat("file", &st));
    T(stat("file/", &st));
    T(lstat("lf/", &st));
    T(lstat("ld/", &st));
    T(lstat("ld/.", &st));
    T(stat("dangling", &st));
    T(lstat("dangling", &st));
    T(stat("loop1", &st));
    T(lstat("loop1", &st));
    T(stat("", &st));
    T(stat("ld/../file", &st));
    T(stat("loop1/x", &st));
    T(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
    T(fstatat(99, "", &st, AT_EMPTY_PATH));
    T(fstatat(99, "x", &st, 0));
    T(fstatat(0, "x", &st, 0));
    T(fstatat(AT_FDCWD, "file", &st, 0x10));
    T(statx(AT_FDCWD, "lf", AT_SYMLINK_NOFOLLOW, STATX_MODE, &sx));
    T(statx(AT_FDCWD, "lf", 0x6000, STATX_MODE, &sx));
    T(statx(AT_FDCWD, "dangling", 0, STATX_MODE, &sx));
    T(statx(AT_FDCWD, "file/", 0, STATX_MODE, &sx));
    T(statx(AT_FDCWD, "", AT_EMPTY_PATH, STATX_MODE, &sx));
    T(statx(AT_FDCWD, "file", 0, 0x80000000u, &sx));
    T(access("file", R_OK | W_OK));
    T(access("file", X_OK));
    T(access("file", 8));
    T(access("file/", F_OK));
    T(access("dangling", F_OK));
    T(access("ld/file", F_OK));
    T(access("loop1", F_OK));
    T(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    T(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    T(syscall(SYS_faccessat2, AT_FDCWD, "file", F_OK, 0x80));
    T(syscall(SYS_faccessat2, AT_FDCWD, "", F_OK, AT_EMPTY_PATH));
    T(readlink("lf", text, sizeof text));
    T(readlink("lf", text, 2));
    T(readlink("lf", text, 0));
    T(readlink("lf/", text, sizeof text));
    T(readlink("ld/", text, sizeof text));
    T(readlink("file", text, sizeof text));
    T(readlink("file/", text, sizeof text));
    T(readlink("nope", text, sizeof text));
    T(readlink("", text, sizeof text));
    T(statfs("file", &fs));
    T(statfs("nope", &fs));
    T(statfs("loop1", &fs));
    T(truncate("file", 7));
    T(truncate("file", -1));
    T(truncate("d", 7));
    T(truncate("fifo", 7));
    T(truncate("lf", 3));
    T(truncate("dangling/x", 3));
    type_of("file");
}

static void changes(void)
{
    struct timespec times[2] = {{100, 5}, {200, UTIME_OMIT}};
    struct timespec wrong[2] = {{100, 2000000000}, {200, 0}};
    struct utimbuf simple = {300, 400};
    struct stat st;
    T(chmod("lf", 0600));
    T(chmod("file/", 0600));
    T(chmod("dangling", 0600));
    T(chmod("nope", 0600));
    T(chmod("ld", 0700));
    T(chmod("d", 0755));
    T(fchmodat(AT_FDCWD, "lf", 0640, AT_SYMLINK_NOFOLLOW));
    T(syscall(452, AT_FDCWD, "file", 0640, 0));
    T(syscall(452, AT_FDCWD, "lf", 0640, AT_SYMLINK_NOFOLLOW));
    T(syscall(452, AT_FDCWD, "file", 0640, 0x10));
    T(chown("file", getuid(), getgid()));
    T(chown("file", -1, -1));
    T(lchown("dangling", getuid(), -1));
    T(chown("dangling/x", getuid(), -1));
    T(chown("loop1", getuid(), -1));
    T(fchownat(AT_FDCWD, "", getuid(), -1, AT_EMPTY_PATH));
    T(fchownat(AT_FDCWD, "file", getuid(), -1, 0x10));
    T(utimensat(AT_FDCWD, "lf", times, 0));
    T(utimensat(AT_FDCWD, "lf", times, AT_SYMLINK_NOFOLLOW));
    T(utimensat(AT_FDCWD, "lf", wrong, 0));
    T(utimensat(AT_FDCWD, "lf", times, 0x10));
    T(utimensat(AT_FDCWD, "nope", times, 0));
    T(utimensat(AT_FDCWD, "file/", times, 0));
    T(syscall(SYS_utimensat, AT_FDCWD, 0L, times, 0));
    T(utime("file", &simple));
    T(stat("file", &st));
    printf("times %ld %ld\n", (long)st.st_atime, (long)st.st_mtime);
    T(syscall(SYS_utimensat, 99, 0L, times, 0));
    T(setxattr("file", "user.a", "1", 1, 0));
    T(setxattr("lf", "user.b", "22", 2, 0));
    T(setxattr("nope", "user.b", "22", 2, 0));
    char value[64];
    T(getxattr("lf", "user.b", value, sizeof value));
    T(lgetxattr("lf", "user.b", value, sizeof value));
    T(getxattr("file", "user.none", value, sizeof value));
    T(getxattr("dangling", "user.b", value, sizeof value));
    T(listxattr("lf", value, sizeof value));
    T(llistxattr("lf", value, sizeof value));
    T(listxattr("file/", value, sizeof value));
    T(removexattr("file", "user.a"));
    T(lremovexattr("lf", "user.b"));
    T(removexattr("lf", "user.b"));
}

int main(void)
{
    umask(022);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    prepare();
    creation();
    opens();
    opens2();
    lookups();
    changes();
    removal();
    renames();
    return 0;
}
