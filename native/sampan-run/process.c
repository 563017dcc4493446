/* The payload's directory and attributes. Limits come last: a low `nofile` must not hit our own work. */
#include "process.h"
#include "check.h"

#include "descriptor.h"
#include "kernel.h"
#include "message.h"
#include "mounts.h"
#include "targets.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const struct want DIRECTORY = {.type = WANT_DIRECTORY, .mode = 0755};

void caller_keep(struct caller *caller, const struct launch *launch)
{
    caller->path[0] = '\0';
    caller->directory = -1;
    if (record_of(launch, CWD_CALLER) == NULL)
        return;
    /* A directory that was removed, or that lies outside of this process's root ("(unreachable)"), cannot be found again. */
    if (getcwd(caller->path, sizeof caller->path) == NULL || caller->path[0] != '/')
        caller->path[0] = '\0';
    else
        caller->directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool same_directory(int one, int other)
{
    struct stat a, b;
    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino && S_ISDIR(a.st_mode);
}

static bool is_directory(int fd)
{
    return same_directory(fd, fd);
}

const char *caller_wants(const struct caller *caller, const struct launch *launch)
{
    const struct record *record = record_of(launch, CWD_CALLER);
    return record != NULL && list_has(field(record, 0), "bind") && caller->directory >= 0 ? caller->path : NULL;
}

static int enter_or_refuse(const struct root *root, const char *path)
{
    int fd = target_find(root, path);
    if (fd < 0)
        fail("the directory %s does not exist inside", path);
    if (!is_directory(fd))
        fail("%s is not a directory inside", path);
    return fd;
}

bool caller_is_above(const struct caller *caller, const char *target)
{
    size_t length = strlen(caller->path);
    return length > 1 && strncmp(target, caller->path, length) == 0 && target[length] == '/';
}

void caller_bind(struct root *root, const struct launch *launch, const struct caller *caller)
{
    const char *path = caller_wants(caller, launch);
    CLOSING int there = path == NULL ? -1 : target_find(root, path);
    if (path != NULL && (there < 0 || target_is_planned_name(root, there)) && !same_directory(there, caller->directory))
        mounts_bind_directory(root, caller->directory, path);
}

static int caller_directory(struct root *root, const struct launch *launch, const struct caller *caller)
{
    const struct record *record = record_of(launch, CWD_CALLER);
    caller_bind(root, launch, caller);
    int there = caller->directory < 0 ? -1 : target_find(root, caller->path);
    if (there >= 0 && same_directory(there, caller->directory))
        return there;
    if (there >= 0 && is_directory(there) && caller_wants(caller, launch) != NULL) {
        if (strcmp(caller->path, "/") != 0)
            notice("%s is the image's own directory here, not this machine's", caller->path);
        return there;
    }
    return enter_or_refuse(root, field(record, 1));
}

static int fixed_directory(struct root *root, const struct record *record)
{
    const char *path = field(record, 0), *fallback = field(record, 1);
    if (strcmp(fallback, "refuse") == 0)
        return enter_or_refuse(root, path);
    if (strcmp(fallback, "create") == 0) {
        close(target_open(root, path, DIRECTORY));
        return enter_or_refuse(root, path);
    }
    int fd = target_find(root, path);
    if (fd >= 0 && is_directory(fd))
        return fd;
    if (fd >= 0)
        close(fd);
    return enter_or_refuse(root, fallback);
}

int process_directory(struct root *root, const struct launch *launch, const struct caller *caller)
{
    const struct record *record = record_of(launch, CWD);
    if (record != NULL) {
        /* In a root that another program has made we are already: PRoot makes up the directories above a bind, and loses its way if they
         * are opened one after the other. */
        int fd = launch_on_host_as(launch, "inside") ? open(field(record, 0), O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        return fd >= 0 ? fd : fixed_directory(root, record);
    }
    return record_of(launch, CWD_CALLER) == NULL ? -1 : caller_directory(root, launch, caller);
}

/* The next number of a checked comma list, or `also`, above `from`; -1 at its end. */
static long next_kept(const char *list, long also, long from)
{
    long next = also > from ? also : -1;
    while (*list != '\0') {
        long value = strtol(list, NULL, 10);
        if (value > from && (next < 0 || value < next))
            next = value;
        list += strcspn(list, ",");
        list += *list == ',';
    }
    return next;
}

/* Without close_range: what is open is listed in /proc; where that is missing too, up to the limit. */
static void close_listed(const char *kept, long also)
{
    DIR *stream = opendir("/proc/self/fd");
    if (stream == NULL)
        fail_errno("cannot list the open descriptors to close them");
    const struct dirent *entry;
    while ((entry = readdir(stream)) != NULL) {
        long fd = strtol(entry->d_name, NULL, 10);
        if (fd > 2 && fd != dirfd(stream) && next_kept(kept, also, fd - 1) != fd)
            close((int)fd);
    }
    closedir(stream);
}

void process_close_descriptors(const struct launch *launch, int also)
{
    const struct record *record = record_of(launch, FDS);
    if (record == NULL)
        return;
    const char *kept = field(record, 0);
    for (long from = 2; from >= 0;) {
        long next = next_kept(kept, also, from);
        if (next != from + 1 && kernel_close_range((unsigned)from + 1, next < 0 ? ~0U : (unsigned)next - 1) != 0) {
            close_listed(kept, also);
            return;
        }
        from = next;
    }
}

static const struct {
    const char *name;
    int number;
} LIMITS[] = {
    {"as", RLIMIT_AS},           {"core", RLIMIT_CORE},     {"cpu", RLIMIT_CPU},         {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},     {"locks", RLIMIT_LOCKS},   {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE},
    {"nice", RLIMIT_NICE},       {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},     {"rss", RLIMIT_RSS},
    {"rtprio", RLIMIT_RTPRIO},   {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK},
};

static rlim_t bound(const char *text)
{
    return strcmp(text, "unlimited") == 0 ? RLIM_INFINITY : (rlim_t)field_number(text, 10);
}

static void set_limit(const struct record *record)
{
    const char *name = field(record, 0), *soft = field(record, 1), *hard = field(record, 2);
    struct rlimit limit = {bound(soft), bound(hard)};
    size_t i = 0;
    while (strcmp(LIMITS[i].name, name) != 0)
        i++;
    /* musl and glibc give the first argument different types. */
    if (syscall(SYS_prlimit64, 0, LIMITS[i].number, &limit, NULL) == 0)
        return;
    if (errno == EPERM)
        fail("the limit %s cannot be %s (hard %s): an ordinary user cannot raise it beyond the hard limit it has", name, soft, hard);
    fail_errno("the limit %s cannot be %s (hard %s)", name, soft, hard);
}

static void set_cpus(const char *list)
{
    static unsigned long mask[MAX_CPUS / (8 * sizeof(unsigned long))];
    enum { BITS = 8 * sizeof mask[0] };
    const char *all = list;
    while (*list != '\0') {
        char *end;
        unsigned long first = strtoul(list, &end, 10);
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        for (; first <= last; first++)
            mask[first / BITS] |= 1UL << (first % BITS);
        list = end + (*end == ',');
    }
    if (syscall(SYS_sched_setaffinity, 0, sizeof mask, mask) != 0)
        fail_errno("it cannot run on the processors %s", all);
}

static _Noreturn void refuse_id(const char *kind, const char *id)
{
    if (errno != EINVAL)
        fail_errno("it cannot run as %s %s", kind, id);
    hint("`--subids` maps more than one");
    fail("it cannot run as %s %s: there is no such id in its map", kind, id);
}

/* setgroups first, the user last: after it the others would be refused. */
static void set_user(const struct record *record)
{
    gid_t groups[MAX_GROUPS], group = (gid_t)field_number(field(record, 1), 10);
    uid_t user = (uid_t)field_number(field(record, 0), 10);
    size_t count = 0;
    for (const char *list = field(record, 2); *list != '\0'; list += *list == ',') {
        groups[count++] = (gid_t)strtoul(list, NULL, 10);
        list += strcspn(list, ",");
    }
    bool denied = setgroups(count, groups) != 0;
    if (denied && (errno != EPERM || count > 0)) {
        hint("a map of one id has no other groups; `--subids` maps more");
        fail_errno("it cannot have the groups %s", field(record, 2));
    }
    if (setresgid(group, group, group) != 0)
        refuse_id("group", field(record, 1));
    if (setresuid(user, user, user) != 0)
        refuse_id("user", field(record, 0));
}

void process_die_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        fail_errno("cannot tie the payload to its parent");
    if (getppid() != parent)
        fail("the process that started it has ended already");
}

/* The payload's standard streams from other descriptors. */
static void take_streams(const struct launch *launch)
{
    const struct record *record = record_of(launch, TAKE_STREAMS);
    for (int stream = 0; record != NULL && stream <= STDERR_FILENO; stream++) {
        if (dup2((int)field_number(field(record, (unsigned)stream), 10), stream) < 0)
            fail_errno("\"streams\" names the descriptor %s", field(record, (unsigned)stream));
    }
    for (int stream = 0; record != NULL && stream <= STDERR_FILENO; stream++)
        close((int)field_number(field(record, (unsigned)stream), 10));
}

void process_set(const struct launch *launch, const struct caller *caller, int directory, pid_t parent)
{
    const struct record *record = record_of(launch, UMASK);
    take_streams(launch);
    umask(record == NULL ? caller->umask : (mode_t)field_number(field(record, 0), 8) & 0777);
    if (directory >= 0 && fchdir(directory) != 0)
        fail_errno("cannot enter the directory of the payload");
    if ((record = record_of(launch, CPUS)) != NULL)
        set_cpus(field(record, 0));
    record = NULL;
    while ((record = next_record_of(launch, record, LIMIT)) != NULL)
        set_limit(record);
    if ((record = record_of(launch, USER)) != NULL)
        set_user(record);
    if (record_of(launch, NO_NEW_PRIVS) != NULL && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        fail_errno("cannot set no_new_privs");
    /* Last, since changes of credentials clear it; if the parent died before, the signal will never come. */
    if (parent != 0)
        process_die_with(parent);
}
