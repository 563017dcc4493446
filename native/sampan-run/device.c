/* Device nodes cannot be made in a user namespace; those of the machine are bound on empty files. One that the machine lacks (no
 * terminal driver, say) is left out. */
#include "device.h"

#include "descriptor.h"
#include "message.h"
#include "targets.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static void bind_device(int top, const char *name)
{
    CLOSING int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLOSING int source = dev < 0 ? -1 : openat(dev, name, O_PATH | O_CLOEXEC);
    if (source < 0)
        return;
    if (mknodat(top, name, S_IFREG | 0666, 0) != 0 ||
        mount(descriptor_path(source).text, entry_path(top, name).text, NULL, MS_BIND, NULL) != 0)
        fail_errno("cannot bind /dev/%s", name);
}

static void make_mount(int top, const char *name, const char *source, const char *type, const char *options)
{
    unsigned long flags = MS_NOSUID | MS_NOEXEC | (strcmp(type, "devpts") == 0 ? 0 : MS_NODEV);
    if (mkdirat(top, name, 0755) != 0 || mount(source, entry_path(top, name).text, type, flags, options) != 0)
        fail_errno("cannot mount a %s at /dev/%s", type, name);
}

/* A fresh one belongs to the own ipc namespace; without one the machine's is bound. */
static void make_mqueue(int top)
{
    CLOSING int source = open("/dev/mqueue", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat(top, "mqueue", 0755) != 0)
        fail_errno("cannot make /dev/mqueue");
    struct entry_path target = entry_path(top, "mqueue");
    if (mount("mqueue", target.text, "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 || source < 0)
        return;
    if (mount(descriptor_path(source).text, target.text, NULL, MS_BIND, NULL) != 0)
        fail_errno("cannot bind /dev/mqueue");
}

void device_fill(const struct root *root, int top)
{
    static const char *const DEVICES[] = {"null", "zero", "full", "random", "urandom", "tty"};
    static const char *const LINKS[][2] = {{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
                                           {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}};
    for (size_t i = 0; i < sizeof DEVICES / sizeof DEVICES[0]; i++)
        bind_device(top, DEVICES[i]);
    for (size_t i = 0; i < sizeof LINKS / sizeof LINKS[0]; i++) {
        if (symlinkat(LINKS[i][1], top, LINKS[i][0]) != 0)
            fail_errno("cannot make the link /dev/%s", LINKS[i][0]);
    }
    make_mount(top, "pts", "devpts", "devpts", DEVPTS_OPTIONS);
    make_mount(top, "shm", root->label, "tmpfs", "mode=1777,size=67108864");
    CLOSING int shm = openat(top, "shm", O_PATH | O_DIRECTORY | O_CLOEXEC);
    targets_add_own(shm);
    make_mqueue(top);
}
