/* --landlock: the kernel refuses to open, run or change what lies outside of the root and the binds, whoever asks: also a guest that
 * jumps into the engine. It does not hide names: stat and chdir are not restricted. */
#include "../kernel/message.h"
#include "../paths/binds.h"
#include "launch.h"

#define VERSION_QUERY 1
#define RULE_PATH_BENEATH 1

#define ACCESS_EXECUTE 0x1UL
#define ACCESS_WRITE_FILE 0x2UL
#define ACCESS_READ_FILE 0x4UL
#define ACCESS_READ_DIR 0x8UL
#define ACCESS_ALL_1 0x1fffUL    /* ABI 1 */
#define ACCESS_REFER 0x2000UL    /* ABI 2: rename and link from one directory to another */
#define ACCESS_TRUNCATE 0x4000UL /* ABI 3 */
#define ACCESS_IOCTL_DEV 0x8000UL /* ABI 5 */
#define ACCESS_READING (ACCESS_EXECUTE | ACCESS_READ_FILE | ACCESS_READ_DIR)
#define ACCESS_OF_FILES (ACCESS_EXECUTE | ACCESS_WRITE_FILE | ACCESS_READ_FILE | ACCESS_TRUNCATE | ACCESS_IOCTL_DEV)

struct ruleset {
    u64 handled;
};
struct __attribute__((packed)) path_beneath {
    u64 allowed;
    i32 parent;
};

static void allow(int ruleset, int fd, u64 allowed)
{
    struct path_beneath rule = {allowed, fd};
    long error = KERNEL(landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    if (error)
        fail(STATUS_FAILED, "Landlock refuses a rule: ", error_words(error), NULL);
}

static void allow_bind(int ruleset, const struct bind *bind, u64 all)
{
    u64 allowed = bind->flags & BIND_READ_ONLY ? all & (ACCESS_READING | ACCESS_IOCTL_DEV) : all;
    int fd = bind->descriptor;
    if (bind->flags & BIND_FILE) {
        const char *host = container_text(bind->host);
        fd = (int)KERNEL(openat, AT_FDCWD, host, O_PATH | O_CLOEXEC, 0);
        allowed &= ACCESS_OF_FILES;
    }
    if (fd < 0)
        fail(STATUS_FAILED, "cannot open ", container_text(bind->host), ": ", error_words(fd), NULL);
    allow(ruleset, fd, allowed);
    if (bind->flags & BIND_FILE)
        KERNEL(close, fd);
}

void restrict_files(void)
{
    long version = KERNEL(landlock_create_ruleset, NULL, 0, VERSION_QUERY);
    if (version < 2)
        fail(STATUS_FAILED, version < 0 ? "this kernel has no Landlock" : "this kernel's Landlock allows no rename from one directory to another",
             ", so --landlock is not possible (5.19 or newer is needed)", NULL);
    u64 all = ACCESS_ALL_1 | ACCESS_REFER | (version >= 3 ? ACCESS_TRUNCATE : 0) | (version >= 5 ? ACCESS_IOCTL_DEV : 0);
    struct ruleset attributes = {all};
    long ruleset = KERNEL(landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (ruleset < 0)
        fail(STATUS_FAILED, "the kernel makes no Landlock rules: ", error_words(ruleset), NULL);
    for (u32 i = 0; i < container->bind_count; i++)
        allow_bind((int)ruleset, &container->binds[i], all);
    allow((int)ruleset, reserved_descriptor(RESERVED_LOADER), ACCESS_EXECUTE | ACCESS_READ_FILE);
    long error = KERNEL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!error)
        error = KERNEL(landlock_restrict_self, ruleset, 0);
    if (error)
        fail(STATUS_FAILED, "the kernel refuses Landlock's rules: ", error_words(error), NULL);
    KERNEL(close, ruleset);
}
