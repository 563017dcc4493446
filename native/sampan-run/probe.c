/* By behaviour: an overlay that could be mounted may still be unable to delete (no whiteouts on the upper file system) or to hide
 * (no user.* attributes for opaque directories). A child does it all in namespaces of its own, in one new directory below the place;
 * its mounts go with it, and the parent removes the directory. */
#include "probe.h"

#include "binfmt.h"
#include "descriptor.h"
#include "kernel.h"
#include "message.h"
#include "namespaces.h"
#include "remove.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char OVERLAY_OPTIONS[] = "lowerdir=lower,upperdir=upper,workdir=work";

/* One line of the answer; 0 = ok, -1 = errno, -2 = it went through but did not do what it must. */
static int answer(const char *name, int result)
{
    if (result == 0)
        printf("%s ok\n", name);
    else if (result == -1)
        printf("%s %d %s\n", name, errno, strerror(errno));
    else
        printf("%s 0 it does not work as it must\n", name);
    fflush(stdout);
    return result;
}

static int write_file(const char *path)
{
    CLOSING int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 || write(fd, "x", 1) != 1 ? -1 : 0;
}

static int make_layers(void)
{
    static const char *const DIRECTORIES[] = {"lower", "upper", "work", "merged", "lower/opaque", "lower/rename"};
    for (size_t i = 0; i < sizeof DIRECTORIES / sizeof DIRECTORIES[0]; i++) {
        if (mkdir(DIRECTORIES[i], 0700) != 0)
            return -1;
    }
    return write_file("lower/whiteout") != 0 || write_file("lower/opaque/old") != 0 || write_file("lower/rename/old") != 0 ? -1 : 0;
}

static int try_overlay(void)
{
    static char options[128];
    if (kernel_lacks(CALL_OVERLAY)) {
        errno = ENODEV;
        return -1;
    }
    snprintf(options, sizeof options, "userxattr,%s", OVERLAY_OPTIONS);
    if (mount("sampan", "merged", "overlay", 0, options) == 0)
        return 0;
    return errno == EINVAL ? mount("sampan", "merged", "overlay", 0, OVERLAY_OPTIONS) : -1;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int try_whiteout(void)
{
    if (unlink("merged/whiteout") != 0)
        return -1;
    return exists("merged/whiteout") ? -2 : 0;
}

static int try_opaque(void)
{
    if (unlink("merged/opaque/old") != 0 || rmdir("merged/opaque") != 0 || mkdir("merged/opaque", 0700) != 0)
        return -1;
    return exists("merged/opaque/old") ? -2 : 0;
}

static int try_rename(void)
{
    if (rename("merged/rename", "merged/renamed") != 0)
        return errno == EXDEV ? 0 : -1;
    return exists("merged/renamed/old") ? 0 : -2;
}

static int try_openat2(void)
{
    CLOSING int fd = kernel_open_in_root(AT_FDCWD, "/", O_PATH);
    return fd < 0 ? -1 : 0;
}

static int try_mount_setattr(void)
{
    CLOSING int before = open("lower", O_PATH | O_CLOEXEC);
    if (before < 0 || mount("lower", "lower", NULL, MS_BIND, NULL) != 0)
        return -1;
    CLOSING int fd = open("lower", O_PATH | O_CLOEXEC);
    if (fd < 0 || kernel_set_flags(fd, MS_RDONLY) != 0)
        return -1;
    return write_file("lower/protected") == 0 ? -2 : 0;
}

/* A fresh /proc, tried by a child: only that is in the new namespace. The kernel refuses it where parts of this machine's are covered. */
static int try_proc(void)
{
    int status = 0;
    if (mkdir("proc", 0700) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0)
        _exit(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 ? 0 : errno);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child > 0 && WIFEXITED(status))
        errno = WEXITSTATUS(status);
    return child > 0 && status == 0 ? 0 : -1;
}

static int try_binfmt(void)
{
    return mkdir("binfmt", 0700) != 0 ? -1 : binfmt_try("binfmt");
}

/* An existing directory to cover with a tmpfs: any but the root, whose cover cannot be reached. */
static int enter_memory(void)
{
    static const char *const PLACES[] = {"/tmp", "/var", "/usr", "/etc"};
    for (size_t i = 0; i < sizeof PLACES / sizeof PLACES[0]; i++) {
        if (mount("sampan", PLACES[i], "tmpfs", 0, "mode=0700") == 0)
            return chdir(PLACES[i]);
    }
    return -1;
}

static void all_answer(int error, const char *const *names)
{
    for (; *names != NULL; names++) {
        errno = error;
        answer(*names, -1);
    }
}

static void try_layers(void)
{
    static const char *const AFTER_OVERLAY[] = {"whiteout", "opaque", "rename", NULL}, *const AFTER_PID[] = {"proc", NULL};
    if (answer("overlay", make_layers() == 0 ? try_overlay() : -1) != 0) {
        all_answer(errno, AFTER_OVERLAY);
    } else {
        answer("whiteout", try_whiteout());
        answer("opaque", try_opaque());
        answer("rename", try_rename());
    }
    answer("mount_setattr", try_mount_setattr());
    if (answer("pid-namespace", unshare(CLONE_NEWPID)) != 0)
        all_answer(errno, AFTER_PID);
    else
        answer("proc", try_proc());
    answer("binfmt", try_binfmt());
}

/* `place` is where the layers go, in the new directory `name`, or NULL for memory. It is opened in the new namespace: nothing can be
 * mounted in the one that was left. */
static void try_all(const char *place, const char *name)
{
    static const char *const AFTER_USER[] = {"mount-namespace", "overlay", "whiteout", "opaque", "rename", "mount_setattr",
                                             "pid-namespace", "proc", "binfmt", NULL};
    const char *step;
    answer("openat2", try_openat2());
    if (answer("user-namespace", namespaces_try_user(&step)) != 0) {
        all_answer(errno, AFTER_USER);
        return;
    }
    bool own = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    bool there = own && (place == NULL ? enter_memory() == 0 : chdir(place) == 0 && chdir(name) == 0);
    if (answer("mount-namespace", there ? 0 : -1) != 0)
        all_answer(errno, AFTER_USER + 1);
    else
        try_layers();
}

int probe(const char *place)
{
    bool memory = strcmp(place, "memory") == 0;
    char name[32];
    CLOSING int parent = memory ? -1 : open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(name, sizeof name, ".sampan-probe.%d", (int)getpid());
    if (!memory && (parent < 0 || mkdirat(parent, name, 0700) != 0))
        fail_errno("cannot try anything out in %s", place);
    pid_t child = fork();
    if (child == 0) {
        try_all(memory ? NULL : place, name);
        _exit(0);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!memory)
        remove_all(parent, name);
    if (child < 0 || !WIFEXITED(status))
        fail("the process that tries things out did not end well");
    return 0;
}
