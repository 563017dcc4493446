/* Making namespaces. Machines refuse them in half a dozen ways with three error numbers; the reason is looked up afterwards, so that
 * a start that works pays nothing for it. */
#include "namespaces.h"

#include "check.h"
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
    if (says("/proc/sys/user/max_pid_namespaces", '0')) {
        hint(ADMINISTRATOR, "user.max_pid_namespaces=15000");
        return "this machine allows no pid namespaces (/proc/sys/user/max_pid_namespaces is 0)";
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

_Noreturn void namespaces_refused(const char *step, int error)
{
    const char *reason = namespaces_reason(error);
    fail("%s: %s%s%s", step, strerror(error), *reason == '\0' ? "" : ": ", reason);
}

static void bring_loopback_up(void)
{
    CLOSING int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0)
        fail_errno("cannot bring the loopback interface up");
}

int namespaces_flags(const struct launch *launch)
{
    static const struct {
        const char *name;
        int flag;
    } SPACES[] = {{"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC},
                  {"uts", CLONE_NEWUTS}, {"net", CLONE_NEWNET}, {"cgroup", CLONE_NEWCGROUP}};
    int flags = 0;
    for (size_t i = 0; i < sizeof SPACES / sizeof SPACES[0]; i++)
        flags |= launch_has_namespace(launch, SPACES[i].name) ? SPACES[i].flag : 0;
    return flags;
}

void namespaces_enter(const struct launch *launch, const struct mapper *mapper, int made)
{
    const struct record *hostname = record_of(launch, HOSTNAME);
    const char *step = "new namespaces";
    int flags = namespaces_flags(launch);
    if (mapper->socket >= 0)
        prctl(PR_SET_DUMPABLE, 1); /* newuidmap wants /proc/PID to belong to its caller */
    if (!(made & CLONE_NEWUSER)) {
        if (unshare(flags & ~made) != 0)
            namespaces_refused(step, errno);
        mapper_ask(mapper, getpid());
    }
    if ((flags & CLONE_NEWUSER) && mapper_finish(mapper, launch, &step) != 0)
        namespaces_refused(step, errno);
    if ((made & CLONE_NEWUSER) && unshare(flags & ~made) != 0)
        namespaces_refused(step, errno);
    if (hostname != NULL && sethostname(field(hostname, 0), strlen(field(hostname, 0))) != 0)
        fail_errno("cannot set the host name \"%s\"", field(hostname, 0));
    if (record_of(launch, LOOPBACK) != NULL)
        bring_loopback_up();
}

int namespaces_try_user(const char **step)
{
    unsigned uid = geteuid(), gid = getegid();
    *step = "new namespaces";
    return unshare(CLONE_NEWUSER) != 0 ? -1 : maps_write_own(uid, gid, uid, gid, step);
}
