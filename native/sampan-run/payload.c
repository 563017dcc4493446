/* The order of a start: enter namespaces; open every path of the machine; cover the tree and mount the new root; mount into it;
 * change the root; set the process; exec. Until the root is mounted nothing has been changed that anybody else can see, and nothing
 * ever is: all mounts live in a namespace that ends with the payload. With `enter` there is a root already. */
#include "payload.h"

#include "binfmt.h"
#include "calls.h"
#include "check.h"
#include "descriptor.h"
#include "enter.h"
#include "message.h"
#include "mounts.h"
#include "namespaces.h"
#include "ownership.h"
#include "root.h"
#include "targets.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct root root;
static struct rlimit descriptors; /* the caller's, if they were raised */
static int directory = -1;        /* of the payload */

/* That of the file itself, not of a link to it. */
int start_base(const struct start *start)
{
    if (!start->launch->is_relative)
        return AT_FDCWD;
    char *real = realpath(start->path, NULL);
    if (real == NULL)
        fail_errno("cannot find the directory of %s", start->path);
    char *slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    int fd = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail_errno("cannot open %s", real);
    free(real);
    return fd;
}

/* Sources of binds are held open all at once; the payload gets the limit that the caller had. */
static void raise_descriptors(const struct launch *launch)
{
    struct rlimit limit = {0, 0};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < launch->count + 64 && limit.rlim_cur < limit.rlim_max) {
        struct rlimit high = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &high) == 0)
            descriptors = limit;
    }
}

/* The caller's directory is bound when all mounts are done, since one of them may show it already; but before one below it, which it
 * would cover. */
static void do_mounts(const struct start *start, int base)
{
    const struct launch *launch = start->launch;
    for (unsigned i = 0; i < launch->count; i++) {
        const struct record *record = &launch->records[i];
        const char *target;
        struct want want;
        if (record->kind->stage != STAGE_MOUNT)
            continue;
        if (record->kind->name == BINFMT) {
            binfmt_register(&root, record, base);
            continue;
        }
        if (target_of(record, &target, &want) && caller_is_above(&start->caller, target))
            caller_bind(&root, launch, &start->caller);
        mounts_do(&root, record);
    }
}

static void stay_in_root(const struct start *start)
{
    root.fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    root.writable = true; /* a directory may be made where the program that made the root lets it be */
    directory = process_directory(&root, start->launch, &start->caller);
}

static bool is_on_machine(const struct start *start)
{
    const struct launch *launch = start->launch;
    return record_of(launch, OUTSIDE) != NULL || (record_of(launch, ROOT_HOST) != NULL && !launch_on_host_as(launch, "inside"));
}

static void prepare_root(struct start *start)
{
    struct launch *launch = start->launch;
    const struct record *touch = NULL;
    /* Opened only now, since nothing can be bound out of the mount namespace that was left, and before the new one is cut off, so
     * that what an automounter mounts on the way still comes in. */
    int base = start_base(start);
    while ((touch = next_record_of(launch, touch, TOUCH)) != NULL)
        utimensat(base, field(touch, 0), NULL, 0);
    caller_keep(&start->caller, launch);
    mounts_open_sources(launch, base);
    root_open(&root, launch, base, start->path != NULL);
    mounts_cut_off(launch);
    root_cover(&root, base);
    root_mount(&root, targets_plan(&root, launch, caller_wants(&start->caller, launch)));
    do_mounts(start, base);
    directory = process_directory(&root, launch, &start->caller);
    mounts_finish(&root, launch);
    if (record_of(launch, OUTSIDE) != NULL)
        root_stand_in(&root);
    else
        root_enter(&root);
}

void payload_prepare(struct start *start, const struct mapper *mapper, int made)
{
    raise_descriptors(start->launch);
    ownership_open(start->launch, start_base(start));
    if (record_of(start->launch, ENTER) != NULL)
        enter_join(start->launch);
    if (record_of(start->launch, ROOT_HOST) != NULL && record_of(start->launch, UNSHARE) != NULL)
        namespaces_enter(start->launch, mapper, made);
    if (record_of(start->launch, ENTER) != NULL || record_of(start->launch, ROOT_HOST) != NULL) {
        stay_in_root(start);
        return;
    }
    namespaces_enter(start->launch, mapper, made);
    prepare_root(start);
    if (maps_are_nested(start->launch))
        maps_nest(start->launch);
}

void payload_join(const struct start *start, pid_t pid, unsigned long long begun)
{
    const struct record *unshare = record_of(start->launch, UNSHARE), *cwd = record_of(start->launch, CWD);
    if (unshare != NULL)
        enter_join_process(pid, begun, field(unshare, 0));
    root.fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *path = cwd != NULL ? field(cwd, 0) : *start->caller.path != '\0' ? start->caller.path : "/";
    directory = target_find(&root, path);
}

_Noreturn void payload_run(const struct start *start, char **words, pid_t parent, void (*before)(void))
{
    if (descriptors.rlim_max != 0 && setrlimit(RLIMIT_NOFILE, &descriptors) != 0)
        fail_errno("cannot give the payload its limit of descriptors back");
    process_set(start->launch, &start->caller, directory, parent);
    if (before != NULL)
        before();
    ownership_begin(start->launch);
    calls_refuse(start->launch);
    process_run(words, start->environment, is_on_machine(start));
}
