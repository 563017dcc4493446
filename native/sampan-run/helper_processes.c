/* A helper says on the descriptor in SAMPAN_READY that it is ready, or why it never will be. If the descriptor closes before, its end
 * is waited for, since that says more. */
#include "helper_processes.h"

#include "descriptor.h"
#include "log.h"
#include "message.h"
#include "release.h"
#include "signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { MAX_HELPERS = 16, END_PATIENCE = 5000 };

static struct helper {
    const char *name;
    pid_t pid;      /* 0: it has ended */
    int ready;      /* from which it is read; -1: closed */
    bool is_ready;
    size_t length;  /* of `words` */
    char words[512];
} helpers[MAX_HELPERS];
static unsigned count;
static int output = -1; /* of all */

static _Noreturn void run(const struct record *record, int ready, int out, pid_t watcher)
{
    char variable[32];
    char **words = calloc(record->count, sizeof *words);
    CLOSING int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    message_last(NULL);
    if (words == NULL)
        _exit(EXIT_FAILED);
    for (unsigned i = 1; i < record->count; i++)
        words[i - 1] = (char *)(uintptr_t)field(record, i);
    snprintf(variable, sizeof variable, "%d", ready);
    bool set = setenv("SAMPAN_READY", variable, 1) == 0 && fcntl(ready, F_SETFD, 0) == 0;
    set = set && dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0;
    set = set && prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) == 0;
    if (set && getppid() == watcher) {
        descriptors_close_callers(ready);
        signals_restore();
        execvp(words[0], words);
    }
    dprintf(ready, "%s cannot be run: %s", words[0], strerror(errno));
    _exit(EXIT_NOT_FOUND);
}

void helpers_start(const struct start *start)
{
    int outputs[2], ends[2];
    const struct record *record = NULL;
    pid_t watcher = getpid();
    while ((record = next_record_of(start->launch, record, HELPER)) != NULL) {
        if (count == MAX_HELPERS)
            fail("it has more than %d helpers", MAX_HELPERS);
        if (pipe2(ends, O_CLOEXEC) != 0 || (count == 0 && pipe2(outputs, O_CLOEXEC) != 0))
            fail_errno("cannot make a pipe");
        struct helper *helper = &helpers[count++];
        *helper = (struct helper){.name = field(record, 0), .ready = ends[0]};
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        helper->pid = fork();
        if (helper->pid < 0)
            fail_errno("cannot start the helper %s", helper->name);
        if (helper->pid == 0)
            run(record, ends[1], outputs[1], watcher);
        close(ends[1]);
    }
    if (count == 0)
        return;
    close(outputs[1]);
    output = outputs[0];
    fcntl(output, F_SETFL, O_NONBLOCK);
}

bool helpers_are_ready(void)
{
    bool all = true;
    for (unsigned i = 0; i < count; i++)
        all &= helpers[i].is_ready;
    return all;
}

void helpers_collect(struct pollset *set)
{
    pollset_add(set, output, POLLIN);
    for (unsigned i = 0; i < count; i++)
        pollset_add(set, helpers[i].ready, POLLIN);
}

/* Everything that there is to read, to the end of the line. */
static void listen_to(struct helper *helper)
{
    ssize_t length;
    char *end;
    do {
        length = read(helper->ready, helper->words + helper->length, sizeof helper->words - 1 - helper->length);
        if (length < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        helper->length += length > 0 ? (size_t)length : 0;
        helper->words[helper->length] = '\0';
        end = strchr(helper->words, '\n');
    } while (end == NULL && length > 0 && helper->length < sizeof helper->words - 1);
    close(helper->ready);
    helper->ready = -1;
    if (end != NULL)
        *end = '\0';
    helper->is_ready = strcmp(helper->words, "ok") == 0;
    if (!helper->is_ready && *helper->words != '\0')
        fail("its helper %s: %s", helper->name, helper->words);
}

void helpers_dispatch(const struct pollset *set, void (*say)(const char *bytes, size_t length))
{
    char bytes[4096 + LOG_SLACK];
    if (pollset_got(set, output) != 0) {
        ssize_t length = read(output, bytes, sizeof bytes - LOG_SLACK);
        if (length > 0)
            say(bytes, (size_t)length);
        if (length == 0) {
            close(output);
            output = -1;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (pollset_got(set, helpers[i].ready) != 0)
            listen_to(&helpers[i]);
    }
}

bool helpers_has(pid_t pid)
{
    bool has = false;
    for (unsigned i = 0; i < count; i++)
        has |= helpers[i].pid == pid;
    return has;
}

bool helpers_ended(pid_t pid, int status)
{
    for (unsigned i = 0; i < count; i++) {
        struct helper *helper = &helpers[i];
        if (helper->pid != pid)
            continue;
        helper->pid = 0;
        if (helper->ready >= 0)
            listen_to(helper);
        if (!helper->is_ready && WIFSIGNALED(status))
            fail("its helper %s was ended by signal %d before it was ready", helper->name, WTERMSIG(status));
        if (!helper->is_ready)
            fail("its helper %s ended with status %d before it was ready", helper->name, WEXITSTATUS(status));
        return true;
    }
    return false;
}

static bool any_left(void)
{
    bool left = false;
    for (unsigned i = 0; i < count; i++) {
        if (helpers[i].pid > 0 && waitpid(helpers[i].pid, NULL, WNOHANG) != 0)
            helpers[i].pid = 0;
        left |= helpers[i].pid > 0;
    }
    return left;
}

static void signal_all(int number)
{
    for (unsigned i = 0; i < count; i++) {
        if (helpers[i].pid > 0)
            kill(helpers[i].pid, number);
    }
}

void helpers_end(void)
{
    const struct timespec moment = {0, 2000000};
    int64_t until = clock_now() + END_PATIENCE;
    signal_all(SIGTERM);
    while (any_left() && clock_now() < until)
        nanosleep(&moment, NULL);
    signal_all(SIGKILL);
    while (any_left())
        nanosleep(&moment, NULL);
}
