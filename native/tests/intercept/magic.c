/* What a process reads about itself in /proc, and where the magic links lead. Prints what must be the same with and without an engine; starts in
 * an empty directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void link_of(const char *path)
{
    char text[4096];
    ssize_t size = readlink(path, text, sizeof text - 1);
    if (size < 0) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    text[size] = 0;
    printf("%s -> %s\n", path, strncmp(text, "pipe:", 5) && strncmp(text, "socket:", 7) ? text : "one of the kernel's");
}

static void opens(const char *path)
{
    char text[64] = "";
    int fd = open(path, O_RDONLY);
    printf("%s opens: %d %s", path, fd < 0 ? -1 : fd, fd < 0 ? strerror(errno) : "");
    if (fd >= 0 && read(fd, text, 5) > 0)
        printf(" %.5s", text);
    puts("");
    if (fd >= 0)
        close(fd);
}

static void lists(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int numbers[64], count = 0;
    if (!directory) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    while ((entry = readdir(directory)))
        if (entry->d_name[0] != '.' && count < 64)
            numbers[count++] = atoi(entry->d_name);
    for (int i = 0; i < count; i++)
        for (int j = i + 1; j < count; j++)
            if (numbers[j] < numbers[i]) {
                int other = numbers[i];
                numbers[i] = numbers[j];
                numbers[j] = other;
            }
    printf("%s lists:", path);
    for (int i = 0; i < count; i++)
        printf(" %d", numbers[i]);
    puts("");
    closedir(directory);
}

/* Lines of a file that hold a word; what is in front of the word is left out. */
static void grep(const char *path, const char *word)
{
    char line[8192], seen[8192] = "";
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        char *at = strstr(line, word);
        if (at && strcmp(at, seen)) {
            printf("%s: %s", path, at);
            strcpy(seen, at);
        }
    }
    if (file)
        fclose(file);
}

int main(int argc, char **argv)
{
    char text[4096];
    if (argc > 1 && !strcmp(argv[1], "again")) {
        lists("/proc/self/fd");
        return 0;
    }
    link_of("/proc/self/exe");
    link_of("/proc/self/cwd");
    link_of("/proc/self/root");
    link_of("/proc/thread-self/exe");
    snprintf(text, sizeof text, "/proc/%d/exe", getpid());
    printf("own pid: %d\n", access(text, X_OK));
    snprintf(text, sizeof text, "/proc/%d/task/%d/cwd/.", getpid(), getpid());
    printf("own task: %d\n", access(text, X_OK));
    int passwd = open("/etc/passwd", O_RDONLY);
    symlink("/etc/hostname", "hostname");
    link_of("/proc/self/fd/3");
    link_of("/dev/fd/3");
    opens("/proc/self/fd/3");
    opens("/dev/fd/3");
    opens("/proc/self/root/etc/passwd");
    opens("/proc/self/root/../../etc/passwd");
    opens("/proc/self/cwd/../etc/passwd");
    opens("/proc/self/cwd/hostname/x");
    opens("/proc/self/exe");
    int directory = open("/usr/lib", O_RDONLY);
    opens("/proc/self/fd/4/os-release");
    opens("/proc/self/fd/4/../lib/os-release");
    opens("/proc/self/fd/99");
    link_of("/proc/self/fd/1030");
    opens("/proc/self/fd/1030");
    int pipes[2];
    if (pipe(pipes) == 0 && write(pipes[1], "piped", 5) == 5) {
        link_of("/proc/self/fd/5");
        opens("/proc/self/fd/5");
    }
    int memory = memfd_create("memory", 0);
    link_of("/proc/self/fd/7");
    opens("/proc/self/fd/7");
    lists("/proc/self/fd");
    lists("/proc/self/fdinfo");
    lists("/dev/fd");
    close(memory);
    /* A removed file is still there for its descriptor. */
    int gone = open("gone", O_CREAT | O_RDWR, 0644);
    if (write(gone, "still here", 10) != 10)
        return 1;
    unlink("gone");
    opens("/proc/self/fd/7");
    link_of("/proc/self/fd/7");
    fcntl(passwd, F_SETFD, FD_CLOEXEC);
    grep("/proc/self/maps", "/usr/lib/x86_64-linux-gnu/libc");
    grep("/proc/self/mounts", " /work ");
    grep("/proc/self/environ", "LC_ALL");
    FILE *environment = fopen("/proc/self/environ", "r");
    size_t size = environment ? fread(text, 1, sizeof text, environment) : 0;
    printf("environment: %zu bytes\n", size);
    if (environment)
        fclose(environment);
    FILE *command = fopen("/proc/self/cmdline", "r");
    printf("command line: %zu bytes, %s\n", command ? fread(text, 1, sizeof text, command) : 0, text);
    FILE *name = fopen("/proc/self/comm", "r");
    printf("name: %s", name && fgets(text, sizeof text, name) ? text : "?\n");
    fclose(command);
    fclose(name);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", argv[0], "again", NULL);
        printf("exec of /proc/self/exe: %s\n", strerror(errno));
        _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    snprintf(text, sizeof text, "/proc/%d/exe", child);
    char other[4096];
    ssize_t length = readlink(text, other, sizeof other - 1);
    printf("another's program: %.*s\n", (int)length, length > 0 ? other : "");
    snprintf(text, sizeof text, "/proc/%d/cwd", child);
    length = readlink(text, other, sizeof other - 1);
    printf("another's directory: %.*s\n", (int)length, length > 0 ? other : "");
    snprintf(text, sizeof text, "/proc/%d/root/etc/passwd", child);
    printf("another's root: %d\n", access(text, R_OK));
    kill(child, 9);
    waitpid(child, &status, 0);
    close(directory);
    return 0;
}
