/* Signals against threads, forks, longjmp and alternate stacks. Prints a line per part; any other end is a failure. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define CHECK(what)                                                                   \
    do {                                                                              \
        if (!(what)) {                                                                \
            printf("line %d: %s: %s\n", __LINE__, #what, strerror(errno));            \
            exit(1);                                                                  \
        }                                                                             \
    } while (0)

static volatile sig_atomic_t count;
static sigjmp_buf out;

static void handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void timer(int microseconds)
{
    struct itimerval value = {{0, microseconds}, {0, microseconds}};
    CHECK(setitimer(ITIMER_REAL, &value, NULL) == 0);
}

/* A handler that makes calls of its own while calls are interrupted. */
static void busy_handler(int number)
{
    struct stat st;
    int saved = errno;
    (void)number;
    count++;
    stat("/etc/passwd", &st);
    int fd = open("/etc/group", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    access("/usr/bin/missing", R_OK);
    errno = saved;
}

static void work(int rounds)
{
    struct stat st;
    char text[256];
    for (int i = 0; i < rounds; i++) {
        CHECK(stat("/usr/lib/os-release", &st) == 0);
        CHECK(stat("/usr/lib/missing", &st) == -1 && errno == ENOENT);
        CHECK(readlink("/proc/self/exe", text, sizeof text) > 0);
        int fd = open("/etc/debian_version", O_RDONLY);
        CHECK(fd >= 0);
        CHECK(read(fd, text, sizeof text) > 0);
        close(fd);
        CHECK(getcwd(text, sizeof text) != NULL);
    }
}

static void storm(void)
{
    handle(SIGALRM, busy_handler, SA_RESTART);
    timer(300);
    work(3000);
    timer(0);
    CHECK(count > 20);
    count = 0;
    handle(SIGALRM, busy_handler, SA_RESTART | SA_ONSTACK);
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    CHECK(sigaltstack(&stack, NULL) == 0);
    timer(300);
    work(3000);
    timer(0);
    CHECK(count > 20);
    stack_t now;
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_sp == stack.ss_sp && now.ss_size == 1 << 16 && now.ss_flags == 0);
    puts("storm");
}

static void jump(int number)
{
    (void)number;
    siglongjmp(out, 1);
}

/* Out of calls, blocked and not, by longjmp: nothing may be lost, descriptors least of all. */
static void jumps(void)
{
    struct stat st;
    volatile int jumped = 0;
    CHECK(mkfifo("fifo", 0600) == 0);
    handle(SIGALRM, jump, 0);
    for (int i = 0; i < 50; i++) {
        if (sigsetjmp(out, 1)) {
            jumped++;
            continue;
        }
        struct itimerval once = {{0, 0}, {0, 2000}};
        setitimer(ITIMER_REAL, &once, NULL);
        open("fifo", O_RDONLY);
        printf("open returned: %s\n", strerror(errno));
        exit(1);
    }
    timer(150);
    for (volatile int i = 0; i < 4000; i++) {
        if (sigsetjmp(out, 1)) {
            jumped++;
            continue;
        }
        stat("/usr/share/doc/../doc/bash/copyright", &st);
        stat("/lib/x86_64-linux-gnu/libc.so.6", &st);
        access("/bin/sh", X_OK);
    }
    timer(0);
    CHECK(jumped > 55);
    int fd = open("/", O_RDONLY);
    CHECK(fd >= 0 && fd < 200); /* few are lost: between an open and the noting of its number */
    close(fd);
    unlink("fifo");
    puts("jumps");
}

static void nothing(int number)
{
    (void)number;
    count++;
}

/* Interrupted calls end as they do natively. */
static void interruptions(void)
{
    int ends[2];
    char byte;
    sigset_t full, old, empty;
    struct timespec short_time = {0, 30000000};
    CHECK(pipe(ends) == 0);
    handle(SIGALRM, nothing, 0);
    struct itimerval once = {{0, 0}, {0, 5000}};
    setitimer(ITIMER_REAL, &once, NULL);
    CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR);
    CHECK(mkfifo("fifo", 0600) == 0);
    setitimer(ITIMER_REAL, &once, NULL);
    CHECK(open("fifo", O_RDONLY) == -1 && errno == EINTR);
    sigfillset(&full);
    sigemptyset(&empty);
    CHECK(sigprocmask(SIG_SETMASK, &full, &old) == 0);
    CHECK(access("/etc/passwd", R_OK) == 0); /* with everything blocked */
    sigset_t now;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGALRM) && sigismember(&now, SIGUSR1) && !sigismember(&now, SIGKILL));
    setitimer(ITIMER_REAL, &once, NULL);
    CHECK(sigsuspend(&empty) == -1 && errno == EINTR);
    CHECK(access("/etc/passwd", R_OK) == 0);
    CHECK(ppoll(NULL, 0, &short_time, &full) == 0);
    fd_set set;
    FD_ZERO(&set);
    CHECK(pselect(0, &set, NULL, NULL, &short_time, &full) == 0);
    setitimer(ITIMER_REAL, &once, NULL);
    CHECK(ppoll(NULL, 0, NULL, &empty) == -1 && errno == EINTR);
    setitimer(ITIMER_REAL, &once, NULL);
    CHECK(pselect(0, NULL, NULL, NULL, NULL, &empty) == -1 && errno == EINTR);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    unlink("fifo");
    puts("interruptions");
}

/* A handler that returns with everything blocked, through its frame. */
static void block_all(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    sigfillset(&((ucontext_t *)context)->uc_sigmask);
}

