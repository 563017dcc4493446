/* Everything is looked up below one open descriptor of /proc/PID: when the process ends and another gets its pid, look-ups fail,
 * and never reach that other one. All namespaces are joined by one call where the kernel has it (setns of a pidfd, Linux 5.8): the
 * rights are looked at before the first, as they must be where a container has a user namespace inside another (maps.c). Else they
 * are opened before the first is joined, since /proc is another one afterwards, and the user namespace comes first, because it gives
 * the right to join the others.
 *
 * In the joined pid namespace this process is a target: it has more rights than those inside and may hold descriptors of the
 * machine. So it is made undumpable, which keeps them from looking at it by ptrace and /proc until it becomes the payload. */
#include "enter.h"

#include "descriptor.h"
#include "message.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

unsigned long long enter_start_time(int process)
{
    char text[1024];
    CLOSING int fd = openat(process, "stat", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    /* The name in parentheses may hold anything, also parentheses. Field 22 is 20 blanks behind it. */
    const char *at = strrchr(text, ')');
    for (int blanks = 0; at != NULL && blanks < 20; blanks++)
        at = strchr(at + 1, ' ');
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

/* The same number on every architecture but alpha. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

static bool is_own(const char *name, int space)
{
    struct stat mine, its;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    return stat(path, &mine) == 0 && fstat(space, &its) == 0 && mine.st_ino == its.st_ino && mine.st_dev == its.st_dev;
}

static int open_process(pid_t pid, unsigned long long start)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (process >= 0 && enter_start_time(process) == start && start != 0)
        return process;
    fail("the container that process %d stood for is not running any more", (int)pid);
}

static const struct {
    const char *name, *path;
    int flag;
} SPACES[] = {{"user", "ns/user", CLONE_NEWUSER}, {"ipc", "ns/ipc", CLONE_NEWIPC},          {"uts", "ns/uts", CLONE_NEWUTS},
              {"net", "ns/net", CLONE_NEWNET},    {"cgroup", "ns/cgroup", CLONE_NEWCGROUP}, {"pid", "ns/pid", CLONE_NEWPID},
              {"mount", "ns/mnt", CLONE_NEWNS}};
enum { COUNT = sizeof SPACES / sizeof SPACES[0] };

/* Joins those of `spaces` that are open, one by one. */
static void join_each(const int *spaces, pid_t pid)
{
    for (int i = 0; i < COUNT; i++) {
        if (spaces[i] >= 0 && setns(spaces[i], SPACES[i].flag) != 0)
            fail_errno("cannot join the %s namespace of process %d", SPACES[i].name, (int)pid);
    }
}

void enter_join_process(pid_t pid, unsigned long long start, const char *names)
{
    int spaces[COUNT], flags = 0;
    CLOSING int handle = (int)syscall(SYS_pidfd_open, pid, 0);
    CLOSING int process = open_process(pid, start); /* after the handle, whose process it thus is */
    CLOSING int root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < COUNT; i++) {
        spaces[i] = list_has(names, SPACES[i].name) ? openat(process, SPACES[i].path, O_RDONLY | O_CLOEXEC) : -1;
        if (list_has(names, SPACES[i].name) && (root < 0 || spaces[i] < 0))
            fail_errno("cannot look into the container of process %d", (int)pid);
        if (spaces[i] >= 0 && SPACES[i].flag == CLONE_NEWUSER && is_own("user", spaces[i])) {
            close(spaces[i]); /* nobody may join the user namespace in which he is */
            spaces[i] = -1;
        }
        flags |= spaces[i] >= 0 ? SPACES[i].flag : 0;
    }
    prctl(PR_SET_DUMPABLE, 0);
    if (handle < 0 || setns(handle, flags) != 0)
        join_each(spaces, pid);
    for (int i = 0; i < COUNT; i++)
        close_descriptor(&spaces[i]);
    if (list_has(names, "mount") && (fchdir(root) != 0 || chroot(".") != 0))
        fail_errno("cannot enter the root of process %d", (int)pid);
    if (chdir("/") != 0)
        fail_errno("cannot enter the root directory inside");
}

void enter_join(const struct launch *launch)
{
    const struct record *record = record_of(launch, ENTER);
    enter_join_process((pid_t)field_number(field(record, 0), 10), field_number(field(record, 1), 10), field(record, 2));
}
