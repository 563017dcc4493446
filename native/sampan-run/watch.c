/* Theory of operation. One process, one thread, one loop: every signal, every word from the child, all output, all clients and all
 * timers come through one poll(). The phases follow each other and none comes back:
 *
 *   HELPERS    the helpers are not all ready yet
 *   STARTING   the child is on its way to the payload; the pipe `words` closes when it is executed or has failed
 *   RUNNING
 *   DRAINING   the payload has ended; what is left in its pipes is read, for a bounded time
 *   FAREWELL   the attached clients take the rest
 *
 * Then the watcher tidies up: helpers, control group, terminal, `exit` as the last thing it writes (who reads it may start again at
 * once), and its directory if asked to.
 *
 * The watcher never enters a namespace and never changes its root: it sees the machine as its caller does, so its files, sockets and
 * groups need no care. A failure before the payload runs ends the program by fail(), here or in the child; here `give_up` tidies up. */
#include "watch.h"

#include "attach.h"
#include "capture.h"
#include "cgroup.h"
#include "channel.h"
#include "check.h"
#include "descriptor.h"
#include "ending.h"
#include "family.h"
#include "health.h"
#include "helper_processes.h"
#include "message.h"
#include "release.h"
#include "report.h"
#include "signals.h"
#include "spawn.h"
#include "terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { DRAIN_PATIENCE = 1000 };

static struct {
    struct start *start;
    bool detached, logs, captured, has_init, joins_pids;
    bool has_launcher, has_parent; /* the child only starts the payload; as its parent, which passes no signal on */
    bool ends_all;                 /* what starts this watcher waits for all that it has below it */
    int stop_signal;
    int64_t grace, limit; /* milliseconds */
    struct streams streams;
    struct child child;
    enum { HELPERS, STARTING, RUNNING, DRAINING, FAREWELL, OVER } phase;
    int signals;
    bool was_in_front;      /* of the terminal */
    bool has_status, timed_out, killing;
    int status;             /* wait status of the payload */
    int interrupted;        /* by this signal, before the payload ran */
    int64_t due;            /* stop, kill, or the end of the phase */
    size_t said;            /* bytes of `words` */
    char words[12000];
} self;

/* A line about the payload, wherever one can be read. */
static void say(const char *sentence)
{
    char line[600];
    snprintf(line, sizeof line, "sampan: %s", sentence);
    log_say(line);
    if (!self.detached)
        notice("%s", sentence);
}

static void pass_on_helpers(const char *bytes, size_t length)
{
    bool silent = self.detached && self.phase >= RUNNING;
    if (silent)
        log_take(STREAM_HELPERS, bytes, length);
    else if (write(STDERR_FILENO, bytes, length) < 0)
        return; /* nobody listens */
}

/* A signal for the payload. */
static void send(int number)
{
    pid_t pid = self.has_parent ? family_child(self.child.pid) : self.child.pid;
    if (pid > 0)
        kill(pid, number);
}

static void kill_all(void)
{
    cgroup_kill();
    if (self.child.setup > 0)
        kill(self.child.setup, SIGKILL);
    if (self.child.pid > 0)
        kill(self.child.pid, SIGKILL);
    if (self.limit > 0 && !self.has_init)
        family_kill(helpers_has);
}

/* LIMIT and GRACE are over. */
static void kill_whole_tree(void)
{
    self.killing = true;
    if (self.joins_pids && self.child.pid > 0)
        family_kill_below(self.child.pid);
    kill_all();
}

/* fail() was called, here, before the payload ran. */
static void give_up(int status, const char *text)
{
    message_last(NULL);
    kill_all();
    ending_not_started(status, text);
}

static void read_options(const struct launch *launch)
{
    static const char *const FLAGS[] = {"logs", "detach", "pty"};
    bool *const goals[] = {&self.logs, &self.detached, &self.streams.terminal};
    const struct record *watch = record_of(launch, WATCH);
    for (int i = 0; i < 3; i++)
        *goals[i] = launch_has_flag(launch, FLAGS[i]);
    self.stop_signal = watch == NULL ? SIGTERM : (int)field_number(field(watch, 2), 10);
    self.grace = watch == NULL ? 0 : field_milliseconds(field(watch, 3));
    self.limit = watch == NULL ? 0 : field_milliseconds(field(watch, 4));
    self.captured = self.logs || self.streams.terminal || record_of(launch, ATTACH) != NULL;
    self.streams.session = self.detached || self.streams.terminal;
    self.has_launcher = launch_has_launcher(launch);
    self.has_parent = launch_on_host_as(launch, "parent");
    self.ends_all = launch_on_host_as(launch, "inside");
    self.joins_pids = launch_has_namespace(launch, "pid") && record_of(launch, ENTER) != NULL;
    self.has_init = launch_has_namespace(launch, "pid") && !self.joins_pids;
}

