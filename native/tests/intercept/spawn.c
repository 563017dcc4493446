/* Starting programs in every way, beside threads that die and execs that fail. argument: rounds. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define CHECK(what)                                                                   \
    do {                                                                              \
        if (!(what)) {                                                                \
            printf("line %d: %s: %s\n", __LINE__, #what, strerror(errno));            \
            _exit(1);                                                                 \
        }                                                                             \
    } while (0)

static char self[256] = "/proc/self/exe";

static int ended_with(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) == -1)
        CHECK(errno == EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static char *const leave_7[] = {"spawn", "--leave", "7", NULL};

/* vfork: the child changes its own directory, descriptors and signals; nothing of that may reach the parent. */
static void vforks(int rounds)
{
    char before[4096], after[4096];
    struct sigaction action;
    CHECK(getcwd(before, sizeof before));
    for (int i = 0; i < rounds; i++) {
        pid_t child = vfork();
        if (child == 0) {
            struct sigaction standard = {.sa_handler = SIG_DFL};
            struct stat st;
            chdir("/usr");
            close(open("/etc/passwd", O_RDONLY));
            stat("/usr/lib/os-release", &st);
            stat("lib/os-release", &st);
            sigaction(SIGSEGV, &standard, NULL);
            sigaction(SIGSYS, &standard, NULL);
            if (i % 3 == 0)
                execve("/nowhere/at/all", leave_7, environ);
            if (i % 3 == 1)
                execve("/etc/passwd", leave_7, environ);
            if (i % 3 == 2)
                execve(self, leave_7, environ);
            syscall(i & 4 ? SYS_exit : SYS_exit_group, 7);
        }
        CHECK(child > 0);
        CHECK(ended_with(child) == 7);
        CHECK(getcwd(after, sizeof after) && strcmp(before, after) == 0);
        CHECK(access("/usr/lib/os-release", F_OK) == 0 && access("lib/os-release", F_OK) == -1);
        CHECK(sigaction(SIGSEGV, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    }
}

static void spawns(int rounds)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigfillset(&all);
    CHECK(posix_spawn_file_actions_init(&actions) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 5, "/etc/passwd", O_RDONLY, 0) == 0);
    CHECK(posix_spawn_file_actions_addchdir_np(&actions, "/usr") == 0);
    CHECK(posix_spawnattr_init(&attributes) == 0);
    CHECK(posix_spawnattr_setsigdefault(&attributes, &all) == 0);
    CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF) == 0);
    for (int i = 0; i < rounds; i++) {
        pid_t child;
        CHECK(posix_spawn(&child, self, &actions, &attributes, leave_7, environ) == 0);
        CHECK(ended_with(child) == 7);
        CHECK(posix_spawn(&child, "/nowhere", &actions, &attributes, leave_7, environ) == ENOENT);
        CHECK(fcntl(5, F_GETFD) == -1);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

static void forks(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        pid_t child = fork();
        if (child == 0) {
            execve(self, leave_7, environ);
            _exit(1);
        }
        CHECK(ended_with(child) == 7);
    }
}

static int on_new_stack(void *argument)
{
    return access("/usr/lib/os-release", F_OK) == 0 && access((char *)argument, F_OK) == -1 ? 9 : 1;
}

/* Raw clones: a stack of its own without and with shared memory, a process that shares all memory. */
static void clones(int rounds)
{
    char *stack = malloc(1 << 17);
    for (int i = 0; i < rounds; i++) {
        CHECK(ended_with(clone(on_new_stack, stack + (1 << 17), SIGCHLD, "/nowhere")) == 9);
        CHECK(ended_with(clone(on_new_stack, stack + (1 << 17), CLONE_VM | CLONE_VFORK | SIGCHLD, "/nowhere")) == 9);
        CHECK(ended_with(clone(on_new_stack, stack + (1 << 17), CLONE_VM | SIGCHLD, "/nowhere")) == 9);
        CHECK(ended_with(clone(on_new_stack, stack + (1 << 17), CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | SIGCHLD, "/nowhere")) == 9);
        long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0)
            _exit(3);
        CHECK(ended_with((pid_t)child) == 3);
    }
    free(stack);
    CHECK(access("/usr/lib/os-release", F_OK) == 0);
}

