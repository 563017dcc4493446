/* Theory of operation: a process may itself map its own id to one in the user namespace that it has just made. Every longer map,
 * and every other id, has to be written from the namespace above, by somebody with rights there: root, or the set-user-ID programs
 * newuidmap and newgidmap. So before the namespace is made a process is forked that stays behind, the mapper. It gets the pid to map
 * through a socket, does it, and answers with nothing or with a sentence.
 *
 * The files of binfmt_misc belong to id 0 of the user namespace. If a map of one id has another, everything is set up under a map of 0,
 * and in the end a second user namespace inside the first gives the payload the id asked for; what is registered holds there too.
 *
 * setgroups must be denied before an ordinary user may write a map of groups by itself. Where a mapper writes it, it stays allowed. */
#include "maps.h"

#include "descriptor.h"
#include "message.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { MAX_MAP = 4096, MAX_WORDS = 1024 }; /* the kernel takes a page, and 340 lines */

static int write_text(const char *path, const char *text)
{
    CLOSING int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1;
}

/* A process whose program its user may not read (mode 0711) does not own its own /proc files until it says it is dumpable. */
static int write_own(const char *path, const char *text)
{
    if (write_text(path, text) == 0)
        return 0;
    if (errno != EACCES || prctl(PR_SET_DUMPABLE, 1) != 0)
        return -1;
    return write_text(path, text);
}

int maps_write_own(unsigned inside_uid, unsigned inside_gid, unsigned uid, unsigned gid, const char **step)
{
    char text[64];
    /* Linux before 3.19 has no such file and needs none. */
    *step = "setgroups";
    if (write_own("/proc/self/setgroups", "deny") != 0 && errno != ENOENT)
        return -1;
    *step = "the map of user ids";
    snprintf(text, sizeof text, "%u %u 1\n", inside_uid, uid);
    if (write_own("/proc/self/uid_map", text) != 0)
        return -1;
    *step = "the map of group ids";
    snprintf(text, sizeof text, "%u %u 1\n", inside_gid, gid);
    return write_own("/proc/self/gid_map", text);
}

static unsigned outside_id(const struct record *map, unsigned callers)
{
    const char *outside = field(map, 1);
    return strcmp(outside, "caller") == 0 ? callers : (unsigned)field_number(outside, 10);
}

/* The map as the kernel takes it. */
static const char *map_text(const struct launch *launch, enum record_name name, unsigned callers)
{
    static char text[MAX_MAP];
    size_t length = 0;
    const struct record *map = NULL;
    while ((map = next_record_of(launch, map, name)) != NULL) {
        int more = snprintf(text + length, sizeof text - length, "%s %u %s\n", field(map, 0), outside_id(map, callers), field(map, 2));
        length += (size_t)more;
        if (length >= sizeof text)
            fail("\"%s\" has more lines than the kernel takes", map->kind->text);
    }
    return text;
}