static void open_all(const struct start *start)
{
    const struct record *attach = record_of(start->launch, ATTACH), *size = record_of(start->launch, LOG_SIZE);
    int directory = ending_keep(start);
    cgroup_keep(start);
    if (self.logs)
        log_open(directory, size == NULL ? 10000000 : field_number(field(size, 0), 10),
                 size == NULL ? 3 : (unsigned)field_number(field(size, 1), 10));
    if (attach != NULL)
        attach_listen(field(attach, 0));
    self.signals = signals_open();
    self.was_in_front = !self.detached && terminal_is_ours();
    /* Orphans of a payload without an init come to us, where a time limit finds them, or the payload's end. */
    if (self.ends_all || (self.limit > 0 && !self.has_init))
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static void choose_streams(const struct launch *launch)
{
    struct streams *streams = &self.streams;
    int null = self.captured || self.detached ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    streams->in = streams->out = streams->err = null;
    if (self.captured && !streams->terminal)
        attach_input(capture_make(streams, launch_has_flag(launch, "stdin")), false);
}

static void payload_is(pid_t pid)
{
    self.child.pid = pid;
    ending_payload_is(pid);
    channel_send(self.child.channel, WORD_GO, 0, -1);
}

static void begin_start(void)
{
    self.phase = STARTING;
    choose_streams(self.start->launch);
    self.child = spawn(self.start, &self.streams);
    capture_close_ends(&self.streams);
    descriptors_close_callers(-1);
    streams_silence(0, 1);
    if (chdir("/") != 0)
        fail_errno("cannot enter the root directory");
    if (self.child.pid > 0)
        payload_is(self.child.pid);
}

/* The pages of the launch file are only needed again for checks and to remove what a longer map made. */
static void shrink(void)
{
    static char subject[256];
    const struct record *image = record_of(self.start->launch, IMAGE);
    if (record_of(self.start->launch, HEALTH) != NULL || ending_needs_launch())
        return;
    snprintf(subject, sizeof subject, "%s", image != NULL ? field(image, 0) : "");
    if (image != NULL)
        message_subject(subject);
    launch_forget(self.start->launch);
}

static void payload_runs(void)
{
    self.phase = RUNNING;
    self.due = self.limit > 0 ? clock_now() + self.limit : NEVER;
    message_last(NULL);
    report_started();
    ending_started();
    health_start(self.start, ending_directory(), self.child.pid, state_start_time(self.child.pid));
    if (self.detached) {
        message_output(-1);
        streams_silence(0, STDERR_FILENO);
    }
    shrink();
}

/* What the child has to say before it is the payload; at its end we know which. A launcher that stays says `ok`. */
static void read_words(void)
{
    static const char ready[] = {EXECUTED, 'o', 'k', '\n', '\0'};
    ssize_t length;
    while ((length = read(self.child.words, self.words + self.said, sizeof self.words - 1 - self.said)) > 0)
        self.said += (size_t)length;
    if (self.has_launcher && strcmp(self.words, ready) == 0)
        self.said = 1;
    else if (length < 0)
        return;
    close(self.child.words);
    self.child.words = -1;
    self.words[self.said] = '\0';
    if (self.said == 1 && self.words[0] == EXECUTED)
        payload_runs();
}

/* The start has failed, and everything has ended. The child has said why, or it was killed. */
static _Noreturn void fail_start(void)
{
    const char *text = self.words + (self.words[0] == EXECUTED);
    int status = WIFEXITED(self.status) ? WEXITSTATUS(self.status) : 128 + WTERMSIG(self.status);
    if (*text != '\0') {
        if (launch_has_launcher(self.start->launch))
            message_of(text);
        status = status == 0 ? EXIT_FAILED : status;
        ending_not_started(status, text);
        exit(status);
    }
    if (self.interrupted != 0)
        fail_status(128 + self.interrupted, "it was interrupted by signal %d", self.interrupted);
    if (WIFSIGNALED(self.status))
        fail_status(status, "it was ended by signal %d before its program ran", WTERMSIG(self.status));
    fail("it ended before its program ran");
}

/* The payload, its init or what should have become it has ended, and been buried. */
static void child_ended(int status)
{
    self.child.pid = self.child.setup = 0;
    if (!self.has_status)
        self.status = status;
    self.has_status = true;
}

static void stop_with_payload(int number)
{
    if (!self.detached && self.phase <= RUNNING && !self.killing)
        signals_stop(number);
}

static void listen_to_child(void)
{
    struct message message;
    while (self.child.channel >= 0 && channel_receive(self.child.channel, &message)) {
        switch (message.word) {
        case WORD_PAYLOAD:
            payload_is(message.value);
            break;
        case WORD_MASTER:
            capture_terminal(message.passed);
            attach_input(fcntl(message.passed, F_DUPFD_CLOEXEC, 3), true);
            break;
        case WORD_STOPPED:
            stop_with_payload(message.value);
            break;
        case WORD_ENDED:
            self.status = message.value;
            self.has_status = true;
            break;
        case WORD_GO:
            break;
        }
    }
}

static void bury(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (WIFSTOPPED(status)) {
            if (pid == self.child.pid)
                stop_with_payload(WSTOPSIG(status));
            continue;
        }
        listen_to_child(); /* its last words, which it sent before */
        if (pid == self.child.setup && self.child.pid > 0)
            self.child.setup = 0;
        else if (pid == self.child.pid || pid == self.child.setup)
            child_ended(status);
        else if (!helpers_ended(pid, status))
            health_ended(pid, status);
    }
}

