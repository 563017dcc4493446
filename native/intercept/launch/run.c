/* The payload's directory and its first program, with the reasons when it cannot be run. */
#include "../exec/elf.h"
#include "../exec/exec.h"
#include "../kernel/message.h"
#include "../kernel/text.h"
#include "../paths/place.h"
#include "../threads/process.h"
#include "launch.h"

static bool same_directory(int one, int other)
{
    struct stat a, b;
    return !KERNEL(fstat, one, &a) && !KERNEL(fstat, other, &b) && a.dev == b.dev && a.ino == b.ino && (a.mode & S_IFMT) == S_IFDIR;
}

/* A directory as the guest sees it; `*bind` is the bind it lies in. */
static long open_inside(const char *path, int *bind)
{
    struct place place;
    long error = find_object(AT_FDCWD, (u64)path, true, &place);
    long fd = error ? error : place_open(&place);
    *bind = error ? -1 : place.bind;
    return fd;
}

static void enter(int fd, int bind, const char *path)
{
    long error = KERNEL(fchdir, fd);
    if (error == -ENOTDIR)
        fail(STATUS_FAILED, path, " is not a directory inside", NULL);
    if (error)
        fail(STATUS_FAILED, "cannot enter the directory ", path, ": ", error_words(error), NULL);
    process.directory_bind = bind;
}

static void enter_or_refuse(const char *path)
{
    int bind;
    long fd = open_inside(path, &bind);
    if (fd == -ENOENT || fd == -ENOTDIR)
        fail(STATUS_FAILED, "the directory ", path, " does not exist inside", NULL);
    if (fd < 0)
        fail(STATUS_FAILED, "cannot enter the directory ", path, ": ", error_words(fd), NULL);
    enter((int)fd, bind, path);
}

/* The binding of a missing one was done by the builder. */
static void enter_callers(const struct launch *launch)
{
    int bind;
    long there = launch->caller_path ? open_inside(launch->caller_path, &bind) : -ENOENT;
    bool same = there >= 0 && same_directory((int)there, launch->caller_fd);
    bool other = there >= 0 && !same && launch->bind_directory && same_directory((int)there, (int)there);
    if (other && !text_equal(launch->caller_path, "/"))
        message(launch->caller_path, " is the image's own directory here, not this machine's", NULL);
    if (same || other)
        enter((int)there, bind, launch->caller_path);
    else
        enter_or_refuse(launch->directory_else);
}

void enter_directory(struct launch *launch)
{
    int bind;
    if (launch->caller_directory) {
        enter_callers(launch);
    } else if (launch->directory && launch->directory_else) {
        long fd = open_inside(launch->directory, &bind);
        if (fd >= 0 && same_directory((int)fd, (int)fd))
            enter((int)fd, bind, launch->directory);
        else
            enter_or_refuse(launch->directory_else);
    } else {
        enter_or_refuse(launch->directory ? launch->directory : "/");
    }
}

/* --- why it cannot be run --- */

/* The helper that `path` needs, and that is not there or cannot be run. */
static void blame(const char *path, const char *what, const char *name, long error)
{
    size_t length = strlen(name);
    if (error == -ENOENT || error == -ENOTDIR) {
        if (length && name[length - 1] == '\r')
            message_hint("the file has the line ends of Windows; `sed -i 's/\\r$//'` takes them away");
        fail(STATUS_NOT_FOUND, what, " ", name, " of ", path, " does not exist inside", NULL);
    }
    fail(STATUS_NOT_EXECUTABLE, what, " ", name, " of ", path, " cannot be run: ", error_words(error), NULL);
}

