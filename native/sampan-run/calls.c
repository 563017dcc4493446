/* An engine that translates the paths of system calls does not know those that are younger than itself: they go past it, to this
 * machine's own files. (PRoot 5.1, which Debian has, is older than all of these.) Whether one does is tried on a directory of this machine that the
 * root around does not have, in a way that changes nothing if it is found. Those that do are made to fail as in an older kernel. */
#include "calls.h"

#include "descriptor.h"
#include "message.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#if defined __x86_64__
enum { ARCHITECTURE = (int)0xc000003e, RENAMEAT2 = 316, EXECVEAT = 322, STATX = 332 };
#elif defined __powerpc64__
enum { ARCHITECTURE = (int)0xc0000015, RENAMEAT2 = 357, EXECVEAT = 362, STATX = 383 };
#elif defined __s390x__
enum { ARCHITECTURE = (int)0x80000016, RENAMEAT2 = 347, EXECVEAT = 354, STATX = 379 };
#elif defined __aarch64__
enum { ARCHITECTURE = (int)0xc00000b7, RENAMEAT2 = 276, EXECVEAT = 281, STATX = 291 };
#else
enum { ARCHITECTURE = (int)0xc00000f3, RENAMEAT2 = 276, EXECVEAT = 281, STATX = 291 };
#endif
/* The same on every architecture. */
enum { IO_URING_SETUP = 425, OPEN_TREE = 428, OPENAT2 = 437, FACCESSAT2 = 439, FCHMODAT2 = 452, GETXATTRAT = 464 };
/* As in linux/filter.h and linux/seccomp.h, which not every compiler for musl has. */
enum { LOAD = 0x20, IS = 0x15, RETURN = 0x06, ALLOW = 0x7fff0000, FAIL = 0x00050000, SET_MODE_FILTER = 2, MOST = 16 };

struct step {
    uint16_t code;
    uint8_t yes, no;
    uint32_t value;
};

static bool is_open(long fd)
{
    if (fd >= 0)
        close((int)fd);
    return fd >= 0;
}

static bool statx_escapes(const char *outside)
{
    uint64_t status[64];
    return syscall(STATX, AT_FDCWD, outside, 0, 0x7ff, status) == 0;
}

static bool openat2_escapes(const char *outside)
{
    uint64_t how[3] = {O_PATH | O_CLOEXEC, 0, 0};
    return is_open(syscall(OPENAT2, AT_FDCWD, outside, how, sizeof how));
}

static bool faccessat2_escapes(const char *outside)
{
    return syscall(FACCESSAT2, AT_FDCWD, outside, F_OK, 0) == 0;
}

static bool fchmodat2_escapes(const char *outside)
{
    return syscall(FCHMODAT2, AT_FDCWD, outside, 0700, 0) == 0; /* the mode that it has */
}

static bool renameat2_escapes(const char *outside)
{
    char below[MAX_PATH];
    int length = snprintf(below, sizeof below, "%s/below", outside);
    return length < (int)sizeof below && syscall(RENAMEAT2, AT_FDCWD, outside, AT_FDCWD, below, 1) != 0 && errno == EINVAL;
}

static bool execveat_escapes(const char *outside)
{
    char *const none[] = {NULL};
    return syscall(EXECVEAT, AT_FDCWD, outside, none, none, 0) != 0 && errno == EACCES; /* a directory */
}

static bool open_tree_escapes(const char *outside)
{
    return is_open(syscall(OPEN_TREE, AT_FDCWD, outside, O_CLOEXEC));
}

static bool getxattrat_escapes(const char *outside)
{
    uint64_t arguments[2] = {0, 0};
    return syscall(GETXATTRAT, AT_FDCWD, outside, 0, "user.sampan", arguments, sizeof arguments) != 0 &&
           (errno == ENODATA || errno == EOPNOTSUPP);
}

/* The files that it opens are named in memory that nobody translates. */
static bool io_uring_escapes(const char *outside)
{
    uint64_t parameters[64] = {0};
    (void)outside;
    return is_open(syscall(IO_URING_SETUP, 1, parameters));
}

static const struct {
    const char *name;
    int number;
    bool (*escapes)(const char *outside);
} CALLS[] = {
    {"statx", STATX, statx_escapes},
    {"openat2", OPENAT2, openat2_escapes},
    {"faccessat2", FACCESSAT2, faccessat2_escapes},
    {"fchmodat2", FCHMODAT2, fchmodat2_escapes},
    {"renameat2", RENAMEAT2, renameat2_escapes},
    {"execveat", EXECVEAT, execveat_escapes},
    {"open_tree", OPEN_TREE, open_tree_escapes},
    {"getxattrat", GETXATTRAT, getxattrat_escapes},
    {"io_uring", IO_URING_SETUP, io_uring_escapes},
};
enum { COUNT = sizeof CALLS / sizeof CALLS[0] };

int calls_probe(const char *outside)
{
    printf("root %s\n", access(outside, F_OK) == 0 ? "escapes" : "ok");
    for (int i = 0; i < COUNT; i++)
        printf("%s %s\n", CALLS[i].name, CALLS[i].escapes(outside) ? "escapes" : "ok");
    return fflush(stdout) == 0 ? 0 : EXIT_FAILED;
}

void calls_refuse(const struct launch *launch)
{
    static struct step steps[4 + 2 * MOST];
    const struct record *record = record_of(launch, REFUSE_CALLS);
    struct {
        unsigned short count;
        struct step *steps;
    } program = {0, steps};
    if (record == NULL)
        return;
    steps[program.count++] = (struct step){LOAD, 0, 0, 4};
    steps[program.count++] = (struct step){IS, 1, 0, (uint32_t)ARCHITECTURE};
    steps[program.count++] = (struct step){RETURN, 0, 0, (uint32_t)ALLOW};
    steps[program.count++] = (struct step){LOAD, 0, 0, 0};
    for (int i = 0; i < COUNT; i++) {
        if (!list_has(field(record, 0), CALLS[i].name))
            continue;
        steps[program.count++] = (struct step){IS, 0, 1, (uint32_t)CALLS[i].number};
        steps[program.count++] = (struct step){RETURN, 0, 0, (uint32_t)FAIL | ENOSYS};
    }
    steps[program.count++] = (struct step){RETURN, 0, 0, (uint32_t)ALLOW};
    if (prctl(PR_SET_SECCOMP, SET_MODE_FILTER, &program, 0, 0) != 0)
        fail_errno("cannot set the filter of calls");
}
