/* Opens every host path before anything is changed: as the launcher sees it, by the host, or inside another container of this engine. */
#include "../exec/elf.h"
#include "../identity/owners.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/process.h"
#include "launch.h"

long open_host(const char *path, bool nested, bool *read_only)
{
    *read_only = false;
    if (!nested)
        return KERNEL(openat, AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
    struct place place;
    struct thread *thread = this_thread();
    char *mark = thread->arena;
    long error = find_object(AT_FDCWD, (u64)path, true, &place);
    long fd = error ? error : place_open(&place);
    if (fd >= 0) {
        keep_descriptor((int)fd);
        *read_only = place_writable(&place) != 0;
    }
    thread->arena = mark;
    return fd;
}

/* MACHINE=PROGRAM: the host's path of the program is kept, because it is executed as what it is. */
static void open_foreign(struct launch *launch)
{
    for (u32 i = 0; i < launch->foreign_count; i++) {
        const char *word = launch->foreign[i];
        size_t length = 0;
        bool read_only;
        while (word[length] && word[length] != '=')
            length++;
        u32 machine = elf_machine_number(word, length);
        if (!word[length] || !machine)
            fail(STATUS_FAILED, "--foreign takes MACHINE=PROGRAM, not ", word, NULL);
        launch->foreign_machine[i] = machine;
        launch->foreign_fd[i] = (int)open_host(word + length + 1, launch->nested, &read_only);
        if (launch->foreign_fd[i] < 0)
            fail(STATUS_FAILED, "cannot open ", word + length + 1, ": ", error_words(launch->foreign_fd[i]), NULL);
    }
}

static void open_caller_directory(struct launch *launch)
{
    char *path = (char *)KERNEL(mmap, 0, PATH_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    launch->caller_fd = (int)KERNEL(openat, AT_FDCWD, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (is_error((long)path) || launch->caller_fd < 0)
        return;
    if (launch->nested ? guest_path_of(AT_FDCWD, path) == 0 : host_path_of(AT_FDCWD, path) >= 0)
        launch->caller_path = *path ? path : "/";
}

/* A mount that is bound brings along what is mounted below it. Inside a container that means its binds: they are asked for anew. They lie
 * below the name: a tree that is the outer container's root too has none below the name by which the store knows it. */
static void open_binds_below(struct launch *launch, const char *host, const char *target)
{
    char guest[PATH_LIMIT];
    if (!launch->nested || canonical_directory(AT_FDCWD, host, guest))
        return;
    size_t length = strlen(guest), target_length = strlen(target);
    for (u32 i = container->bind_count; i-- > 0;) {
        const struct bind *bind = &container->binds[i];
        const char *place = container_text(bind->guest);
        if (bind->guest_length <= length || memcmp(place, guest, length) || place[length] != '/')
            continue;
        if (launch->opened_count == REQUEST_LIMIT)
            fail(STATUS_FAILED, "more than ", number_text(REQUEST_LIMIT), " binds", NULL);
        char *below = (char *)KERNEL(mmap, 0, PATH_LIMIT * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (is_error((long)below))
            fail(STATUS_FAILED, "out of memory", NULL);
        put_text(put_text(below, text_equal(target, "/") ? "" : target), place + length);
        long again = KERNEL(openat, AT_FDCWD, bind->host_length ? container_text(bind->host) : "/", O_PATH | O_CLOEXEC, 0);
        if (again < 0 || target_length > PATH_LIMIT)
            continue;
        launch->opened[launch->opened_count++] = (struct bind_request){
            .kind = REQUEST_BIND, .guest = below, .fd = (int)again, .read_only = bind->flags & BIND_READ_ONLY,
        };
    }
}

static void open_request(struct launch *launch, struct bind_request request)
{
    bool read_only = false;
    if (request.kind == REQUEST_BIND) {
        request.fd = (int)open_host(request.host, launch->nested, &read_only);
        request.read_only |= read_only;
        if (request.fd < 0 && !(request.optional && (request.fd == -ENOENT || request.fd == -ENOTDIR)))
            fail(STATUS_FAILED, "cannot bind ", request.host, ": ", error_words(request.fd), NULL);
        if (request.fd < 0)
            return;
    }
    if (launch->opened_count == REQUEST_LIMIT)
        fail(STATUS_FAILED, "more than ", number_text(REQUEST_LIMIT), " binds", NULL);
    launch->opened[launch->opened_count++] = request;
    if (request.kind == REQUEST_BIND)
        open_binds_below(launch, request.host, request.guest);
}

static void touch(const struct launch *launch)
{
    bool read_only;
    char link[40];
    long fd = open_host(launch->touch, launch->nested, &read_only);
    if (fd < 0)
        return;
    put_number(put_text(link, "/proc/self/fd/"), (u64)fd);
    KERNEL(utimensat, AT_FDCWD, link, NULL, 0);
    KERNEL(close, fd);
}

void launch_open(struct launch *launch, char **envp)
{
    bool read_only;
    scratch_find(launch, envp);
    launch->root_fd = (int)open_host(launch->root, launch->nested, &read_only);
    if (launch->root_fd == -ENOENT || launch->root_fd == -ENOTDIR) {
        if (launch->from_file)
            message_hint("make it again with `sampan wrap`");
        fail(STATUS_FAILED, "the image's tree is gone: there is no directory ", launch->root, NULL);
    }
    if (launch->root_fd < 0)
        fail(STATUS_FAILED, "cannot open the root directory ", launch->root, ": ", error_words(launch->root_fd), NULL);
    launch->root_read_only |= read_only;
    open_binds_below(launch, launch->root, "/");
    for (u32 i = 0; i < launch->request_count; i++)
        open_request(launch, launch->requests[i]);
    if (launch->touch)
        touch(launch);
    if (launch->options & OPTION_SHOWN_IDS)
        launch->owners_fd = (int)owners_open(launch->owners, launch->nested);
    /* A cache: without it the image's own files are shown as root's. */
    launch->image_owners_fd = launch->image_owners ? (int)open_host(launch->image_owners, launch->nested, &read_only) : -1;
    open_foreign(launch);
    open_caller_directory(launch);
}
