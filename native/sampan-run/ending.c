/* `exit` is the last thing that is written: who reads it may start the container again at once, and must not find this run's socket,
 * helpers or control group. */
#include "ending.h"

#include "attach.h"
#include "cgroup.h"
#include "check.h"
#include "descriptor.h"
#include "helper_processes.h"
#include "kept.h"
#include "message.h"
#include "namespaces.h"
#include "remove.h"
#include "report.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const struct start *start;
static struct kept kept = KEPT_NONE;
static bool removes, under_map;
static struct outcome outcome = {.reason = "not-started"};
static struct text text;

int ending_keep(const struct start *of)
{
    const struct record *watch = record_of(of->launch, WATCH);
    const char *path = watch == NULL ? "" : field(watch, 1);
    start = of;
    if (*path == '\0')
        return -1;
    if (!kept_open(&kept, start_base(of), path))
        fail_errno("cannot use its directory %s", path);
    removes = launch_has_flag(of->launch, "remove");
    under_map = removes && record_of(of->launch, MAP_TOOLS) != NULL;
    return kept.directory;
}

int ending_directory(void)
{
    return kept.directory;
}

bool ending_needs_launch(void)
{
    return under_map;
}

void ending_payload_is(pid_t pid)
{
    outcome.pid = pid;
    outcome.start = state_start_time(pid);
    if (kept.directory < 0)
        return;
    state_payload(&text, pid, outcome.start);
    if (!state_write(kept.directory, "payload", &text))
        fail_errno("cannot write \"payload\" in its directory");
    unlinkat(kept.directory, "exit", 0); /* of an earlier run */
}

void ending_started(void)
{
    outcome.started = moment_now();
}

void ending_ended(int status, bool timed_out)
{
    outcome.finished = moment_now();
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    outcome.status = WIFSIGNALED(status) ? 128 + outcome.signal : WEXITSTATUS(status);
    outcome.reason = outcome.signal != 0 ? "signal" : "exited";
    if (timed_out) {
        outcome.status = EXIT_TIMEOUT;
        outcome.reason = "timeout";
    }
}

const struct text *ending_exit(void)
{
    state_exit(&text, &outcome);
    return &text;
}

void ending_tidy(void)
{
    attach_close();
    helpers_end();
    if (!cgroup_remove())
        notice("its control group cannot be removed: %s", strerror(errno));
}

/* In a user namespace with the payload's map: what it left may belong to other ids of that. */
static void remove_under_map(void)
{
    const char *step = "new namespaces";
    message_last(NULL);
    struct mapper mapper = mapper_start(start->launch, start_base(start));
    if (unshare(CLONE_NEWUSER) != 0)
        namespaces_refused(step, errno);
    mapper_ask(&mapper, getpid());
    if (mapper_finish(&mapper, start->launch, &step) != 0)
        namespaces_refused(step, errno);
    mapper_reap(&mapper);
    exit(remove_all(kept.parent, kept.name) ? 0 : EXIT_FAILED);
}

static void remove_directory(void)
{
    int status = 0;
    if (!kept_is_there(&kept))
        return;
    if (under_map) {
        pid_t child = fork();
        if (child == 0)
            remove_under_map();
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
    }
    if (!remove_all(kept.parent, kept.name))
        notice("its directory cannot be removed: %s", strerror(errno));
}

int ending_finish(void)
{
    if (removes)
        remove_directory();
    else if (kept.directory >= 0 && !state_write(kept.directory, "exit", ending_exit()))
        notice("cannot write \"exit\" in its directory: %s", strerror(errno));
    return outcome.status;
}

void ending_not_started(int status, const char *sentence)
{
    static char first[1024];
    outcome.finished = moment_now();
    outcome.status = status;
    snprintf(first, sizeof first, "%.*s", (int)strcspn(sentence, "\n"), sentence);
    outcome.message = first;
    if (status > 128)
        outcome.signal = status - 128;
    ending_tidy();
    attach_end(ending_exit()->bytes, ending_exit()->length);
    ending_finish();
    report_failed(status, sentence);
}
