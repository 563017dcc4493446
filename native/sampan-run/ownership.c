/* Theory of operation. With one mapped id the kernel refuses every chown to another, and package managers and tar end with an error. A
 * seccomp filter, which all descendants inherit, sends calls about owners to a process beside the payload (supervise.c), and answers
 * setuid and its kin with success right away: there is no other id to become, and what would run as another user runs as root.
 *
 * That process is made by the payload-to-be as the child of a child, so that the payload has no child that it does not know; it gets the
 * filter's listener through a socket. Kernels before 5.9 have no such listener, or no word of its end: there chown succeeds and is
 * forgotten, and a line says so. Inside of another container that does the same there can be no second listener, and need not be. */
#include "ownership.h"

#include "channel.h"
#include "descriptor.h"
#include "kernel.h"
#include "message.h"
#include "noted.h"
#include "supervise.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#if defined __x86_64__
enum { ARCHITECTURE = (int)0xc000003e };
#elif defined __aarch64__
enum { ARCHITECTURE = (int)0xc00000b7 };
#elif defined __powerpc64__ && defined __LITTLE_ENDIAN__
enum { ARCHITECTURE = (int)0xc0000015 };
#elif defined __riscv
enum { ARCHITECTURE = (int)0xc00000f3 };
#elif defined __s390x__
enum { ARCHITECTURE = (int)0x80000016 };
#else
enum { ARCHITECTURE = 0 };
#endif

/* As in linux/filter.h and linux/seccomp.h, which not every compiler for musl has. */
enum { LOAD = 0x20, IS = 0x15, IS_AT_LEAST = 0x35, AND = 0x54, RETURN = 0x06 };
enum { ALLOW = 0x7fff0000, SUCCEED = 0x00050000, NOTIFY = 0x7fc00000 };
enum { NEW_LISTENER = 1 << 3, WAIT_KILLABLE = 1 << 5 };
enum { AT_NUMBER = 0, AT_ARCHITECTURE = 4, AT_ARGUMENTS = 16, SECOND_SYSTEM = 0x40000000 };

struct step {
    uint16_t code;
    uint8_t yes, no;
    uint32_t value;
};

struct program {
    unsigned short count;
    struct step *steps;
};

static const int SUCCEEDING[] = {SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid,
                                 SYS_setfsgid, SYS_setgroups};
static const int CHANGING[] = {
#ifdef SYS_chown
    SYS_chown, SYS_lchown,
#endif
    SYS_fchown, SYS_fchownat};
static const int SHOWING[] = {
#ifdef SYS_stat
    SYS_stat, SYS_lstat,
#endif
    SYS_fstat, SYS_newfstatat, SYS_statx};

static int journal = -1;
static const char *image = NULL;
static uint64_t image_length;

void ownership_open(const struct launch *launch, int base)
{
    const struct record *record = record_of(launch, OWNERS);
    if (record == NULL)
        return;
    if (*field(record, 0) != '\0') {
        journal = openat(base, field(record, 0), O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (journal < 0)
            fail_errno("cannot open the journal of owners %s", field(record, 0));
    }
    CLOSING int fd = *field(record, 1) == '\0' ? -1 : openat(base, field(record, 1), O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        return; /* a cache: without it the image's own files are shown as root's */
    void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED || ((const char *)bytes)[st.st_size - 1] != '\0')
        return;
    image = bytes;
    image_length = (uint64_t)st.st_size;
}

static void add(struct program *program, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    program->steps[program->count++] = (struct step){code, yes, no, value};
}

static void add_calls(struct program *program, const int *calls, size_t count, uint32_t action)
{
    for (size_t i = 0; i < count; i++) {
        add(program, IS, (uint32_t)calls[i], 0, 1);
        add(program, RETURN, action, 0, 0);
    }
}

/* mknod whose mode, argument `argument`, is that of a device. The number is no longer loaded behind it. */
static void add_devices(struct program *program, int call, unsigned argument, uint32_t action)
{
    add(program, IS, (uint32_t)call, 0, 6);
    add(program, LOAD, AT_ARGUMENTS + argument * 8 + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0), 0, 0);
    add(program, AND, S_IFMT, 0, 0);
    add(program, IS, S_IFCHR, 1, 0);
    add(program, IS, S_IFBLK, 0, 1);
    add(program, RETURN, action, 0, 0);
    add(program, RETURN, ALLOW, 0, 0);
}

