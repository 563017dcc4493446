/* sampan-run: carries out a launch file (docs/design/launch-file.md) and becomes the payload (payload.c), or stays as its watcher
 * (watch.c). Everything is read and checked before anything is done. */
#include "calls.h"
#include "check.h"
#include "descriptor.h"
#include "environment.h"
#include "init.h"
#include "kernel.h"
#include "message.h"
#include "payload.h"
#include "probe.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct launch launch; /* 10 MB of which only what the file fills is ever touched */

static _Noreturn void usage(void)
{
    fail("usage: sampan-run [--without=LIST] FILE [ARGUMENT...] | --fd=N [ARGUMENT...] | --check FILE | "
         "--probe DIR|memory | --probe-inside DIR | --version");
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

static void check_owner(void)
{
    const struct record *owner = record_of(&launch, OWNER);
    if (owner == NULL || field_number(field(owner, 0), 10) == getuid())
        return;
    hint("make your own with `sampan wrap`");
    fail("this launch file belongs to user %s", field(owner, 0));
}

static _Noreturn void start(const char *path, char **words)
{
    static struct start start = {.launch = &launch};
    const struct record *record = record_of(&launch, IMAGE), *ready = record_of(&launch, READY);
    start.path = path;
    start.caller.parent = getppid();
    message_subject(record != NULL ? field(record, 0) : path);
    check_owner();
    start.words = arguments_make(&launch, words);
    start.environment = environment_make(&launch, environ);
    process_close_descriptors(&launch, ready == NULL ? -1 : (int)field_number(field(ready, 0), 10));
    start.caller.umask = umask(0);
    if (launch_is_watched(&launch))
        watch(&start);

    struct mapper mapper = mapper_start(&launch, start_base(&start));
    payload_prepare(&start, &mapper, 0);
    mapper_reap(&mapper);
    payload_run(&start, start.words, record_of(&launch, DIE_WITH_PARENT) != NULL ? start.caller.parent : 0, NULL);
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
    init_words(words);
    words++;
    count--;
    if (count > 0 && strncmp(*words, "--without=", 10) == 0) {
        if (!kernel_without(*words + 10))
            fail("--without takes overlay, mount_setattr, openat2, pivot_root, close_range and binfmt, not \"%s\"", *words + 10);
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
    if (strcmp(*words, "--probe-inside") == 0 && count == 2)
        return calls_probe(words[1]);
    if (strcmp(*words, "--version") == 0 && count == 1)
        return puts("sampan-run " SAMPAN_VERSION " format 1") < 0 ? EXIT_FAILED : 0;
    if (strncmp(*words, "--", 2) == 0)
        usage();
    read_file(*words);
    start(*words, words + 1);
}