/* Runs `words` with its stderr in `said`; its wait status. */
static int run_tool(char **words, char *said, size_t size)
{
    int pipe_ends[2], status = 0;
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        fail_errno("cannot make a pipe");
    pid_t child = fork();
    if (child == 0) {
        if (dup2(pipe_ends[1], STDERR_FILENO) >= 0)
            execv(words[0], words);
        dprintf(pipe_ends[1], "%s", strerror(errno));
        _exit(EXIT_NOT_FOUND);
    }
    close(pipe_ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(pipe_ends[0], said + length, size - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(pipe_ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child < 0 ? -1 : status;
}

/* Calls the tool of field `index` with the map split into words; the sentence of why it failed, or NULL. */
static const char *map_by_tool(const char *tool, const char *pid, const char *map)
{
    static char numbers[MAX_MAP], said[300], sentence[600];
    static char *words[MAX_WORDS + 3];
    size_t count = 0;
    char *end = NULL;
    words[count++] = (char *)(uintptr_t)tool;
    words[count++] = (char *)(uintptr_t)pid;
    strcpy(numbers, map);
    for (char *word = strtok_r(numbers, " \n", &end); word != NULL && count < MAX_WORDS; word = strtok_r(NULL, " \n", &end))
        words[count++] = word;
    words[count] = NULL;
    int status = run_tool(words, said, sizeof said);
    if (status == 0)
        return NULL;
    said[strcspn(said, "\n")] = '\0';
    snprintf(sentence, sizeof sentence, "%.255s refused the id map: %s", tool, *said == '\0' ? "it gave no reason" : said);
    return sentence;
}

static const char *map_by_root(const char *pid, const char *name, const char *map)
{
    static char path[64], sentence[128];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    if (write_text(path, map) == 0)
        return NULL;
    snprintf(sentence, sizeof sentence, "the kernel refused the %s: %s", name, strerror(errno));
    return sentence;
}

static const char *map_both(const struct mapper *mapper, const struct launch *launch, const char *pid)
{
    static const enum record_name NAMES[] = {UID_MAP, GID_MAP};
    static const char *const FILES[] = {"uid_map", "gid_map"};
    const unsigned ids[] = {mapper->uid, mapper->gid};
    const struct record *tools = record_of(launch, MAP_TOOLS);
    const char *fault = NULL;
    for (unsigned i = 0; i < 2 && fault == NULL; i++) {
        const char *map = map_text(launch, NAMES[i], ids[i]);
        fault = mapper->uid == 0 ? map_by_root(pid, FILES[i], map) : map_by_tool(field(tools, i), pid, map);
    }
    return fault;
}

static _Noreturn void stay_behind(const struct mapper *mapper, const struct launch *launch, int base)
{
    char pid[16] = "";
    message_last(NULL);
    if (base != AT_FDCWD && fchdir(base) != 0)
        _exit(EXIT_FAILED);
    signal(SIGCHLD, SIG_DFL);
    if (read(mapper->socket, pid, sizeof pid - 1) > 0) {
        const char *fault = map_both(mapper, launch, pid);
        const char *answer = fault == NULL ? "" : fault;
        if (write(mapper->socket, answer, strlen(answer) + 1) < 0)
            _exit(EXIT_FAILED);
    }
    _exit(0);
}

/* Only root can map an id that is not its own by a map of one line. */
static bool is_anothers(const struct mapper *mapper, const struct record *map, unsigned own)
{
    bool others = outside_id(map, own) != own;
    if (others && mapper->uid != 0)
        fail("\"%s\" names the id %s of this machine, and yours is %u", map->kind->text, field(map, 1), own);
    return others;
}

static bool needs_mapper(const struct launch *launch, const struct mapper *mapper)
{
    const struct record *user = record_of(launch, UID_MAP), *group = record_of(launch, GID_MAP);
    if (user == NULL || group == NULL)
        return false;
    if (record_of(launch, MAP_TOOLS) != NULL)
        return true;
    bool other_user = is_anothers(mapper, user, mapper->uid), other_group = is_anothers(mapper, group, mapper->gid);
    return other_user || other_group;
}

struct mapper mapper_start(const struct launch *launch, int base)
{
    struct mapper mapper = {.socket = -1, .uid = geteuid(), .gid = getegid()};
    int ends[2];
    if (!needs_mapper(launch, &mapper))
        return mapper;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        fail_errno("cannot make a pair of sockets");
    mapper.pid = fork();
    if (mapper.pid < 0)
        fail_errno("cannot start the process that maps ids");
    mapper.socket = ends[mapper.pid == 0];
    close(ends[mapper.pid != 0]);
    if (mapper.pid == 0)
        stay_behind(&mapper, launch, base);
    return mapper;
}

void mapper_ask(const struct mapper *mapper, pid_t pid)
{
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    if (mapper->socket >= 0 && write(mapper->socket, text, strlen(text) + 1) < 0)
        fail_errno("the process that maps ids is gone");
}

static unsigned inside_id(const struct launch *launch, enum record_name name)
{
    return (unsigned)field_number(field(record_of(launch, name), 0), 10);
}

bool maps_are_nested(const struct launch *launch)
{
    bool one = record_of(launch, UID_MAP) != NULL && record_of(launch, MAP_TOOLS) == NULL;
    return one && record_of(launch, BINFMT) != NULL && (inside_id(launch, UID_MAP) != 0 || inside_id(launch, GID_MAP) != 0);
}

void maps_nest(const struct launch *launch)
{
    const char *step = "a user namespace inside the first";
    if (unshare(CLONE_NEWUSER) != 0 || maps_write_own(inside_id(launch, UID_MAP), inside_id(launch, GID_MAP), 0, 0, &step) != 0)
        fail_errno("%s", step);
}

int mapper_finish(const struct mapper *mapper, const struct launch *launch, const char **step)
{
    static char answer[700];
    bool nested = maps_are_nested(launch);
    if (mapper->socket < 0)
        return maps_write_own(nested ? 0 : inside_id(launch, UID_MAP), nested ? 0 : inside_id(launch, GID_MAP), mapper->uid,
                              mapper->gid, step);
    ssize_t length = read(mapper->socket, answer, sizeof answer - 1);
    if (length <= 0)
        fail("the process that maps ids ended without a word");
    answer[length] = '\0';
    if (*answer != '\0') {
        hint("`sampan doctor` shows which ids /etc/subuid and /etc/subgid give you");
        fail("%s", answer);
    }
    return 0;
}

void mapper_reap(const struct mapper *mapper)
{
    if (mapper->socket < 0)
        return;
    close(mapper->socket);
    while (waitpid(mapper->pid, NULL, 0) < 0 && errno == EINTR) {
    }
}
