/* Where a process stands, names and links at their limits, rights to pass, and the numbers of descriptors. Starts in an empty directory. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "show.h"

static void prepare(void)
{
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    mkdir("d/e/f", 0755);
    close(open("d/file", O_CREAT | O_WRONLY, 0644));
    close(open("file", O_CREAT | O_WRONLY, 0644));
    symlink("d", "ld");
    symlink("loop2", "loop1");
    symlink("loop1", "loop2");
    symlink("d/e/../e/f", "lup");
    symlink("/etc/passwd", "labs");
}

static void directories(void)
{
    char text[PATH_MAX], *base = getcwd(text, sizeof text);
    size_t start = strlen(base);
    char now[PATH_MAX];
#define WHERE() printf("at %s\n", getcwd(now, sizeof now) ? now + (strncmp(now, text, start) ? 0 : start) : strerror(errno))
    T(chdir("ld"));
    WHERE();
    T(chdir(".."));
    WHERE();
    T(chdir("lup"));
    WHERE();
    T(chdir("../../file"));
    T(chdir("../.."));
    WHERE();
    T(chdir("../"));
    WHERE();
    T(chdir("file"));
    T(chdir("nope"));
    T(chdir("loop1"));
    T(chdir(""));
    int fd = open("d/e", O_RDONLY);
    T(fchdir(fd));
    WHERE();
    T(fchdir(99));
    T(fchdir(0));
    O(openat(fd, "..", O_RDONLY));
    O(openat(fd, "../file", O_RDONLY));
    O(openat(fd, "../../file", O_RDONLY));
    O(openat(fd, "f/../../e", O_RDONLY));
    O(open("f", O_RDONLY));
    close(fd);
    chdir(text);
    T((long)(getcwd(now, 3) != NULL));
    printf("%s\n", strerror(errno));
    /* A directory that is gone while one stands in it. */
    T(mkdir("gone", 0755));
    T(mkdir("gone/deep", 0755));
    T(chdir("gone/deep"));
    T(rmdir("../deep"));
    WHERE();
    T(mkdir("x", 0755));
    O(open("x", O_CREAT | O_RDWR, 0644));
    O(open(".", O_RDONLY));
    O(open("..", O_RDONLY));
    O(open("../../file", O_RDONLY));
    chdir(text);
    T(rmdir("gone"));
    /* A directory that moves while one stands in it. */
    T(mkdir("here", 0755));
    T(mkdir("here/deep", 0755));
    T(chdir("here/deep"));
    T(rename("../../here", "../../there"));
    WHERE();
    O(open("../deep", O_RDONLY));
    O(open("../../file", O_RDONLY));
    T(chdir("../.."));
    T(rmdir("there/deep"));
    T(rmdir("there"));
}

/* Names at the limits, and the number of links. */
static void limits(void)
{
    char name[5000], text[64], base[PATH_MAX];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    T(mkdir(name, 0755));
    T(rmdir(name));
    name[255] = 'n';
    name[256] = 0;
    T(mkdir(name, 0755));
    name[256] = 'n';
    name[4095] = 0;
    T(mkdir(name, 0755));
    name[4095] = 'n';
    name[4096] = 0;
    T(mkdir(name, 0755));
    for (int i = 0; i < 4094; i += 2)
        memcpy(name + i, "./", 2);
    name[4094] = 'd';
    name[4095] = 0;
    T(access(name, F_OK));
    for (int i = 0; i < 4095; i++)
        name[i] = '/';
    T(access(name, F_OK));
    symlink("file", "c0");
    for (int i = 1; i <= 41; i++) {
        char link[64];
        sprintf(text, "c%d", i - 1);
        sprintf(link, "c%d", i);
        symlink(text, link);
    }
    T(access("c38", F_OK));
    T(access("c39", F_OK));
    T(access("c40", F_OK));
    T(access("c41", F_OK));
    getcwd(base, sizeof base);
    memset(name, 'q', 200);
    name[200] = 0;
    for (int i = 0; i < 25 && !mkdir(name, 0755) && !chdir(name); i++)
        ;
    T((long)(getcwd(name + 300, 4000) != NULL));
    O(open("deep", O_CREAT | O_RDWR, 0644));
    O(open("../qqq", O_RDONLY));
    T(unlink("deep"));
    for (int i = 0; i < 25; i++) {
        chdir("..");
        rmdir(name);
    }
    T(chdir(base));
}

/* Who may pass. Only for an ordinary user. */
static void permissions(void)
{
    struct stat st;
    mkdir("p", 0755);
    mkdir("p/q", 0755);
    close(open("p/q/file", O_CREAT | O_WRONLY, 0644));
    for (int i = 0; i < 3; i++)
        stat("p/q/file", &st);
    T(chmod("p", 0));
    T(stat("p/q/file", &st));
    O(open("p/q/file", O_RDONLY));
    T(mkdir("p/x", 0755));
    T(chdir("p/q"));
    T(chmod("p", 0400));
    T(stat("p/q", &st));
    T(stat("p/..", &st));
    T(chmod("p", 0755));
    int fd = open("p", O_RDONLY);
    T(stat("p/q/file", &st));
    T(fchmod(fd, 0));
    T(stat("p/q/file", &st));
    T(fchmod(fd, 0755));
    close(fd);
    T(chmod("p/q/file", 0));
    O(open("p/q/file", O_RDONLY));
    T(access("p/q/file", R_OK));
    T(chmod("p/q", 0500));
    T(unlink("p/q/file"));
    T(rename("p/q/file", "p/q/other"));
    T(mkdir("p/q/new", 0755));
    T(chmod("p/q", 0700));
    T(unlink("p/q/file"));
}

/* The lowest free number is given, whatever it took to find the file. */
static void numbers(void)
{
    T(open("ld/e/../file", O_RDONLY));
    int first = last;
    T(open("lup/../../file", O_RDONLY | O_CLOEXEC));
    printf("close-on-exec %d\n", fcntl(last, F_GETFD));
    close(first);
    T(open("labs", O_RDONLY));
    T(open("/proc/self/cmdline", O_RDONLY));
    T(open("/proc/self/maps", O_RDONLY));
    T(open("/proc/self/mounts", O_RDONLY | O_CLOEXEC));
    printf("close-on-exec %d\n", fcntl(last, F_GETFD));
    for (int i = first; i < first + 8; i++)
        close(i);
    close(0);
    T(open("/usr/../etc/passwd", O_RDONLY));
    DIR *listing = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(listing))
        count++;
    printf("%d entries, listed by %d\n", count, dirfd(listing));
    closedir(listing);
}

int main(void)
{
    umask(022);
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    prepare();
    directories();
    limits();
    if (getuid())
        permissions();
    numbers();
    return 0;
}
