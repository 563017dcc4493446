/* Everything is looked up below one open descriptor of /proc/PID: when the process ends and another gets its pid, look-ups fail,
 * and never reach that other one. All namespaces are opened before the first is joined, since /proc is another one afterwards; the
 * user namespace is joined first, because it gives the right to join the others.
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

void enter_join_process(pid_t pid, unsigned long long start, const char *names)
{
    static const struct {
        const char *name, *file;
        int flag;
    } SPACES[] = {{"user", "user", CLONE_NEWUSER}, {"ipc", "ipc", CLONE_NEWIPC},          {"uts", "uts", CLONE_NEWUTS},
                  {"net", "net", CLONE_NEWNET},    {"cgroup", "cgroup", CLONE_NEWCGROUP}, {"pid", "pid", CLONE_NEWPID},
                  {"mount", "mnt", CLONE_NEWNS}};
    enum { COUNT = sizeof SPACES / sizeof SPACES[0] };
    int spaces[COUNT];
    CLOSING int process = open_process(pid, start);
    CLOSING int root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < COUNT; i++) {
        char path[16];
        snprintf(path, sizeof path, "ns/%s", SPACES[i].file);
        spaces[i] = list_has(names, SPACES[i].name) ? openat(process, path, O_RDONLY | O_CLOEXEC) : -1;
        if (list_has(names, SPACES[i].name) && (root < 0 || spaces[i] < 0))
            fail_errno("cannot look into the container of process %d", (int)pid);
    }
    prctl(PR_SET_DUMPABLE, 0);
    for (int i = 0; i < COUNT; i++) {
        /* Nobody may join the user namespace in which he is. */
        bool join = spaces[i] >= 0 && (SPACES[i].flag != CLONE_NEWUSER || !is_own("user", spaces[i]));
        if (join && setns(spaces[i], SPACES[i].flag) != 0)
            fail_errno("cannot join the %s namespace of process %d", SPACES[i].name, (int)pid);
        if (spaces[i] >= 0)
            close(spaces[i]);
    }
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
