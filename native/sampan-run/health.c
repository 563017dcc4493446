/* A check is a child that joins the container as `enter` does. In an own pid namespace it starts the command in a child of its own, since
 * only that is inside, and waits for it. All of that is a session, so that what the command starts is ended with it, and so that it has no
 * terminal which could stop it; if the watcher is killed, PDEATHSIG kills the check, and then the command. */
#include "health.h"

#include "check.h"
#include "descriptor.h"
#include "environment.h"
#include "message.h"
#include "signals.h"
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { MAX_OUTPUT = 4096, FIXED_FIELDS = 4 };

static const struct start *start;
static int directory;
static pid_t container;
static unsigned long long container_start;

static int64_t interval, timeout, grace_end;
static long retries, streak;
static bool ever_well, unhealthy;

static pid_t running; /* a check, or 0 */
static bool timed_out;
static int64_t due; /* the next check, or the end of the running one */
static int output = -1;
static size_t length;
static char said[MAX_OUTPUT];

static void write_state(const int *status)
{
    static struct text text;
    const char *word = unhealthy ? "unhealthy" : ever_well ? "healthy" : "starting";
    text.length = 0;
    text_add(&text, "{\"format\":1,\"status\":\"%s\",\"streak\":%ld,\"checked\":", word, streak);
    text_add_moment(&text, status == NULL ? (struct timespec){0, 0} : moment_now());
    if (status == NULL)
        text_add(&text, ",\"exit\":null,\"output\":");
    else
        text_add(&text, ",\"exit\":%d,\"output\":", *status);
    text_add_string(&text, said, length);
    text_add(&text, "}\n");
    state_write(directory, "health", &text);
}

void health_start(const struct start *of, int in, pid_t pid, unsigned long long begun)
{
    const struct record *record = record_of(of->launch, HEALTH);
    if (record == NULL)
        return;
    start = of;
    directory = in;
    container = pid;
    container_start = begun;
    interval = field_milliseconds(field(record, 0));
    timeout = field_milliseconds(field(record, 1));
    retries = (long)field_number(field(record, 2), 10);
    grace_end = clock_now() + field_milliseconds(field(record, 3));
    due = clock_now() + interval;
    write_state(NULL);
}

static void die_with_check(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        _exit(EXIT_FAILED);
    signals_restore();
}

/* For a command that is a launcher: which container it is for. */
static void name_payload(void)
{
    static struct start named;
    static char variable[64];
    snprintf(variable, sizeof variable, "SAMPAN_PAYLOAD=%d %llu", (int)container, container_start);
    named = *start;
    named.environment = environment_with(start->environment, variable);
    start = &named;
}

static _Noreturn void check(char **words, int out)
{
    int status = 0;
    setsid();
    message_last(NULL);
    message_subject("the health check");
    message_output(STDERR_FILENO);
    CLOSING int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
        _exit(EXIT_FAILED);
    payload_join(start, container, container_start);
    if (launch_has_launcher(start->launch))
        name_payload();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* of the watcher */
    pid_t command = launch_has_namespace(start->launch, "pid") ? fork() : 0;
    if (command == 0)
        payload_run(start, words, 0, die_with_check);
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    while (command < 0 || (waitpid(command, &status, 0) < 0 && errno == EINTR)) {
        if (command < 0)
            _exit(EXIT_FAILED);
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void begin(void)
{
    const struct record *record = record_of(start->launch, HEALTH);
    int ends[2];
    unsigned count = record->count - FIXED_FIELDS;
    char **words = calloc(count + 1, sizeof *words);
    due = clock_now() + (timeout > 0 ? timeout : interval);
    timed_out = false;
    length = 0;
    if (words == NULL || pipe2(ends, O_CLOEXEC) != 0) {
        free(words);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        words[i] = (char *)(uintptr_t)field(record, i + FIXED_FIELDS);
    running = fork();
    if (running == 0)
        check(words, ends[1]);
    running = running < 0 ? 0 : running;
    free(words);
    close(ends[1]);
    output = ends[0];
    fcntl(output, F_SETFL, O_NONBLOCK);
}

static void kill_check(void)
{
    kill(-running, SIGKILL);
    kill(running, SIGKILL); /* if it has no session yet */
}

void health_collect(struct pollset *set)
{
    if (start == NULL)
        return;
    pollset_add(set, output, POLLIN);
    pollset_until(set, due);
}

/* What comes behind the first 4096 bytes is read and forgotten. */
static void read_output(void)
{
    char more[MAX_OUTPUT];
    ssize_t got = read(output, more, sizeof more);
    if (got > 0) {
        size_t room = sizeof said - length, kept = (size_t)got < room ? (size_t)got : room;
        memcpy(said + length, more, kept);
        length += kept;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close(output);
        output = -1;
    }
}

void health_dispatch(const struct pollset *set)
{
    if (start == NULL)
        return;
    if (output >= 0 && pollset_got(set, output) != 0)
        read_output();
    if (clock_now() < due)
        return;
    if (running == 0) {
        begin();
        return;
    }
    timed_out = true;
    due = clock_now() + interval;
    kill_check();
}

bool health_ended(pid_t pid, int status)
{
    if (running == 0 || pid != running)
        return false;
    running = 0;
    due = clock_now() + interval;
    for (int i = 0; output >= 0 && i < 16; i++)
        read_output();
    if (output >= 0)
        close(output);
    output = -1;
    int code = timed_out ? EXIT_TIMEOUT : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    bool counts = ever_well || clock_now() >= grace_end;
    if (code == 0) {
        streak = 0;
        ever_well = true;
        unhealthy = false;
    } else if (counts) {
        streak++;
        unhealthy = unhealthy || streak >= retries;
    }
    write_state(&code);
    return true;
}

void health_stop(void)
{
    if (running > 0) {
        kill_check();
        while (waitpid(running, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    running = 0;
    start = NULL;
}
