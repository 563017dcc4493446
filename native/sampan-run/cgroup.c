/* The group is a directory of cgroup2 or of a controller of cgroup1. cgroup2 can kill all members at once (Linux 5.14); elsewhere they
 * are listed and killed until none is left. */
#include "cgroup.h"

#include "descriptor.h"
#include "kept.h"
#include "message.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct kept group = KEPT_NONE;

static const struct record *record_in(const struct start *start)
{
    return record_of(start->launch, CGROUP);
}

void cgroup_join(const struct start *start)
{
    const struct record *record = record_in(start);
    if (record == NULL)
        return;
    CLOSING int directory = openat(start_base(start), field(record, 0), O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLOSING int members = directory < 0 ? -1 : openat(directory, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (members < 0 || write(members, "0", 1) != 1)
        fail_errno("it cannot join the control group %s", field(record, 0));
}

void cgroup_keep(const struct start *start)
{
    const struct record *record = record_in(start);
    bool own = record != NULL && record_of(start->launch, ENTER) == NULL;
    if (own && !kept_open(&group, start_base(start), field(record, 0)))
        fail_errno("it cannot use the control group %s", field(record, 0));
}

static void kill_listed(void)
{
    CLOSING int members = openat(group.directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    char text[4096];
    ssize_t length = members < 0 ? -1 : read(members, text, sizeof text - 1);
    if (length <= 0)
        return;
    text[length] = '\0';
    /* A number that is cut off by the buffer's end comes whole the next time. */
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        pid_t pid = (pid_t)strtol(line, NULL, 10);
        if (pid > 0)
            kill(pid, SIGKILL);
    }
}

void cgroup_kill(void)
{
    if (group.parent < 0)
        return;
    CLOSING int all = openat(group.directory, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    if (all < 0 || write(all, "1", 1) != 1)
        kill_listed();
}

bool cgroup_remove(void)
{
    enum { TRIES = 200 };
    for (int i = 0; group.parent >= 0 && unlinkat(group.parent, group.name, AT_REMOVEDIR) != 0; i++) {
        const struct timespec moment = {0, 5000000};
        if (errno == ENOENT)
            break;
        if (errno != EBUSY || i == TRIES)
            return false;
        cgroup_kill();
        nanosleep(&moment, NULL);
    }
    return true;
}
