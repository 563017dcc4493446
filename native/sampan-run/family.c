/* When a process ends its children become those of the nearest ancestor that takes orphans in. So killing the children again and again
 * reaches the whole tree, without a list of it that would be out of date.
 *
 * In a pid namespace that was joined (`enter`) orphans go to its init instead. There the tree is stopped until nothing in it moves, then
 * killed from a list. */
#include "family.h"

#include "descriptor.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* What /proc/PID/stat says behind the name of the program, which may hold anything. */
struct kin {
    char state;
    int parent, group;
};

static bool look_at(pid_t pid, struct kin *kin)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    CLOSING int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return false;
    text[length] = '\0';
    const char *behind = strrchr(text, ')');
    return behind != NULL && sscanf(behind, ") %c %d %d", &kin->state, &kin->parent, &kin->group) == 3;
}

pid_t family_parent(pid_t pid)
{
    struct kin kin;
    return look_at(pid, &kin) ? kin.parent : 0;
}

bool family_is_of_user(pid_t pid, uid_t user)
{
    char path[32];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    return stat(path, &st) == 0 && st.st_uid == user;
}

/* Its pid in the innermost namespace that it is in; 0 if it is in none below ours. */
static pid_t inner_pid(pid_t pid)
{
    char path[32], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    CLOSING int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    char *line = strstr(text, "\nNSpid:");
    if (line == NULL)
        return 0;
    line[strcspn(line + 1, "\n") + 1] = '\0';
    const char *last = strrchr(line, '\t'), *first = strchr(line, '\t');
    return last == first ? 0 : (pid_t)strtol(last, NULL, 10);
}

/* The pid that an entry of /proc stands for, or 0. */
static pid_t next_process(DIR *stream)
{
    const struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0)
            return pid;
    }
    return 0;
}

pid_t family_child(pid_t parent)
{
    DIR *stream = opendir("/proc");
    pid_t pid;
    struct kin kin;
    while ((pid = next_process(stream)) != 0 && !(look_at(pid, &kin) && kin.parent == parent && kin.state != 'Z')) {
    }
    if (stream != NULL)
        closedir(stream);
    return pid;
}

bool family_has_inner(pid_t inner)
{
    DIR *stream = opendir("/proc");
    pid_t pid;
    struct kin kin;
    bool has = false;
    while (!has && (pid = next_process(stream)) != 0)
        has = look_at(pid, &kin) && kin.group == getpgrp() && inner_pid(pid) == inner;
    if (stream != NULL)
        closedir(stream);
    return has;
}

static bool kill_children(bool (*spared)(pid_t pid))
{
    DIR *stream = opendir("/proc");
    pid_t pid;
    struct kin kin;
    bool found = false;
    while ((pid = next_process(stream)) != 0) {
        if (!look_at(pid, &kin) || kin.parent != getpid() || kin.state == 'Z' || spared(pid))
            continue;
        kill(pid, SIGKILL);
        found = true;
    }
    if (stream != NULL)
        closedir(stream);
    return found;
}

void family_kill(bool (*spared)(pid_t pid))
{
    const struct timespec moment = {0, 1000000};
    for (int rounds = 0; rounds < 1000 && kill_children(spared); rounds++)
        nanosleep(&moment, NULL);
}

static bool is_below(pid_t pid, pid_t top)
{
    while (pid > 1 && pid != top)
        pid = family_parent(pid);
    return pid == top;
}

/* The processes below `top`, and itself; how many. What stops is stopped, so that it starts no others; `moving` says that some were not
 * stopped before. */
static size_t stop_below(pid_t top, pid_t *found, size_t most, bool *moving)
{
    DIR *stream = opendir("/proc");
    pid_t pid;
    struct kin kin;
    size_t count = 0;
    *moving = false;
    while (count < most && (pid = next_process(stream)) != 0) {
        if (!look_at(pid, &kin) || kin.state == 'Z' || !is_below(pid, top))
            continue;
        if (kin.state != 'T')
            *moving = kill(pid, SIGSTOP) == 0 || *moving;
        found[count++] = pid;
    }
    if (stream != NULL)
        closedir(stream);
    return count;
}

void family_kill_below(pid_t top)
{
    enum { MOST = 4096 };
    static pid_t found[MOST];
    const struct timespec moment = {0, 1000000};
    bool moving = true;
    size_t count = 0;
    for (int rounds = 0; rounds < 1000 && moving; rounds++) {
        count = stop_below(top, found, MOST, &moving);
        if (moving)
            nanosleep(&moment, NULL);
    }
    for (size_t i = 0; i < count; i++)
        kill(found[i], SIGKILL);
}
