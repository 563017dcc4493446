/* sampan-run: carries out a launch file (docs/design/launch-file.md) and becomes the payload.
 *
 * The order of a start: read and check everything; enter namespaces; open every path of the machine; cover the tree and mount the
 * new root; mount into it; change the root; set the process; exec. Until the root is mounted nothing has been changed that anybody
 * else can see, and nothing ever is: all mounts live in a namespace that ends with the payload. */
#include "descriptor.h"
#include "environment.h"
#include "kernel.h"
#include "message.h"
#include "mounts.h"
#include "namespaces.h"
#include "probe.h"
#include "process.h"
#include "root.h"
#include "targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct launch launch; /* 10 MB of which only what the file fills is ever touched */

static _Noreturn void usage(void)
{
    fail("usage: sampan-run [--without=LIST] FILE [ARGUMENT...] | --fd=N [ARGUMENT...] | --check FILE | "
         "--probe DIR|memory | --version");
}

static void read_launch(int fd, const char *name)
{
    if (!launch_read(&launch, fd) && errno != 0)
        fail_errno("cannot read %s", name);
    if (launch.fault[0] != '\0' || !launch_check(&launch))
        fail("%s cannot be run: %s", name, launch.fault);
}

static void read_file(const char *path)
{
    CLOSING int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_errno("cannot read %s", path);
    launch.may_be_relative = true;
    read_launch(fd, path);
}

/* The directory that relative paths of the file begin at: that of the file itself, not of a link to it. */
static int directory_of(const char *path)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        fail_errno("cannot find the directory of %s", path);
    char *slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    int fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail_errno("cannot open %s", real);
    free(real);
    return fd;
}

static void check_owner(void)
{
    const struct record *owner = record_of(&launch, OWNER);
    if (owner == NULL || field_number(field(owner, 0), 10) == getuid())
        return;
    hint("make your own with `sampan wrap`");
    fail("this launch file belongs to user %s", field(owner, 0));
}

/* Sources of binds are held open all at once; the payload gets the limit that the caller had. */
static struct rlimit raise_descriptors(void)
{
    struct rlimit limit = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < launch.count + 64 && limit.rlim_cur < limit.rlim_max) {
        struct rlimit high = {limit.rlim_max, limit.rlim_max};
        setrlimit(RLIMIT_NOFILE, &high);
        return limit;
    }
    return (struct rlimit){0, 0};
}

/* The caller's directory is bound when all mounts are done, since one of them may show it already; but before one below it, which it
 * would cover. */
static void do_mounts(struct root *root, const struct caller *caller)
{
    for (unsigned i = 0; i < launch.count; i++) {
        const struct record *record = &launch.records[i];
        const char *target;
        struct want want;
        if (record->kind->stage != STAGE_MOUNT)
            continue;
        if (target_of(record, &target, &want) && caller_is_above(caller, target))
            caller_bind(root, &launch, caller);
        mounts_do(root, record);
    }
}

static _Noreturn void start(const char *path, char **words)
{
    static struct root root;
    static struct caller caller = {.parent = 0};
    const struct record *record = record_of(&launch, IMAGE);
    caller.parent = getppid();
    message_subject(record != NULL ? field(record, 0) : path);
    check_owner();
    char **all_words = arguments_make(&launch, words);
    char **environment = environment_make(&launch, environ);
    process_close_descriptors(&launch);
    struct rlimit descriptors = raise_descriptors();
    caller.umask = umask(0);

    namespaces_enter(&launch);
    /* Opened only now, since nothing can be bound out of the mount namespace that was left, and before the new one is cut off, so
     * that what an automounter mounts on the way still comes in. */
    int base = launch.is_relative ? directory_of(path) : AT_FDCWD;
    for (record = NULL; (record = next_record_of(&launch, record, TOUCH)) != NULL;)
        utimensat(base, field(record, 0), NULL, 0);
    caller_keep(&caller, &launch);
    mounts_open_sources(&launch, base);
    root_open(&root, &launch, base, path != NULL);
    mounts_cut_off(&launch);
    root_cover(&root, base);
    root_mount(&root, targets_plan(&root, &launch, caller_wants(&caller, &launch)));
    do_mounts(&root, &caller);
    int directory = process_directory(&root, &launch, &caller);
    mounts_finish(&root, &launch);
    root_enter(&root);

    if (descriptors.rlim_max != 0 && setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        fail_errno("cannot give the payload its limit of descriptors back");
    process_set(&launch, &caller, directory);
    process_run(all_words, environment);
}

static _Noreturn void start_descriptor(const char *text, char **words)
{
    char *end;
    long fd = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || fd > INT_MAX)
        usage();
    if (fd <= STDERR_FILENO)
        fail("--fd takes a descriptor above 2: the payload's streams stay what they are");
    lseek((int)fd, 0, SEEK_SET); /* who wrote a memfd stands at its end; a pipe does not mind */
    read_launch((int)fd, "the launch file");
    close((int)fd);
    start(NULL, words);
}

int main(int count, char **words)
{
    words++;
    count--;
    if (count > 0 && strncmp(*words, "--without=", 10) == 0) {
        if (!kernel_without(*words + 10))
            fail("--without takes overlay, mount_setattr, openat2, pivot_root and close_range, not \"%s\"", *words + 10);
        words++;
        count--;
    }
    if (count == 0)
        usage();
    if (strncmp(*words, "--fd=", 5) == 0)
        start_descriptor(*words + 5, words + 1);
    if (strcmp(*words, "--check") == 0 && count == 2) {
        read_file(words[1]);
        launch_print(&launch, stdout);
        if (fflush(stdout) != 0)
            fail_errno("cannot print the records");
        return 0;
    }
    if (strcmp(*words, "--probe") == 0 && count == 2)
        return probe(words[1]);
    if (strcmp(*words, "--version") == 0 && count == 1)
        return puts("sampan-run " SAMPAN_VERSION " format 1") < 0 ? EXIT_FAILED : 0;
    if (strncmp(*words, "--", 2) == 0)
        usage();
    read_file(*words);
    start(*words, words + 1);
}
