/* When a process ends its children become those of the nearest ancestor that takes orphans in. So killing the children again and again
 * reaches the whole tree, without a list of it that would be out of date. */
#include "family.h"

#include "descriptor.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Parent and state letter from /proc/PID/stat. */
static pid_t parent_and_state(pid_t pid, char *state)
{
    char path[32], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    CLOSING int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    const char *behind = strrchr(text, ')'); /* ") S PARENT" */
    if (behind == NULL || strlen(behind) < 5)
        return 0;
    *state = behind[2];
    return (pid_t)strtol(behind + 4, NULL, 10);
}

pid_t family_parent(pid_t pid)
{
    char state;
    return parent_and_state(pid, &state);
}

static bool kill_children(bool (*spared)(pid_t pid))
{
    DIR *stream = opendir("/proc");
    const struct dirent *entry;
    bool found = false;
    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        char state = 'Z';
        if (pid <= 0 || parent_and_state(pid, &state) != getpid() || state == 'Z' || spared(pid))
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