static int install(bool listens, unsigned flags)
{
    static struct step steps[80];
    struct program program = {0, steps};
    uint32_t action = listens ? NOTIFY : SUCCEED;
    add(&program, LOAD, AT_ARCHITECTURE, 0, 0);
    add(&program, IS, (uint32_t)ARCHITECTURE, 1, 0);
    add(&program, RETURN, ALLOW, 0, 0);
    add(&program, LOAD, AT_NUMBER, 0, 0);
    add(&program, IS_AT_LEAST, SECOND_SYSTEM, 0, 1);
    add(&program, RETURN, ALLOW, 0, 0);
    if (listens)
        add_calls(&program, SHOWING, sizeof SHOWING / sizeof SHOWING[0], NOTIFY);
    add_calls(&program, CHANGING, sizeof CHANGING / sizeof CHANGING[0], action);
    add_calls(&program, SUCCEEDING, sizeof SUCCEEDING / sizeof SUCCEEDING[0], SUCCEED);
#ifdef SYS_mknod
    add_devices(&program, SYS_mknod, 1, action);
#endif
    add_devices(&program, SYS_mknodat, 2, action);
    add(&program, RETURN, ALLOW, 0, 0);
    return (int)syscall(SYS_seccomp, 1, flags, &program); /* SECCOMP_SET_MODE_FILTER */
}

static bool kernel_can(void)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 && (major > 5 || (major == 5 && minor >= 9));
}

static _Noreturn void be_supervisor(int channel, int proc)
{
    struct message message;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    message_last(NULL);
    message_output(-1);
    setsid();
    prctl(PR_SET_NAME, "sampan-owners");
    prctl(PR_SET_PDEATHSIG, 0);
    if (!channel_receive(channel, &message) || message.passed < 0 || fchdir(proc) != 0)
        _exit(0);
    noted_journal(journal);
    noted_image(image, image_length);
    const int kept[] = {journal, message.passed};
    int low = kept[0] < kept[1] ? kept[0] : kept[1], high = kept[0] < kept[1] ? kept[1] : kept[0];
    /* Above all no stream of the payload stays open. */
    if (low < 0)
        low = high;
    for (int from = 0, next = low; from <= high; from = next + 1, next = high) {
        if (next > from)
            kernel_close_range((unsigned)from, (unsigned)next - 1);
    }
    kernel_close_range((unsigned)high + 1, ~0U);
    supervise(message.passed);
}

void ownership_begin(const struct launch *launch)
{
    int ends[2], status;
    if (record_of(launch, OWNERS) == NULL || ARCHITECTURE == 0)
        return;
    CLOSING int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!kernel_can() || proc < 0) {
        notice("owners that are set are not kept: %s", proc < 0 ? "there is no /proc inside" : "this kernel cannot tell of them (Linux 5.9 can)");
        if (install(false, 0) != 0)
            fail_errno("cannot set the filter of calls about owners");
        return;
    }
    channel_make(ends);
    pid_t between = fork();
    if (between == 0) {
        close(ends[0]);
        if (fork() == 0)
            be_supervisor(ends[1], proc);
        _exit(0);
    }
    close(ends[1]);
    if (between < 0)
        fail_errno("cannot start the process that notes owners");
    while (waitpid(between, &status, 0) < 0 && errno == EINTR) {
    }
    int listener = install(true, NEW_LISTENER | WAIT_KILLABLE);
    if (listener < 0 && errno == EINVAL)
        listener = install(true, NEW_LISTENER); /* before Linux 5.19 */
    if (listener < 0 && errno != EBUSY)
        fail_errno("cannot set the filter of calls about owners");
    if (listener >= 0) {
        channel_send(ends[0], WORD_GO, 0, listener);
        close(listener);
    }
    close(ends[0]);
}