static void frames(void)
{
    sigset_t now, none;
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = block_all;
    sigfillset(&action.sa_mask);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    CHECK(access("/etc/passwd", R_OK) == 0);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &now) == 0 && sigismember(&now, SIGUSR2));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    puts("frames");
}

/* The guest's own SIGSEGV and SIGSYS. */
static volatile sig_atomic_t faults;
static void *fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    faults++;
    CHECK(info->si_addr == fault_address);
    CHECK(access("/etc/passwd", R_OK) == 0);
    siglongjmp(out, 1);
}

static void own_faults(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK}, old;
    action.sa_sigaction = on_fault;
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    fault_address = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 100; i++)
        if (!sigsetjmp(out, 1))
            *(volatile char *)fault_address = 1;
    CHECK(faults == 100);
    CHECK(open((char *)fault_address, O_RDONLY) == -1 && errno == EFAULT && faults == 100);
    CHECK(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_sigaction == on_fault && (old.sa_flags & SA_ONSTACK));
    signal(SIGSEGV, SIG_DFL);
    CHECK(signal(SIGSYS, nothing) == SIG_DFL);
    count = 0;
    raise(SIGSYS);
    CHECK(count == 1);
    CHECK(signal(SIGSYS, SIG_IGN) == nothing);
    raise(SIGSYS);
    CHECK(signal(SIGSYS, SIG_DFL) == SIG_IGN);
    pid_t child = fork();
    if (child == 0) {
        *(volatile char *)fault_address = 1;
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    child = fork();
    if (child == 0) {
        sigset_t full;
        sigfillset(&full);
        sigprocmask(SIG_SETMASK, &full, NULL);
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    puts("own faults");
}

/* Stack overflow is handled on the alternate stack. */
static void overflow_handler(int number)
{
    (void)number;
    access("/etc/passwd", R_OK);
    _exit(42);
}

static int (*volatile again)(int);

static int deeper(int n)
{
    volatile char room[4096];
    room[0] = (char)n;
    return again(n + 1) + room[0];
}

static void overflow(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
        sigaltstack(&stack, NULL);
        handle(SIGSEGV, overflow_handler, SA_ONSTACK);
        again = deeper;
        _exit(deeper(1));
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
    puts("overflow");
}

/* Vector registers survive a call, with signals in between. */
__attribute__((target("avx"))) static void vector_rounds(void)
{
    static float before[16][8], after[16][8];
    struct stat st;
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++)
            before[i][j] = (float)(i * 8 + j) + 0.5f;
    for (int round = 0; round < 3000; round++) {
        long result = SYS_stat;
        __asm__ volatile(
            "vmovups (%1), %%ymm0\n vmovups 32(%1), %%ymm1\n vmovups 64(%1), %%ymm2\n vmovups 480(%1), %%ymm15\n"
            "vmovups 224(%1), %%ymm7\n mov %4, %%rsi\n mov %3, %%rdi\n syscall\n"
            "vmovups %%ymm0, (%2)\n vmovups %%ymm1, 32(%2)\n vmovups %%ymm2, 64(%2)\n vmovups %%ymm15, 480(%2)\n vmovups %%ymm7, 224(%2)\n"
            : "+a"(result)
            : "r"(before), "r"(after), "r"("/etc/passwd"), "r"(&st)
            : "rcx", "r11", "rdi", "rsi", "memory", "xmm0", "xmm1", "xmm2", "xmm7", "xmm15");
        CHECK(result == 0);
        for (int i = 0; i < 16; i++)
            if (i < 3 || i == 7 || i == 15)
                CHECK(memcmp(before[i], after[i], sizeof before[i]) == 0);
    }
}

static void vectors(void)
{
    handle(SIGALRM, busy_handler, SA_RESTART);
    timer(200);
    if (__builtin_cpu_supports("avx"))
        vector_rounds();
    double sum = 0;
    for (int i = 1; i < 20000; i++) {
        sum += 1.0 / i;
        access("/etc/passwd", R_OK);
    }
    timer(0);
    CHECK(sum > 10.48 && sum < 10.49);
    puts("vectors");
}

/* Threads, each with signals sent to it, forking and ending. */
static volatile int stop;

static void *thread_work(void *argument)
{
    long n = (long)argument;
    for (int i = 0; i < 30; i++) {
        work(3);
        if (n % 3 == 0) {
            pid_t child = fork();
            if (child == 0) {
                struct stat st;
                _exit(stat("/etc/passwd", &st) == 0 && access("/nowhere", F_OK) == -1 ? 7 : 1);
            }
            int status = 0;
            while (waitpid(child, &status, 0) == -1 && errno == EINTR)
                ;
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        }
    }
    return NULL;
}

static void *shoot(void *argument)
{
    while (!stop) {
        kill(getpid(), SIGUSR1);
        usleep(200);
    }
    return argument;
}

static void threads(void)
{
    pthread_t shooter, workers[12];
    handle(SIGUSR1, busy_handler, SA_RESTART);
    CHECK(pthread_create(&shooter, NULL, shoot, NULL) == 0);
    for (long round = 0; round < 3; round++) {
        for (long i = 0; i < 12; i++)
            CHECK(pthread_create(&workers[i], NULL, thread_work, (void *)i) == 0);
        for (int i = 0; i < 12; i++)
            pthread_join(workers[i], NULL);
    }
    stop = 1;
    pthread_join(shooter, NULL);
    puts("threads");
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    storm();
    jumps();
    interruptions();
    frames();
    own_faults();
    overflow();
    vectors();
    threads();
    return 0;
}
