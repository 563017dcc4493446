/* Since Linux 6.7 each user namespace has handlers of its own, which live as long as their file system is mounted: so it is mounted
 * where the payload's mounts keep it. The interpreter is opened by the kernel at registration (flag F), through the machine's root,
 * which is still ours; inside nothing of it has to exist. */
#include "binfmt.h"

#include "descriptor.h"
#include "kernel.h"
#include "message.h"
#include "targets.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

static const char PLACE[] = "/proc/sys/fs/binfmt_misc";
enum { PROC_MAGIC = 0x9fa0, LONGEST = 1900 /* the kernel takes less than 1,920 bytes */ };

int binfmt_try(const char *path)
{
    if (kernel_lacks(CALL_BINFMT)) {
        errno = EPERM;
        return -1;
    }
    return mount("binfmt_misc", path, "binfmt_misc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

static void mount_it(const struct root *root)
{
    static bool mounted;
    struct statfs fs;
    if (mounted)
        return;
    CLOSING int proc = target_find(root, "/proc");
    CLOSING int place = target_find(root, PLACE);
    if (proc < 0 || fstatfs(proc, &fs) != 0 || fs.f_type != PROC_MAGIC || place < 0)
        fail("\"binfmt\" needs /proc inside, and there is no %s", PLACE);
    if (binfmt_try(descriptor_path(place).text) != 0) {
        hint("programs for other machines need Linux 6.7 for that, or their interpreter in front of them");
        fail("this kernel does not let a user register interpreters: %s", strerror(errno));
    }
    mounted = true;
}

void binfmt_register(const struct root *root, const struct record *record, int base)
{
    const char *name = field(record, 0), *interpreter = field(record, 3);
    char text[2 * LONGEST], path[MAX_PATH];
    CLOSING int program = openat(base, interpreter, O_PATH | O_CLOEXEC);
    if (program < 0)
        fail_errno("cannot open the interpreter %s", interpreter);
    ssize_t length = readlink(descriptor_path(program).text, path, sizeof path - 1);
    if (length < 0)
        fail_errno("cannot find the interpreter %s", interpreter);
    path[length] = '\0';
    mount_it(root);
    char parted = strchr(path, ':') == NULL ? ':' : '|'; /* the first byte says what stands between the fields */
    int size = snprintf(text, sizeof text, "%c%s%cM%c%c%s%c%s%c%s%cF", parted, name, parted, parted, parted, field(record, 1), parted,
                        field(record, 2), parted, path, parted);
    if (size > LONGEST || strchr(path, parted) != NULL)
        fail("the path of the interpreter %s cannot be registered", interpreter);
    CLOSING int place = target_find(root, PLACE);
    CLOSING int file = place < 0 ? -1 : openat(place, "register", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, text, (size_t)size) != size)
        fail_errno("cannot register the interpreter %s", interpreter);
}