/* Is a signal for the start, and not for a payload that may be running by now? */
static bool is_starting(void)
{
    if (self.child.words >= 0)
        read_words();
    return self.phase <= STARTING && (self.has_parent || self.words[0] != EXECUTED);
}

static void interrupt(int number)
{
    if (self.phase == HELPERS)
        fail_status(128 + number, "it was interrupted by signal %d", number);
    self.interrupted = number;
    kill_all();
}

static void take_signals(void)
{
    struct signalfd_siginfo info;
    while (read(self.signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGCHLD)
            bury();
        else if (signal_ends_start(number) && is_starting())
            interrupt(number);
        else if (self.child.pid > 0 && signal_is_for_payload(&info, self.has_init))
            send(number);
    }
}

static void time_is_up(void)
{
    char sentence[100];
    if (self.phase == DRAINING) {
        if (!capture_is_over())
            say("something that outlives the payload keeps its output open; what it writes from now on is not recorded");
        capture_stop();
    } else if (self.phase == RUNNING && !self.timed_out) {
        snprintf(sentence, sizeof sentence, "it has run for %g s, its limit, and is ended", (double)self.limit / 1000);
        self.timed_out = true;
        self.due = clock_now() + self.grace;
        say(sentence);
        if (self.child.pid > 0)
            send(self.stop_signal);
    } else if (self.phase == RUNNING) {
        self.due = NEVER;
        kill_whole_tree();
    }
}

/* From one phase into the next, when its time has come. */
static void move_on(void)
{
    bool ended = self.child.pid == 0 && self.has_status;
    if (self.phase == HELPERS && helpers_are_ready())
        begin_start();
    if (self.phase == STARTING && ended && self.child.words < 0)
        fail_start();
    if (self.phase == RUNNING && ended) {
        if (self.timed_out && !self.has_init)
            kill_all(); /* LIMIT is for all of them */
        if (self.ends_all)
            family_kill(helpers_has);
        ending_ended(self.status, self.timed_out);
        capture_payload_ended();
        self.phase = DRAINING;
        self.due = clock_now() + DRAIN_PATIENCE;
    }
    if (self.phase == DRAINING && capture_is_over()) {
        log_finish();
        health_stop();
        ending_tidy();
        attach_end(ending_exit()->bytes, ending_exit()->length);
        self.phase = FAREWELL;
        self.due = NEVER;
    }
    if (self.phase == FAREWELL && !attach_has_clients())
        self.phase = OVER;
}

static void wait_and_do(void)
{
    static struct pollset set;
    pollset_clear(&set);
    pollset_until(&set, self.due);
    pollset_add(&set, self.signals, POLLIN);
    pollset_add(&set, self.child.channel, POLLIN);
    pollset_add(&set, self.child.words, POLLIN);
    pollset_add(&set, report_front(), 0);
    helpers_collect(&set);
    capture_collect(&set);
    log_collect(&set);
    attach_collect(&set);
    health_collect(&set);
    pollset_wait(&set);
    /* Output before ends: what the payload wrote before it ended is ahead of that. */
    capture_dispatch(&set);
    if (pollset_got(&set, self.child.channel) != 0)
        listen_to_child();
    if (pollset_got(&set, self.child.channel) & (POLLHUP | POLLERR)) { /* the payload's own end closed when it was executed */
        close(self.child.channel);
        self.child.channel = -1;
    }
    if (pollset_got(&set, self.child.words) != 0)
        read_words();
    if (pollset_got(&set, self.signals) != 0)
        take_signals();
    if ((pollset_got(&set, report_front()) & POLLERR) && is_starting())
        interrupt(SIGINT);
    helpers_dispatch(&set, pass_on_helpers);
    attach_dispatch(&set);
    health_dispatch(&set);
    log_tick();
    if (clock_now() >= self.due)
        time_is_up();
}

_Noreturn void watch(struct start *start)
{
    const struct launch *launch = start->launch;
    self.start = start;
    self.child = (struct child){.channel = -1, .words = -1};
    self.due = NEVER;
    read_options(launch);
    streams_fill();
    if (record_of(launch, DIE_WITH_PARENT) != NULL)
        process_die_with(start->caller.parent);
    report_keep(launch);
    if (self.detached)
        report_detach();
    message_last(give_up);
    if (getcwd(start->caller.path, sizeof start->caller.path) == NULL || start->caller.path[0] != '/')
        start->caller.path[0] = '\0';
    signals_block();
    open_all(start);
    helpers_start(start);
    umask(077);
    for (move_on(); self.phase != OVER; move_on())
        wait_and_do();
    if (self.was_in_front)
        terminal_take_back();
    exit(ending_finish());
}
