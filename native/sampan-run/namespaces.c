/* Entering namespaces. The order is the kernel's: setgroups must be denied before an ordinary user may write a group map.
 * Machines refuse user namespaces in half a dozen ways with three error numbers; the reason is looked up afterwards, so that a
 * start that works pays nothing for it. */
#include "namespaces.h"

#include "descriptor.h"
#include "message.h"
#include "mountinfo.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* The text of a small file of /proc into `text`; false if it cannot be read. */
static bool read_text(const char *path, char *text, size_t size)
{
    CLOSING int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);
    if (length < 0)
        return false;
    text[length] = '\0';
    return true;
}

static bool says(const char *path, char value)
{
    char text[32];
    return read_text(path, text, sizeof text) && text[0] == value && (text[1] == '\n' || text[1] == '\0');
}

/* A root directory that is no mount point is one that chroot set: the kernel refuses user namespaces below it. */
static bool in_chroot(void)
{
    char *at = mountinfo_read();
    const char *point = at;
    while (at != NULL && (point = mountinfo_next(&at)) != NULL && strcmp(point, "/") != 0) {
    }
    return at != NULL && point == NULL;
}

static bool under_seccomp(void)
{
    static char text[1 << 13];
    return read_text("/proc/self/status", text, sizeof text) && strstr(text, "\nSeccomp:\t2") != NULL;
}

const char *namespaces_reason(int error)
{
    static const char ADMINISTRATOR[] = "an administrator can allow it with `sysctl -w %s`; "
                                        "`sampan doctor` shows engines that do without";
    if (access("/proc/self/ns", F_OK) != 0) {
        hint("mount it: `mount -t proc proc /proc`");
        return "/proc is not mounted here, or shows another pid namespace";
    }
    if (says("/proc/sys/user/max_user_namespaces", '0')) {
        hint(ADMINISTRATOR, "user.max_user_namespaces=15000");
        return "this machine allows no user namespaces (/proc/sys/user/max_user_namespaces is 0)";
    }
    if (says("/proc/sys/user/max_mnt_namespaces", '0')) {
        hint(ADMINISTRATOR, "user.max_mnt_namespaces=15000");
        return "this machine allows no mount namespaces (/proc/sys/user/max_mnt_namespaces is 0)";
    }
    if (says("/proc/sys/kernel/unprivileged_userns_clone", '0')) {
        hint(ADMINISTRATOR, "kernel.unprivileged_userns_clone=1");
        return "this machine allows user namespaces to root only (kernel.unprivileged_userns_clone is 0)";
    }
    if (in_chroot()) {
        hint("start it outside of the chroot; `sampan doctor` shows engines that work inside");
        return "the kernel allows no user namespaces inside a chroot";
    }
    if (under_seccomp()) {
        hint("inside another container, it must allow them (`--security-opt seccomp=unconfined`); "
             "`sampan doctor` shows engines that do without");
        return "a seccomp filter of the surrounding container or service refuses it";
    }
    if (says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1')) {
        hint(ADMINISTRATOR, "kernel.apparmor_restrict_unprivileged_userns=0");
        return "AppArmor takes all rights from user namespaces here (kernel.apparmor_restrict_unprivileged_userns is 1)";
    }
    hint("`sampan doctor` shows what works on this machine");
    if (error == ENOSPC || error == EUSERS)
        return "too many namespaces exist or are nested (/proc/sys/user/max_*_namespaces)";
    if (error == EINVAL || error == ENOSYS)
        return "this kernel was built without them";
    return "";
}

static _Noreturn void refused(const char *step, int error)
{
    const char *reason = namespaces_reason(error);
    fail("%s: %s%s%s", step, strerror(error), *reason == '\0' ? "" : ": ", reason);
}

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

struct map {
    unsigned inside, outside;
};

static int write_maps(struct map user, struct map group, const char **step)
{
    char text[64];
    /* Linux before 3.19 has no such file and needs none. */
    *step = "setgroups";
    if (write_own("/proc/self/setgroups", "deny") != 0 && errno != ENOENT)
        return -1;
    *step = "the map of user ids";
    snprintf(text, sizeof text, "%u %u 1\n", user.inside, user.outside);
    if (write_own("/proc/self/uid_map", text) != 0)
        return -1;
    *step = "the map of group ids";
    snprintf(text, sizeof text, "%u %u 1\n", group.inside, group.outside);
    return write_own("/proc/self/gid_map", text);
}

/* The map of a record; `caller` is the effective id, the only one that an ordinary user can map. */
static struct map map_of(const struct record *record, unsigned caller)
{
    struct map map = {.inside = (unsigned)field_number(field(record, 0), 10), .outside = caller};
    const char *outside = field(record, 1);
    if (strcmp(outside, "caller") != 0)
        map.outside = (unsigned)field_number(outside, 10);
    if (map.outside != caller && geteuid() != 0)
        fail("\"%s\" names the id %s of this machine, and yours is %u", record->kind->text, outside, caller);
    return map;
}

static void bring_loopback_up(void)
{
    CLOSING int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        fail_errno("cannot bring the loopback interface up");
}

void namespaces_enter(const struct launch *launch)
{
    static const struct {
        const char *name;
        int flag;
    } SPACES[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS},
                  {"net", CLONE_NEWNET}, {"cgroup", CLONE_NEWCGROUP}};
    const char *names = field(record_of(launch, UNSHARE), 0);
    const struct record *hostname = record_of(launch, HOSTNAME);
    const char *step = "new namespaces";
    struct map user = {0, 0}, group = {0, 0};
    int flags = 0;
    for (size_t i = 0; i < sizeof SPACES / sizeof SPACES[0]; i++)
        flags |= list_has(names, SPACES[i].name) ? SPACES[i].flag : 0;
    if (flags & CLONE_NEWUSER) { /* the ids are those of before */
        user = map_of(record_of(launch, UID_MAP), geteuid());
        group = map_of(record_of(launch, GID_MAP), getegid());
    }
    if (unshare(flags) != 0)
        refused(step, errno);
    if ((flags & CLONE_NEWUSER) && write_maps(user, group, &step) != 0)
        refused(step, errno);
    if (hostname != NULL && sethostname(field(hostname, 0), strlen(field(hostname, 0))) != 0)
        fail_errno("cannot set the host name \"%s\"", field(hostname, 0));
    if (record_of(launch, LOOPBACK) != NULL)
        bring_loopback_up();
}

int namespaces_try_user(const char **step)
{
    struct map user = {geteuid(), geteuid()}, group = {getegid(), getegid()};
    *step = "new namespaces";
    return unshare(CLONE_NEWUSER) != 0 ? -1 : write_maps(user, group, step);
}