static _Noreturn void explain_missing(const char *path, long error)
{
    char target[PATH_LIMIT];
    struct place place;
    if (error != -ENOENT && error != -ENOTDIR)
        fail(STATUS_NOT_EXECUTABLE, path, " cannot be run: ", error_words(error), NULL);
    long size = find_object(AT_FDCWD, (u64)path, false, &place) ? -1 : KERNEL(readlinkat, place.fd, place.name, target, sizeof target - 1);
    if (size <= 0)
        fail(STATUS_NOT_FOUND, "there is no program ", path, " inside", NULL);
    target[size] = 0;
    fail(STATUS_NOT_FOUND, path, " is a link to ", target, ", which does not exist inside", NULL);
}

static _Noreturn void explain(const char *path, long error)
{
    struct place place;
    struct stat status;
    char mode[16];
    if (error == -E2BIG)
        fail(STATUS_NOT_EXECUTABLE, "the arguments and the environment of ", path, " are longer than the kernel takes", NULL);
    if (exec_failure.what)
        blame(path, exec_failure.what, exec_failure.name, error);
    long found = find_object(AT_FDCWD, (u64)path, true, &place);
    if (!found)
        found = KERNEL(newfstatat, place.fd, place.name, &status, place_flags(&place));
    if (found)
        explain_missing(path, found);
    if ((status.mode & S_IFMT) == S_IFDIR)
        fail(STATUS_NOT_EXECUTABLE, path, " is a directory", NULL);
    if ((status.mode & S_IFMT) != S_IFREG)
        fail(STATUS_NOT_EXECUTABLE, path, " is not a regular file", NULL);
    put_octal(mode, status.mode & 07777);
    if (error == -EACCES)
        fail(STATUS_NOT_EXECUTABLE, path, " is not executable (its mode is 0", mode, ")", NULL);
    if (exec_failure.machine) {
        message_hint("choose the image's variant for this machine with --platform, or an engine that runs it: proot, vm");
        fail(STATUS_NOT_EXECUTABLE, path, " is a program for ", exec_failure.machine,
             ", and the interception engine runs programs for " MACHINE_NAME, NULL);
    }
    if (error == -ENOEXEC)
        fail(STATUS_NOT_EXECUTABLE, path, " is neither a program nor a script that begins with #!", NULL);
    fail(STATUS_NOT_EXECUTABLE, path, " cannot be run: ", error_words(error), NULL);
}

/* --- the first exec --- */

static long try(struct launch *launch, const char *path)
{
    struct thread *thread = this_thread();
    char *mark = thread->arena;
    long error = exec_program(AT_FDCWD, (u64)path, launch->argv, launch->variables, 0);
    release_held(thread, 0);
    thread->arena = mark;
    return error;
}

static bool is_there(const char *path)
{
    struct stat status;
    struct place place;
    struct thread *thread = this_thread();
    char *mark = thread->arena;
    bool found = !find_object(AT_FDCWD, (u64)path, true, &place) && !KERNEL(newfstatat, place.fd, place.name, &status, place_flags(&place));
    release_held(thread, 0);
    thread->arena = mark;
    return found;
}

/* What may not be run does not hide a program of the same name further on, as in every shell. */
void run_first(struct launch *launch)
{
    static const char standard[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const char *word = launch->argv[0], *list = get_variable(launch, "PATH");
    if (base_offset(word, strlen(word)))
        explain(word, try(launch, word));
    const char *searched = list = list ? list : standard;
    char path[PATH_LIMIT], denied[PATH_LIMIT] = "";
    while (list) {
        size_t length = 0;
        while (list[length] && list[length] != ':')
            length++;
        bool fits = length + strlen(word) + 3 <= PATH_LIMIT;
        if (fits) {
            memcpy(path, list, length);
            put_text(put_text(path + length, length ? "/" : "./"), word);
        }
        list = list[length] ? list + length + 1 : NULL;
        if (!fits || !is_there(path))
            continue;
        long error = try(launch, path);
        if (error != -EACCES || exec_failure.what)
            explain(path, error);
        if (!*denied)
            put_text(denied, path);
    }
    if (*denied)
        explain(denied, -EACCES);
    fail(STATUS_NOT_FOUND, "there is no program \"", word, "\" inside in any directory of PATH (", searched, ")", NULL);
}