static void *short_life(void *argument)
{
    struct stat st;
    CHECK(stat("/usr/lib/os-release", &st) == 0);
    return argument;
}

static int thread_rounds;

static void *start_many(void *argument)
{
    long n = (long)argument;
    for (int i = 0; i < thread_rounds; i++) {
        pthread_t thread;
        pid_t child = -1;
        if (n & 1) {
            CHECK(posix_spawn(&child, "/nowhere/program", NULL, NULL, leave_7, environ) == ENOENT);
        } else {
            CHECK(posix_spawn(&child, self, NULL, NULL, leave_7, environ) == 0);
            CHECK(ended_with(child) == 7);
        }
        CHECK(pthread_create(&thread, NULL, short_life, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return NULL;
}

/* Failing execs in vfork children of a process in which threads end all the time. */
static void beside_threads(int rounds)
{
    pthread_t threads[6];
    thread_rounds = rounds;
    for (long i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, start_many, (void *)i) == 0);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static volatile int handled;

/* A program is started from a signal handler that interrupted a call. */
static void on_alarm(int number)
{
    pid_t child;
    int saved = errno;
    (void)number;
    CHECK(posix_spawn(&child, self, NULL, NULL, leave_7, environ) == 0);
    CHECK(ended_with(child) == 7);
    CHECK(posix_spawn(&child, "/nowhere", NULL, NULL, leave_7, environ) == ENOENT);
    child = vfork();
    if (child == 0) {
        access("/usr/lib/os-release", F_OK);
        _exit(5);
    }
    CHECK(ended_with(child) == 5);
    handled++;
    errno = saved;
}

static void from_handlers(void)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        alarm(0);
        ualarm(3000, 0);
        for (int before = handled; before == handled;)
            CHECK(access("/usr/lib/../lib/os-release", F_OK) == 0);
    }
    action.sa_flags |= SA_ONSTACK;
    stack_t stack = {.ss_sp = malloc(1 << 17), .ss_size = 1 << 17};
    CHECK(sigaltstack(&stack, NULL) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        ualarm(3000, 0);
        for (int before = handled; before == handled;)
            CHECK(access("/usr/lib/../lib/os-release", F_OK) == 0);
    }
}

static void scripts(void)
{
    static const char inner[] = "#!/usr/bin/env sh\necho inner \"$0\" \"$@\"\n";
    static const char outer[] = "#!./inner.sh  one argument \necho never\n";
    int fd = open("inner.sh", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(write(fd, inner, sizeof inner - 1) > 0 && close(fd) == 0);
    fd = open("outer.sh", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(write(fd, outer, sizeof outer - 1) > 0 && close(fd) == 0);
    fd = open("endless.sh", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(write(fd, "#!./endless.sh\n", 15) == 15 && close(fd) == 0);
    fd = open("empty.sh", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(close(fd) == 0);
    fd = open("nothing.sh", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK(write(fd, "#!  \n", 5) == 5 && close(fd) == 0);
    char *const argv[] = {"zero", "first", "second word", NULL};
    static const char *const names[] = {"./inner.sh", "outer.sh", "./endless.sh", "./empty.sh", "nothing.sh", ".", "/etc/passwd", "/nowhere"};
    fflush(stdout);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        pid_t child = fork();
        if (child == 0) {
            execv(names[i], argv);
            printf("%s: %s\n", names[i], strerror(errno));
            fflush(stdout);
            _exit(0);
        }
        CHECK(ended_with(child) == 0);
    }
    fd = open("inner.sh", O_RDONLY);
    pid_t child = fork();
    if (child == 0) {
        fexecve(fd, argv, environ);
        _exit(1);
    }
    CHECK(ended_with(child) == 0);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    CHECK(fexecve(fd, argv, environ) == -1 && errno == ENOENT);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--leave") == 0)
        return atoi(argv[2]);
    int rounds = argc > 1 ? atoi(argv[1]) : 10;
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK(size > 0);
    self[size] = 0;
    signal(SIGSEGV, SIG_IGN);
    scripts();
    vforks(rounds);
    puts("vforks");
    spawns(rounds);
    puts("spawns");
    forks(rounds);
    puts("forks");
    clones(rounds / 4 + 1);
    puts("clones");
    beside_threads(rounds);
    puts("beside threads");
    from_handlers();
    puts("from handlers");
    return 0;
}
